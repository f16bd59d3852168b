"""Passages of a corpus that are most like a text: what a historian compares a text with.

A passage is as like a text as the stretches of five characters that they share are rare in the
corpus: each counts by the logarithm of how many times fewer there are than characters (inverse
document frequency; Spärck Jones 1972). The corpus is streamed twice, first to count, then to weigh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chargen.text.corpus import Text, read_all
from chargen.text.grams import prints
from chargen.text.place import lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    CodePoints = NDArray[np.uint32]
    Floats = NDArray[np.float64]
    Places = NDArray[np.int64]

SIZE = 5
"""Characters of a stretch."""

PASSAGE = 240
"""Characters of a passage, a sentence or two; or as many as the text has."""

LONGEST = 8 * PASSAGE
"""Characters of a passage, at most: the time grows with them."""

COUNT = 5
"""Passages that are found."""


@dataclass(frozen=True)
class Parallel:
    """A passage of a corpus.

    Attributes:
        source, line: the name of its file, and the line where it begins.
        likeness: share of the text's weight that it has, from 0 to 1.
        text: what it says.
    """

    source: str
    line: int
    likeness: float
    text: str


def parallels(
    pieces: Sequence[str],
    corpus: Text,
    count: int = COUNT,
    progress: Callable[[int, int], None] | None = None,
) -> list[Parallel]:
    """Return the passages most like a text, the most like first; none overlaps another.

    Args:
        pieces: the text, cut where something is missing.
        count: passages, at most; those that share nothing with the text are none.
        progress: called with characters of the corpus that were read, and with all (twice).
    """
    known = [prints(_points(piece), SIZE) for piece in pieces]
    wanted = np.unique(np.concatenate([*known, np.empty(0, np.uint64)]))
    if not len(wanted):
        return []
    seen = np.zeros(len(wanted))
    for done, places in _hits(wanted, corpus):
        np.add.at(seen, places[places >= 0], 1)
        if progress is not None:
            progress(done, 2 * corpus.characters)
    weights = np.log(corpus.characters / np.maximum(seen, 1))
    size = min(max(PASSAGE, sum(map(len, pieces))), LONGEST)
    best = _Best(size, count)
    for done, places in _hits(wanted, corpus):
        best.take(places, weights)
        if progress is not None:
            progress(corpus.characters + done, 2 * corpus.characters)
    starts = [start for _, start in best.found()]
    where = lines(corpus, np.array(starts, np.int64))
    return [
        Parallel(
            source,
            line,
            min(1.0, weight / float(weights.sum())),
            read_all(corpus.blocks(start, min(start + size, corpus.characters))),
        )
        for (weight, start), (source, line) in zip(best.found(), where, strict=True)
    ]


def _hits(wanted: NDArray[np.uint64], corpus: Text) -> Iterator[tuple[int, Places]]:
    """Yield characters read, and the place in ``wanted`` of each stretch of a block, or -1."""
    rest, done = np.empty(0, np.uint32), 0
    for block in corpus.blocks(0, corpus.characters):
        points = np.concatenate((rest, block))
        theirs = prints(points, SIZE)
        places = np.minimum(np.searchsorted(wanted, theirs), len(wanted) - 1)
        places[wanted[places] != theirs] = -1
        done += len(block)
        rest = points[len(theirs) :]
        yield done, places


class _Best:
    """The heaviest passages so far.

    Args:
        size: characters of a passage.
        count: passages.
    """

    def __init__(self, size: int, count: int) -> None:
        self.size, self.count = size, count
        self.candidates: list[tuple[float, int]] = []
        self.rest: Places = np.empty(0, np.int64)
        self.at = 0

    def take(self, places: Places, weights: Floats) -> None:
        """Weigh the passages that end in the next stretches of the corpus."""
        every = np.concatenate((self.rest, places))
        begin = self.at - len(self.rest)
        self.at += len(places)
        self.rest = every[-self.size + 1 :]
        # Where the same stretch came before: within a passage, it counts once.
        order = np.lexsort((np.arange(len(every)), every))
        before = np.full(len(every), -1)
        same = np.diff(every[order]) == 0
        before[order[1:][same]] = order[:-1][same]
        padding = np.full(max(0, self.size - len(every)), -1)
        every, before = np.append(every, padding), np.append(before, padding)
        step = max(1, self.size // 8)
        windows = np.lib.stride_tricks.sliding_window_view
        values = windows(np.where(every >= 0, weights[every], 0.0), self.size)[::step]
        starts = np.arange(len(values)) * step
        heavy = (values * (windows(before, self.size)[::step] < starts[:, None])).sum(axis=1)
        for place in np.argsort(-heavy)[: 17 * self.count].tolist():
            if heavy[place] > 0:
                self.candidates.append((float(heavy[place]), int(begin + starts[place])))
        self.candidates = self.found()

    def found(self) -> list[tuple[float, int]]:
        """Return weight and start of the heaviest passages that do not overlap."""
        kept: list[tuple[float, int]] = []
        for weight, start in sorted(self.candidates, reverse=True):
            if all(abs(start - other) >= self.size for _, other in kept):
                kept.append((weight, start))
        return kept[: self.count]


def _points(text: str) -> CodePoints:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
