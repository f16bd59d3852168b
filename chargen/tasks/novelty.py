"""What of a text stands in a corpus, word for word, and where.

The corpus is streamed: memory grows with the text, not with the corpus. Each stretch of the corpus
of the shortest length that counts is looked up among those of the text, by its fingerprint. Hits
that go on side by side in both are one copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.text.corpus import Text
from chargen.text.grams import prints
from chargen.text.place import lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    CodePoints = NDArray[np.uint32]
    Places = NDArray[np.int64]

SHORTEST = 20
"""Characters of a copy that counts, at least: shorter ones are phrases that everybody uses."""

ALIKE, MOST_ALIKE = 1024, 16
"""Places of the text with the same stretch that are followed, at most; and where that would be too
much, because both texts repeat themselves without end."""

MANY = 1 << 22
"""Pairs of places in one block that are too many."""


@dataclass(frozen=True)
class Copy:
    """A stretch of a text that stands in a corpus.

    Attributes:
        start, stop: where it is in the text, in characters.
        source: the name of the corpus's file.
        line: of that file, where it begins.
        text: what it says.
    """

    start: int
    stop: int
    source: str
    line: int
    text: str

    def json(self) -> dict[str, Any]:
        """Return the copy under its usual keys."""
        return {
            "start": self.start,
            "end": self.stop,
            "chars": self.stop - self.start,
            "source": self.source,
            "line": self.line,
            "text": self.text,
        }


@dataclass(frozen=True)
class Novelty:
    """How much of a text is new.

    Attributes:
        text: the text.
        copied: (T,), whether each character is part of a copy.
        copies: the longest copy at each place, in the order of the text; they may overlap. Those of
            texts that repeat a few characters without end may be shorter than they could be.
    """

    text: str
    copied: NDArray[np.bool_]
    copies: Sequence[Copy]

    def json(self) -> dict[str, Any]:
        """Return figures and copies under their usual keys."""
        copied = int(self.copied.sum())
        return {
            "characters": len(self.text),
            "copied": copied,
            "new": 1 - copied / max(1, len(self.text)),
            "longest": max((copy.stop - copy.start for copy in self.copies), default=0),
            "copies": [copy.json() for copy in self.copies],
        }


def novelty(
    text: str,
    corpus: Text,
    shortest: int = SHORTEST,
    progress: Callable[[int, int], None] | None = None,
) -> Novelty:
    """Find what of a text stands in a corpus.

    Args:
        shortest: characters of a copy, at least.
        progress: called with characters of the corpus that were read, and with all.
    """
    own = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    looked = _Looked(own, shortest)
    found = [
        _joined(mine, theirs, np.ones(len(mine), np.int64))
        for mine, theirs in looked.hits(corpus, progress)
    ]
    starts, places, counts = _joined(*map(np.concatenate, zip(*found, strict=True)))
    kept = _longest(starts, counts + shortest - 1, len(text))
    starts, places, stops = starts[kept], places[kept], (starts + counts + shortest - 1)[kept]
    copies = [
        Copy(int(start), int(stop), source, line, text[start:stop])
        for start, stop, (source, line) in zip(starts, stops, lines(corpus, places), strict=True)
    ]
    return Novelty(text, looked.copied(), copies)


class _Looked:
    """The stretches of a text, to look up those of a corpus among them.

    Args:
        points: the text.
        size: characters of a stretch.
    """

    def __init__(self, points: CodePoints, size: int) -> None:
        mine = prints(points, size)
        self.size, self.length = size, len(points)
        self.order = np.argsort(mine, kind="stable")
        self.ranked = mine[self.order]
        self.found = np.zeros(len(mine), np.bool_)

    def hits(
        self, corpus: Text, progress: Callable[[int, int], None] | None
    ) -> Iterator[tuple[Places, Places]]:
        """Yield the places in the text and in the corpus of stretches that both have, by block."""
        rest, at = np.empty(0, np.uint32), 0
        for block in corpus.blocks(0, corpus.characters):
            points = np.concatenate((rest, block))
            theirs = prints(points, self.size)
            low = np.searchsorted(self.ranked, theirs, "left")
            counts = np.searchsorted(self.ranked, theirs, "right") - low
            self.found[low[counts > 0]] = True
            counts = np.minimum(counts, ALIKE)
            if counts.sum() > MANY:
                counts = np.minimum(counts, MOST_ALIKE)
            places = np.flatnonzero(counts)
            repeated = np.repeat(places, counts[places])
            firsts = np.repeat(np.cumsum(counts[places]) - counts[places], counts[places])
            within = np.arange(len(repeated)) - firsts
            yield self.order[low[repeated] + within], repeated + at
            at += len(theirs)
            rest = points[len(theirs) :]
            if progress is not None:
                progress(at + len(rest), corpus.characters)

    def copied(self) -> NDArray[np.bool_]:
        """Return whether each character of the text is in a stretch that was found (T,)."""
        starts = self.order[self.found[np.searchsorted(self.ranked, self.ranked, "left")]]
        edges = np.zeros(self.length + 1, np.int64)
        np.add.at(edges, starts, 1)
        np.add.at(edges, starts + self.size, -1)
        return np.asarray(edges.cumsum()[:-1] > 0)


def _joined(text: Places, corpus: Places, counts: Places) -> tuple[Places, Places, Places]:
    """Join runs of hits that go on side by side: where each begins in both, and its length."""
    shift = corpus - text
    order = np.lexsort((text, shift))
    text, shift, counts = text[order], shift[order], counts[order]
    new = np.ones(len(text), np.bool_)
    new[1:] = (shift[1:] != shift[:-1]) | (text[1:] != text[:-1] + counts[:-1])
    starts = np.flatnonzero(new)
    sums = np.add.reduceat(counts, starts) if len(starts) else counts
    return text[starts], text[starts] + shift[starts], sums


def _longest(starts: Places, lengths: Places, size: int) -> Places:
    """Return which stretches to keep: those that cover something that no longer one covers."""
    covered = np.zeros(size, np.bool_)
    kept, had = [], set()
    for number in np.lexsort((starts, -lengths)).tolist():
        start, stop = int(starts[number]), int(starts[number] + lengths[number])
        if (start, stop) in had or covered[start:stop].all():
            continue
        had.add((start, stop))
        covered[start:stop] = True
        kept.append(number)
    return np.array(sorted(kept, key=lambda number: starts[number]), np.int64)
