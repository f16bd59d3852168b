"""From a span of text to windows of ids: B lanes side by side, T characters at a time.

A span of n characters is cut into B contiguous lanes, the first n mod B of them one character
longer. A window holds the next T characters of every lane, so that a recurrent state carried from
window to window has seen all of its lane up to there (truncated backpropagation through time,
Williams & Peng 1990). Every character is a target exactly once a pass.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chargen.text.corpus import Span
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]

PAST = -1
"""The target at a place after the end of a lane, where there is nothing to predict."""


@dataclass(frozen=True)
class Window:
    """One step's data.

    Attributes:
        inputs: (B, T) ids; the character before each target, ``bos`` at the start of a lane.
        targets: (B, T) ids; ``PAST`` beyond a lane's end, ``bos`` for an unknown character.
        start: how many characters of each lane came before.
        labels: (B, T) of a labelled text: the label of each target.
        ages: (B, T) of a text made of examples: the place of each target in its example. Where it
            is 0, an example begins, and nothing that came before may be known.
    """

    inputs: Ids
    targets: Ids
    start: int
    labels: Ids | None = None
    ages: Ids | None = None

    @property
    def end(self) -> int:
        """How many characters of each lane are done with this step."""
        return int(self.start + self.targets.shape[1])

    @property
    def characters(self) -> int:
        """How many targets there are."""
        return int((self.targets != PAST).sum())


def beside(one: Window, other: Window) -> Window:
    """Return the lanes of two windows of one width as one window; both have labels, or neither."""

    def joined(first: Ids | None, second: Ids | None) -> Ids | None:
        return None if first is None or second is None else np.concatenate([first, second])

    return Window(
        np.concatenate([one.inputs, other.inputs]),
        np.concatenate([one.targets, other.targets]),
        one.start,
        joined(one.labels, other.labels),
        joined(one.ages, other.ages),
    )


class Lane:
    """Reads one stretch of a span forward, holding one block of ids at a time."""

    def __init__(self, span: Span, vocabulary: Vocabulary, start: int, stop: int) -> None:
        self.blocks = span.blocks(start, stop)
        self.vocabulary = vocabulary
        self.ids: Ids = np.empty(0, dtype=np.int32)
        self.at = 0

    def read_into(self, row: Ids) -> None:
        """Fill ``row`` with the next ids; if the lane ends, the rest of ``row`` is not changed."""
        filled = 0
        while filled < len(row):
            if self.at == len(self.ids):
                points = next(self.blocks, None)
                if points is None:
                    return
                self.ids, self.at = self.vocabulary.lookup(points), 0
            taken = self.ids[self.at : self.at + len(row) - filled]
            row[filled : filled + len(taken)] = taken
            filled += len(taken)
            self.at += len(taken)


def cuts(length: int, lanes: int, overlap: int = 0) -> list[tuple[int, int]]:
    """Cut ``length`` characters into lanes that differ in length by one character at most.

    With ``overlap``, each lane but the first begins that many characters before the end of the one
    before it, so that a recurrent state can settle before its own characters begin.

    Examples:
        >>> cuts(7, 3)
        [(0, 3), (3, 5), (5, 7)]
        >>> cuts(10, 2, overlap=4)
        [(0, 7), (3, 10)]
    """
    short, longer = divmod(length + (lanes - 1) * overlap, lanes)
    edges = [lane * short + min(lane, longer) for lane in range(lanes + 1)]
    return [
        (start - lane * overlap, stop - lane * overlap)
        for lane, (start, stop) in enumerate(itertools.pairwise(edges))
    ]


def windows(
    span: Span,
    vocabulary: Vocabulary,
    lanes: Sequence[tuple[int, int]],
    bptt: int,
    skip: int = 0,
    mine: slice = slice(None),
) -> Iterator[Window]:
    """Yield the windows of one pass, (B, ``bptt``) each but the last, which may be narrower.

    Args:
        lanes: where each lane starts and stops in the span, as from `cuts`.
        skip: characters of each lane to pass over, to go on where a pass was interrupted.
        mine: which lanes to read; the windows are as wide as if all were.
    """
    longest = max(stop - start for start, stop in lanes)
    lanes = lanes[mine]
    previous = np.full(len(lanes), vocabulary.bos, dtype=np.int32)
    readers = []
    for row, (start, stop) in enumerate(lanes):
        first = start + skip
        if skip and first <= stop:
            Lane(span, vocabulary, first - 1, first).read_into(previous[row : row + 1])
        readers.append(Lane(span, vocabulary, first, stop))
    firsts = np.array([start for start, _ in lanes], dtype=np.int64)[:, None]
    for at in range(skip, longest, bptt):
        width = min(bptt, longest - at)
        targets = np.full((len(lanes), width), PAST, dtype=np.int32)
        for reader, row_ids in zip(readers, targets, strict=True):
            reader.read_into(row_ids)
        inputs = np.concatenate([previous[:, None], targets[:, :-1]], axis=1)
        previous = targets[:, -1].copy()
        inputs[inputs == PAST] = vocabulary.bos
        labels = ages = None
        if span.marks is not None:
            labels, ages = span.marks.at(span.places(firsts + np.arange(at, at + width)))
            # The first input of an example is "no character", as at the start of a text.
            inputs[ages == 0] = vocabulary.bos
        yield Window(inputs, targets, at, labels, ages)
