"""A corpus as one long text, and stretches of it.

A text is never held in memory. It is read once, a block at a time, to check its encoding, count its
characters and note where each block begins (a *survey*); after that any part can be read again by
seeking to its block.

Characters are Unicode code points. With ``as_bytes`` each byte is one character, U+0000 to U+00FF,
so that the rest of the program need not know the difference.
"""

from __future__ import annotations

import hashlib
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.errors import CorpusError, argument
from chargen.text.formats import COLUMN
from chargen.text.sources import (
    BLOCK,
    STRICT,
    Opener,
    Part,
    Skipped,
    Source,
    bad_byte,
    proper,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    CodePoints = NDArray[np.uint32]

KEPT = 32
"""Blocks that are kept decoded, where that is asked for."""

LISTED = 20
"""Files that an error names, beside the first."""

PLANE = 1 << 16
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
        marks: of a labelled text.

    Raises:
        CorpusError: a source is missing, unreadable, wrongly encoded, or all are empty.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        as_bytes: bool = False,
        progress: Callable[[int, int], None] | None = None,
        marks: Marks | None = None,
    ) -> None:
        self.parts = parts
        self.marks = marks
        self.as_bytes = as_bytes
        self.names = [proper(Path(part.name).name) for part in parts]
        self.size = sum(part.size for part in parts)
        self.characters = 0
        self.counts: dict[int, int] = {}
        self.kept: dict[int, CodePoints] = {}
        # The columns of the index; arrays of machine integers, for a book or for a terabyte.
        self.first = array("q")
        self.offset = array("q")
        self.part = array("q")
        self.check = array("L")
        digest = hashlib.sha256()
        tally = np.zeros(PLANE, dtype=np.int64)
        done = 0
        bad: list[CorpusError] = []
        for number, part in enumerate(parts):
            offset = 0
            while offset < part.size:
                try:
                    block, points = self._decode(part, offset)
                except CorpusError as error:
                    # All files are looked at, so that all that is wrong can be mended at once.
                    bad.append(error)
                    break
                self.first.append(self.characters)
                self.offset.append(offset)
                self.part.append(number)
                self.check.append(zlib.crc32(block))
                digest.update(block)
                self._count(points, tally)
                self.characters += len(points)
                offset += len(block)
                done += len(block)
                if progress is not None:
                    progress(done, self.size)
        if bad:
            raise all_of(bad)
        self.counts.update((int(point), int(tally[point])) for point in np.flatnonzero(tally))
        self.sha256 = digest.hexdigest()

    def _count(self, points: CodePoints, tally: NDArray[np.int64]) -> None:
        astral = points >= PLANE
        if astral.any():
            for point, count in zip(*np.unique(points[astral], return_counts=True), strict=True):
                self.counts[int(point)] = self.counts.get(int(point), 0) + int(count)
            points = points[~astral]
        low = np.bincount(points)
        tally[: len(low)] += low

    def _decode(self, part: Part, offset: int) -> tuple[bytes, CodePoints]:
        """Read one block and cut it at its last whole character."""
        block = part.read(offset, min(BLOCK, part.size - offset))
        if not block:
            raise CorpusError(f"{part.name} became shorter while it was being read", "Start again")
        try:
            return block, _points(block, self.as_bytes)
        except UnicodeDecodeError as error:
            cut_short = error.end == len(block) and error.reason == "unexpected end of data"
            if not cut_short or offset + len(block) == part.size or error.start == 0:
                raise bad_byte(part.name, part.start + offset + error.start, block, error) from None
            block = block[: error.start]
            return block, _points(block, self.as_bytes)

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
        number = bisect_right(self.first, start) - 1
        while start < stop:
            begin = self.first[number]
            points = self._again(number, keep)[start - begin : stop - begin]
            yield points
            start += len(points)
            number += 1

    def _again(self, number: int, keep: bool) -> CodePoints:
        """Return the code points of a block, and make sure that it is what was surveyed."""
        if keep and number in self.kept:
            return self.kept[number]
        owner, offset = self.part[number], self.offset[number]
        part = self.parts[owner]
        last = number + 1 == len(self.part) or self.part[number + 1] != owner
        block = part.read(offset, (part.size if last else self.offset[number + 1]) - offset)
        if zlib.crc32(block) != self.check[number]:
            raise CorpusError(
                f"{part.name} changed while it was being read",
                "Leave the text alone while chargen reads it, then start again",
            )
        points = _points(block, self.as_bytes)
        if keep:
            if len(self.kept) >= KEPT:
                self.kept.pop(next(iter(self.kept)))
            self.kept[number] = points
        return points

    def span(self, start: int = 0, stop: int | None = None) -> Span:
        """Return the stretch of characters ``start`` to ``stop``."""
        return Span(self, ((start, self.characters if stop is None else stop),))


def _points(block: bytes, as_bytes: bool) -> CodePoints:
    """Return the code points of whole characters of UTF-8, or of bytes."""
    if as_bytes or block.isascii():
        return np.frombuffer(block, dtype=np.uint8).astype(np.uint32)
    return np.frombuffer(block.decode().encode("utf-32-le"), dtype=np.uint32)


def all_of(errors: Sequence[CorpusError]) -> CorpusError:
    """Return one error that names all files that are at fault."""
    if len(errors) == 1:
        return errors[0]
    first, *others = (error.problem for error in errors)
    more = f", and {len(others) - LISTED:,} more" if len(others) > LISTED else ""
    return CorpusError(
        f"{len(errors):,} files are no text as asked for: {'; '.join([first, *others[:LISTED]])}"
        f"{more}",
        f"Name their encoding by {argument('encoding')}, or pass them over "
        f"({argument('errors')} skip), or put U+FFFD for what is no text "
        f"({argument('errors')} replace)",
    )


@dataclass(frozen=True)
class Span:
    """What is trained on, or what is held out: one stretch of a text, or several.

    Attributes:
        text: the whole text.
        ranges: where each stretch starts and stops, in the order of reading, none of them empty.
    """

    text: Text
    ranges: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return sum(stop - start for start, stop in self.ranges)

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
        parts = []
        edge = 0
        for first, last in self.ranges:
            begin, end = max(start - edge, 0), min(stop - edge, last - first)
            if begin < end:
                parts.append((first + begin, first + end))
            edge += last - first
        return Span(self.text, tuple(parts))

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
        starts, stops = np.array(self.ranges).T
        edges = np.concatenate([[0], np.cumsum(stops - starts)[:-1]])
        row = np.searchsorted(edges, within, side="right") - 1
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


def open_text(
    sources: Sequence[Source],
    *,
    encoding: str = "utf-8",
    as_bytes: bool = False,
    errors: str = STRICT,
    progress: Callable[[int, int], None] | None = None,
    skipped: Skipped | None = None,
    column: str = COLUMN,
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

    Raises:
        CorpusError: a source is missing, unreadable, wrongly encoded, or there is no text in them.
    """
    parts = list(Opener(encoding, as_bytes, errors, skipped, column).parts(sources))
    text = Text(parts, as_bytes=as_bytes, progress=progress)
    if text.characters == 0:
        names = ", ".join(text.names)
        raise CorpusError(f"{names} is empty", "Give a text of at least two characters")
    return text


def read_all(span: Iterable[CodePoints]) -> str:
    """Join blocks of code points to a string; for short texts only."""
    return "".join(points.astype("<u4").tobytes().decode("utf-32-le") for points in span)
