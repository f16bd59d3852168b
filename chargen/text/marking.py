"""What a model that marks a text knows beside characters: its marks, one for each place."""

from __future__ import annotations

from dataclasses import dataclass

OUTSIDE = "O"
BEGIN, INSIDE = "B-", "I-"
"""Marks of places: outside all spans, at the first character of a span, at another one (IOB2)."""


@dataclass(frozen=True)
class Marking:
    """The marks of a model, in the order of their ids.

    Attributes:
        marks: of tags, `OUTSIDE` and two for each label; of damage, how a place is mended (see
            `chargen.text.damage`).
        undo: what is undone, as the option has it; nothing for tags.
        longest: characters that are read at a time.

    Raises:
        ValueError: no marks, or one twice.
    """

    marks: tuple[str, ...]
    undo: str = ""
    longest: int = 2000

    def __post_init__(self) -> None:
        if not self.marks or len(set(self.marks)) != len(self.marks):
            raise ValueError("there must be marks, and they must differ")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of spans."""
        return tuple(mark.removeprefix(BEGIN) for mark in self.marks if mark.startswith(BEGIN))


def of_labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the marks of spans that have these labels."""
    return (OUTSIDE, *(side + label for label in labels for side in (BEGIN, INSIDE)))
