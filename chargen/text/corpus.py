"""A corpus as one long text, and stretches of it.

A text is never held in memory. It is read once, a block at a time (`chargen.text.survey`); after
that any part can be read again by seeking to its block.

Characters are Unicode code points. With ``as_bytes`` each byte is one character, U+0000 to U+00FF,
so that the rest of the program need not know the difference.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.errors import CorpusError
from chargen.ranks import ALONE, Ranks
from chargen.text.counting import code_points
from chargen.text.formats import COLUMN
from chargen.text.sources import STRICT, Opener, Part, Skipped, Source, proper
from chargen.text.survey import Progress, forget, surveyed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    CodePoints = NDArray[np.uint32]

KEPT = 32
"""Blocks that are kept decoded, where that is asked for."""

CODE_POINTS = 0x110000


@dataclass(frozen=True)
class Marks:
    """Where the examples of a labelled text begin, and what they are.

    Attributes:
        starts: (N,) the first character of each, ascending from 0.
        labels: (N,) the id of each one's label.
        prints: (N,) its fingerprint.
    """

    starts: NDArray[np.int64]
    labels: NDArray[np.int32]
    prints: NDArray[np.uint64]

    def at(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the label at each place of the text, and the place in its example."""
        rows = np.searchsorted(self.starts, places, side="right") - 1
        return self.labels[rows], (places - self.starts[rows]).astype(np.int32)


class Text:
    """A surveyed text: what it holds, and random access to its code points by block.

    Attributes:
        names: the sources, as given (file names, no folders).
        characters: number of characters.
        size: number of bytes, as UTF-8 (as given, with ``as_bytes``).
        sha256: fingerprint of those bytes.
        counts: occurrences of each code point that occurs.
        index: where its blocks are.
        marks: of a labelled text.

    Raises:
        CorpusError: a source is missing, unreadable, wrongly encoded, or all are empty.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        as_bytes: bool = False,
        progress: Progress | None = None,
        marks: Marks | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.parts = parts
        self.marks = marks
        self.as_bytes = as_bytes
        # A table has a part for each of its rows: they share one name.
        named = {name: proper(Path(name).name) for name in {part.name for part in parts}}
        self.names = [named[part.name] for part in parts]
        self.size = sum(part.size for part in parts)
        self.kept: dict[int, CodePoints] = {}
        check_alike([part.size for part in parts], ranks)
        self.index = ranks.given(lambda: surveyed(parts, as_bytes=as_bytes, progress=progress))
        self.characters = self.index.characters
        self.sha256 = self.index.sha256
        known = zip(self.index.points.tolist(), self.index.counts.tolist(), strict=True)
        self.counts: dict[int, int] = dict(known)

    def ranking(self) -> list[tuple[int, int]]:
        """Return code points with their counts, the most frequent first."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))

    def statistics(self) -> dict[str, Any]:
        """Return what the text looks like to a trainer, in figures.

        ``bits_by_frequency`` is what a character costs if only the frequencies are known: the
        entropy of their distribution (Shannon 1951), which any trained model should be far below.
        """
        shares = np.array(list(self.counts.values())) / self.characters
        return {
            "characters": self.characters,
            "bytes": self.size,
            "files": len(self.names),
            "lines": self.counts.get(ord("\n"), 0),
            "vocabulary": len(self.counts),
            "occurring_once": sum(count == 1 for count in self.counts.values()),
            "bits_by_frequency": float(-(shares * np.log2(shares)).sum()),
            "sha256": self.sha256,
        }

    def blocks(self, start: int, stop: int, *, keep: bool = False) -> Iterator[CodePoints]:
        """Yield the code points of characters ``start`` to ``stop``, a block at a time.

        With ``keep``, the last blocks are kept decoded, for short stretches from all over a text.
        """
        number = int(self.index.first.searchsorted(start, side="right")) - 1
        while start < stop:
            begin = int(self.index.first[number])
            points = self._again(number, keep)[start - begin : stop - begin]
            yield points
            start += len(points)
            number += 1

    def _again(self, number: int, keep: bool) -> CodePoints:
        """Return the code points of a block, and make sure that it is what was surveyed."""
        if keep and number in self.kept:
            return self.kept[number]
        index = self.index
        owner, offset = int(index.part[number]), int(index.offset[number])
        part = self.parts[owner]
        last = number + 1 == len(index.part) or index.part[number + 1] != owner
        end = part.size if last else int(index.offset[number + 1])
        block = part.read(offset, end - offset)
        if zlib.crc32(block) != index.check[number]:
            forget(self.parts, self.as_bytes)
            raise CorpusError(
                f"{part.name} changed while it was being read",
                "Leave the text alone while chargen reads it, then start again",
            )
        points = code_points(block, self.as_bytes)
        if keep:
            if len(self.kept) >= KEPT:
                self.kept.pop(next(iter(self.kept)))
            self.kept[number] = points
        return points

    def span(self, start: int = 0, stop: int | None = None) -> Span:
        """Return the stretch of characters ``start`` to ``stop``."""
        return Span(self, ((start, self.characters if stop is None else stop),))


