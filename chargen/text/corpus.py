"""A corpus as one long text, and stretches of it.

A text is never held in memory. It is read once, a block at a time, to check its encoding, count its
characters and note where each block begins (a *survey*); after that any part can be read again by
seeking to its block.

Characters are Unicode code points. With ``as_bytes`` each byte is one character, U+0000 to U+00FF,
so that the rest of the program need not know the difference.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.errors import CorpusError
from chargen.text.sources import BLOCK, Part, Source, bad_byte, parts_of, proper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    CodePoints = NDArray[np.uint32]

PLANE = 1 << 16
CODE_POINTS = 0x110000


@dataclass(frozen=True)
class Marks:
    """Where the examples of a labelled text begin, and what they are.

    Attributes:
        starts: (N,) the first character of each, ascending from 0.
        labels: (N,) the id of each one's label.
    """

    starts: NDArray[np.int64]
    labels: NDArray[np.int32]

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
        # Three columns of the index; arrays of machine integers, for a book or for a terabyte.
        self.first = array("q")
        self.offset = array("q")
        self.part = array("q")
        digest = hashlib.sha256()
        tally = np.zeros(PLANE, dtype=np.int64)
        done = 0
        for number, part in enumerate(parts):
            offset = 0
            while offset < part.size:
                block, points = self._decode(part, offset)
                self.first.append(self.characters)
                self.offset.append(offset)
                self.part.append(number)
                digest.update(block)
                self._count(points, tally)
                self.characters += len(points)
                offset += len(block)
                done += len(block)
                if progress is not None:
                    progress(done, self.size)
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
        if self.as_bytes or block.isascii():
            return block, np.frombuffer(block, dtype=np.uint8).astype(np.uint32)
        try:
            text = block.decode()
        except UnicodeDecodeError as error:
            cut_short = error.end == len(block) and error.reason == "unexpected end of data"
            if not cut_short or offset + len(block) == part.size or error.start == 0:
                raise bad_byte(part.name, part.start + offset + error.start, block, error) from None
            block = block[: error.start]
            text = block.decode()
        return block, np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)

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

    def blocks(self, start: int, stop: int) -> Iterator[CodePoints]:
        """Yield the code points of characters ``start`` to ``stop``, a block at a time."""
        number = bisect_right(self.first, start) - 1
        while start < stop:
            begin = self.first[number]
            _, points = self._decode(self.parts[self.part[number]], self.offset[number])
            points = points[start - begin : stop - begin]
            yield points
            start += len(points)
            number += 1

    def span(self, start: int = 0, stop: int | None = None) -> Span:
        """Return the stretch of characters ``start`` to ``stop``."""
        return Span(self, start, self.characters if stop is None else stop)


@dataclass(frozen=True)
class Span:
    """A stretch of a text: what is trained on, or what is held out."""

    text: Text
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def marks(self) -> Marks | None:
        """The marks of a labelled text, counted from the text's start."""
        return self.text.marks

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[CodePoints]:
        """Yield the code points from ``start`` to ``stop``, both counted from the span's start."""
        stop = len(self) if stop is None else stop
        return self.text.blocks(self.start + start, self.start + stop)

    def part(self, start: int, stop: int) -> Span:
        """Return a stretch of the span, from ``start`` to ``stop``, counted from its start."""
        return Span(self.text, self.start + start, self.start + stop)

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
    progress: Callable[[int, int], None] | None = None,
    skipped: Callable[[str], None] | None = None,
) -> Text:
    """Open files, folders, ``.gz`` files and ``-`` (standard input) as one text, in that order.

    Args:
        sources: paths; a folder stands for the text files below it, in the order of their names.
        encoding: of every file; anything but UTF-8 is transcoded to a temporary file.
        as_bytes: take each byte as a character and decode nothing.
        progress: called with bytes surveyed and bytes in all.
        skipped: called with the name of each file in a folder that is not text.

    Raises:
        CorpusError: a source is missing, unreadable, wrongly encoded, or there is no text in them.
    """
    parts = parts_of(sources, encoding=encoding, as_bytes=as_bytes, skipped=skipped)
    text = Text(parts, as_bytes=as_bytes, progress=progress)
    if text.characters == 0:
        names = ", ".join(text.names)
        raise CorpusError(f"{names} is empty", "Give a text of at least two characters")
    return text


def read_all(span: Iterable[CodePoints]) -> str:
    """Join blocks of code points to a string; for short texts only."""
    return "".join(points.astype("<u4").tobytes().decode("utf-32-le") for points in span)
