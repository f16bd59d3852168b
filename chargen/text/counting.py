"""A stretch of a corpus, read once: its blocks, and how often each character occurs.

Stretches are read one after the other, or, of a large corpus, by several processes.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chargen.errors import CorpusError
from chargen.text.sources import BLOCK, Part, bad_byte

if TYPE_CHECKING:
    from numpy.typing import NDArray

    CodePoints = NDArray[np.uint32]

PLANE = 1 << 16

STRETCH = 64 << 20
"""Bytes of a stretch, about, where several processes read."""

LONGEST_CHARACTER = 4
"""Bytes of a character of UTF-8, at most."""


@dataclass(frozen=True)
class Stretch:
    """Where to read.

    Attributes:
        number: of the part.
        start, stop: bytes of it.
    """

    number: int
    start: int
    stop: int


@dataclass(frozen=True)
class Counted:
    """What a stretch has.

    Attributes:
        first: (N,) the first character of each block, counted from that of the stretch.
        offset: (N,) where it begins in its part.
        check: (N,) its CRC-32.
        points, counts: code points that occur, ascending, and how often they do.
        characters: how many there are.
        error: what is wrong with the text; what comes after it was not read.
    """

    first: NDArray[np.int64]
    offset: NDArray[np.int64]
    check: NDArray[np.uint32]
    points: NDArray[np.int64]
    counts: NDArray[np.int64]
    characters: int
    error: CorpusError | None


def stretches(parts: Sequence[Part], size: int | None = None) -> Iterator[Stretch]:
    """Yield the stretches of all parts: each part whole, or in stretches of about a size."""
    for number, part in enumerate(parts):
        start = 0
        while start < part.size:
            stop = part.size if size is None else _whole(part, min(part.size, start + size))
            yield Stretch(number, start, stop)
            start = stop


def _whole(part: Part, place: int) -> int:
    """Return the first place from one on where a character begins."""
    following = part.read(place, min(LONGEST_CHARACTER, part.size - place))
    inside = (n for n, byte in enumerate(following) if byte & 0xC0 != 0x80)
    # What goes on for longer is no text; it will be found out.
    return place + next(inside, len(following))


def counted(
    part: Part, stretch: Stretch, as_bytes: bool, seen: Callable[[bytes], object] | None = None
) -> Counted:
    """Read a stretch of a part.

    Args:
        as_bytes: whether each byte is a character.
        seen: called with each block.
    """
    first, offsets, check = array("q"), array("q"), array("I")
    tally, astral = np.zeros(PLANE, dtype=np.int64), dict[int, int]()
    characters, offset, bad = 0, stretch.start, None
    while offset < stretch.stop:
        try:
            block, points = _decode(part, offset, stretch.stop, as_bytes)
        except CorpusError as error:
            bad = error
            break
        first.append(characters)
        offsets.append(offset)
        check.append(zlib.crc32(block))
        _count(points, tally, astral)
        characters += len(points)
        offset += len(block)
        if seen is not None:
            seen(block)
    low = np.flatnonzero(tally)
    high = np.array(sorted(astral), dtype=np.int64)
    return Counted(
        np.array(first, dtype=np.int64),
        np.array(offsets, dtype=np.int64),
        np.array(check, dtype=np.uint32),
        np.concatenate((low, high)),
        np.concatenate((tally[low], [astral[point] for point in high.tolist()])).astype(np.int64),
        characters,
        bad,
    )


def _count(points: CodePoints, tally: NDArray[np.int64], astral: dict[int, int]) -> None:
    outside = points >= PLANE
    if outside.any():
        for point, count in zip(*np.unique(points[outside], return_counts=True), strict=True):
            astral[int(point)] = astral.get(int(point), 0) + int(count)
        points = points[~outside]
    low = np.bincount(points)
    tally[: len(low)] += low


def _decode(part: Part, offset: int, stop: int, as_bytes: bool) -> tuple[bytes, CodePoints]:
    """Read one block, no further than to a place, and cut it at its last whole character."""
    block = part.read(offset, min(BLOCK, stop - offset))
    if not block:
        raise CorpusError(f"{part.name} became shorter while it was being read", "Start again")
    try:
        return block, code_points(block, as_bytes)
    except UnicodeDecodeError as error:
        cut_short = error.end == len(block) and error.reason == "unexpected end of data"
        if not cut_short or offset + len(block) == stop or error.start == 0:
            raise bad_byte(part.name, part.start + offset + error.start, block, error) from None
        block = block[: error.start]
        return block, code_points(block, as_bytes)


def code_points(block: bytes, as_bytes: bool) -> CodePoints:
    """Return the code points of whole characters of UTF-8, or of bytes."""
    if as_bytes or block.isascii():
        return np.frombuffer(block, dtype=np.uint8).astype(np.uint32)
    return np.frombuffer(block.decode().encode("utf-32-le"), dtype=np.uint32)


def each(parts: Sequence[tuple[Part, Stretch]], as_bytes: bool) -> Iterator[Counted]:
    """Read stretches one after the other; yield what they have."""
    for part, stretch in parts:
        yield counted(part, stretch, as_bytes)
