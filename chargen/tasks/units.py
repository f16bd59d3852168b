"""What the parts of a network follow along a text: single units, and heads that attend.

On units: Karpathy et al. 2015, arXiv:1506.02078.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chargen.errors import UsageError, argument

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Flags = NDArray[np.bool_]

SHOWN = 6
"""Units that are shown, where none are named."""


@dataclass(frozen=True)
class Unit:
    """One unit of a layer.

    Attributes:
        layer, number: which one, both counted from 0.
        correlation: with what was looked for; with its own value a character earlier, if nothing
            was.
        values: (T,), along the text.
    """

    layer: int
    number: int
    correlation: float
    values: Floats


def inside(text: str, pair: str) -> Flags:
    """Return whether each character stands between two signs (T,), the signs themselves excluded.

    Args:
        pair: the sign that opens and the one that closes; twice the same sign opens and closes in
            turn.

    Raises:
        UsageError: it is not two characters, or nothing in the text stands between them.

    Example:
        >>> inside('a "bc" d', '""').tolist()
        [False, False, False, True, True, False, False, False]
    """
    if len(pair) != 2:
        raise UsageError(
            f"{argument('inside')} is {pair!r}", "Give two characters: what opens and what closes"
        )
    first, last = pair[0], pair[1]
    found, depth = np.zeros(len(text), np.bool_), 0
    for at, character in enumerate(text):
        if first == last and character == first:
            depth = 1 - depth
        elif character == last and depth:
            depth -= 1
        elif character == first:
            depth += 1
        else:
            found[at] = depth > 0
    if found.all() or not found.any():
        raise UsageError(
            f"the text has nothing inside {pair!r}, or nothing else", "Give another text, or pair"
        )
    return found


def best(states: Floats, marks: Flags | None, count: int = SHOWN) -> list[Unit]:
    """Return the units that follow something along a text best, of all layers.

    Args:
        states: (L, T, H), see `chargen.measured.Measured.states`.
        marks: (T,), what to follow; None for the units that change least from one character to the
            next: those that keep something in mind.
    """
    if marks is None:
        correlations = correlated(states[:, 1:], states[:, :-1])
    else:
        correlations = correlated(states, marks.astype(np.float32)[None, :, None])
    order = np.argsort(-np.abs(correlations), axis=None, kind="stable")[:count]
    return [
        Unit(layer, number, float(correlations[layer, number]), states[layer, :, number])
        for layer, number in (divmod(int(at), states.shape[2]) for at in order)
    ]


def named(states: Floats, marks: Flags | None, units: Sequence[tuple[int, int]]) -> list[Unit]:
    """Return units by layer and number; see `best`.

    Raises:
        UsageError: there is no such unit.
    """
    layers, _, hidden = states.shape
    found = {(one.layer, one.number): one for one in best(states, marks, layers * hidden)}
    for layer, number in units:
        if (layer, number) not in found:
            raise UsageError(
                f"there is no unit {number} in layer {layer}",
                f"There are {layers} layers of {hidden:,} units, both counted from 0",
            )
    return [found[one] for one in units]


def reach(shares: Floats) -> NDArray[np.float64]:
    """Return how many characters back each head attends to, on average (L, heads).

    Args:
        shares: (L, heads, T, T), see `chargen.measured.Measured.attention`.
    """
    places = np.arange(shares.shape[-1])
    back = places[:, None] - places
    return np.asarray((shares * back).sum(axis=-1, dtype=np.float64).mean(axis=-1))


def correlated(one: Floats, other: Floats) -> NDArray[np.float64]:
    """Return the correlation along the text (L, H) of (L, T, H) and what broadcasts to it."""
    first, second = (part - part.mean(axis=1, keepdims=True) for part in (one, other))
    both = (first * second).mean(axis=1, dtype=np.float64)
    spread = np.sqrt((first**2).mean(axis=1) * (second**2).mean(axis=1))
    return np.asarray(both / np.maximum(spread, 1e-12))