@dataclass(frozen=True)
class Span:
    """What is trained on, or what is held out: one stretch of a text, or several.

    Attributes:
        text: the whole text.
        ranges: where each stretch starts and stops, in the order of reading, none of them empty.
    """

    text: Text
    ranges: tuple[tuple[int, int], ...]

    @cached_property
    def edges(self) -> NDArray[np.int64]:
        """Where each stretch begins, counted from the span's start, and where the last one ends."""
        starts, stops = np.array(self.ranges, dtype=np.int64).reshape(-1, 2).T
        return np.concatenate(([0], np.cumsum(stops - starts)))

    def __len__(self) -> int:
        return int(self.edges[-1])

    @property
    def start(self) -> int:
        """Where the first stretch starts."""
        return self.ranges[0][0]

    @property
    def marks(self) -> Marks | None:
        """The marks of a labelled text, counted from the text's start."""
        return self.text.marks

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[CodePoints]:
        """Yield the code points from ``start`` to ``stop``, both counted from the span's start."""
        for first, last in self.part(start, len(self) if stop is None else stop).ranges:
            yield from self.text.blocks(first, last)

    def part(self, start: int, stop: int) -> Span:
        """Return what lies from ``start`` to ``stop``, both counted from the span's start."""
        if len(self.ranges) == 1:
            return Span(self.text, ((self.start + start, self.start + stop),))
        # There may be millions of stretches, one for each document.
        begin = int(np.searchsorted(self.edges, start, side="right")) - 1
        end = int(np.searchsorted(self.edges, stop))
        touched = zip(self.ranges[begin:end], self.edges[begin:end].tolist(), strict=True)
        parts = (
            (first + max(start - edge, 0), min(first + stop - edge, last))
            for (first, last), edge in touched
        )
        return Span(self.text, tuple(one for one in parts if one[0] < one[1]))

    def around(self, start: int, length: int) -> Span:
        """Return a stretch of the span read round and round: after its end, its start follows."""
        ranges: list[tuple[int, int]] = []
        while length:
            start %= len(self)
            stop = min(len(self), start + length)
            ranges += self.part(start, stop).ranges
            start, length = stop, length - (stop - start)
        return Span(self.text, tuple(ranges))

    def places(self, within: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where characters stand in the text, given where they stand in the span.

        Places after the span's end are counted on from its last stretch.
        """
        edges = self.edges[:-1]
        row = np.searchsorted(edges, within, side="right") - 1
        starts = np.array([start for start, _ in self.ranges])
        found: NDArray[np.int64] = starts[row] + within - edges[row]
        return found

    def size(self) -> int:
        """Bytes that the span takes as UTF-8 (as given, for a text of bytes)."""
        if self.text.as_bytes:
            return len(self)
        if len(self) == self.text.characters:
            return self.text.size
        bounds = np.array([0x80, 0x800, 0x10000], dtype=np.uint32)
        return sum(
            len(points) + int(np.searchsorted(bounds, points, side="right").sum())
            for points in self.blocks()
        )


def check_alike(about: object, ranks: Ranks) -> None:
    """Make sure that something about the texts is the same on all ranks.

    Raises:
        CorpusError: another machine has other files.
    """
    if ranks.given(lambda: about) != about:
        raise CorpusError(
            f"the texts of rank {ranks.rank} are not those of rank 0",
            "Give all machines the same files",
        )


def open_text(
    sources: Sequence[Source],
    *,
    encoding: str = "utf-8",
    as_bytes: bool = False,
    errors: str = STRICT,
    progress: Progress | None = None,
    skipped: Skipped | None = None,
    column: str = COLUMN,
    ranks: Ranks = ALONE,
) -> Text:
    """Open files, folders, archives, tables, addresses and standard input as one text, in order.

    Args:
        sources: paths; a folder stands for the text files below it, in the order of their names;
            see `chargen.text.sources.Opener.parts`.
        encoding: of every file; anything but UTF-8 is transcoded to a temporary file.
        as_bytes: take each byte as a character and decode nothing.
        errors: for bytes that are no text: strict, skip or replace; see `Opener`.
        progress: called with bytes surveyed and bytes in all.
        skipped: called with each file in a folder that is passed over, and why.
        column: of tables (JSON lines, Parquet): where the text is.
        ranks: that open it together; the first reads it and tells the others what it found.

    Raises:
        CorpusError: a source is missing, unreadable, wrongly encoded, or there is no text in them.
    """
    parts = list(Opener(encoding, as_bytes, errors, skipped, column).parts(sources))
    text = Text(parts, as_bytes=as_bytes, progress=progress, ranks=ranks)
    if text.characters == 0:
        names = ", ".join(text.names)
        raise CorpusError(f"{names} is empty", "Give a text of at least two characters")
    return text


def read_all(span: Iterable[CodePoints]) -> str:
    """Join blocks of code points to a string; for short texts only."""
    return "".join(points.astype("<u4").tobytes().decode("utf-32-le") for points in span)
