"""How an option is declared: its help, its usual value, and its bounds."""

import math
from dataclasses import dataclass, field
from typing import Any

from chargen.errors import UsageError, argument

LARGEST_NUMBER = (1 << 63) - 1
"""The largest whole number that an option may have."""

LARGEST_COUNT = 1 << 20
"""The largest size that may be asked for; `Architecture` has a lower limit of its own."""


@dataclass(frozen=True)
class Declared:
    """The declaration of an option.

    Attributes:
        help: one phrase: meaning, unit, effect.
        usual: the value if the user gives none; None if the value is chosen for each text.
        chosen: how it is chosen, in words, where ``usual`` is None.
        low, high, open_low: bounds of a number, see `check`.
        choices: the words that are allowed.
    """

    help: str
    usual: Any = None
    chosen: str | None = None
    low: float | None = None
    high: float = LARGEST_NUMBER
    open_low: bool = False
    choices: tuple[str, ...] = ()


def option(help: str, usual: Any = None, **declared: Any) -> Any:  # noqa: A002 - as Typer
    """Declare a field of `Options`."""
    return field(default=None, metadata={"declared": Declared(help, usual, **declared)})


def check(
    name: str, value: float | None, low: float, high: float, *, open_low: bool = False
) -> None:
    """Refuse an argument outside [low, high], or (low, high] with ``open_low``; None passes.

    Raises:
        UsageError: the value is outside, or not a number.
    """
    if value is None:
        return
    if not (low <= value <= high) or (open_low and value == low) or value == math.inf:
        bracket = "(" if open_low else "["
        upper = f"{high:.10g}]" if high < LARGEST_NUMBER else "∞)"
        # A whole number can be too large for the format ``g``.
        given = f"{value:g}" if -(10**15) < value < 10**15 else str(value)[:40]
        raise UsageError(
            f"{argument(name)} is {given}", f"Give a number in {bracket}{low:g}, {upper}"
        )
