"""One pass over a corpus before anything is learned: its characters, its blocks, its fingerprint.

The pass checks the encoding, counts characters and notes where each block begins, so that any part
can be read again by seeking to its block. What was found in a large corpus is remembered on disk,
so that the next start reads no text.
"""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chargen.errors import CheckpointError, CorpusError, argument
from chargen.files import cache, write_whole
from chargen.text.sources import BLOCK, Part, bad_byte

if TYPE_CHECKING:
    from concurrent.futures import Future

    from numpy.typing import NDArray

    CodePoints = NDArray[np.uint32]

Progress = Callable[[int, int], None]

LISTED = 20
"""Files that an error names, beside the first."""

PLANE = 1 << 16

AHEAD = 64
"""Blocks that wait to be hashed, at most."""

LARGE = 256 << 20
"""Bytes of the smallest corpus whose survey is remembered; a smaller one is read in a second."""

KEPT = 100
"""Surveys that are remembered; of more, those that were not used for the longest time go."""

FORMAT = "1"
"""Of a file with a survey; part of its name, so that another version is not read."""


@dataclass(frozen=True)
class Survey:
    """What is known of a corpus after the pass.

    The columns of the index have an entry for each block: 24 bytes for 64 kB of text.

    Attributes:
        characters: how many there are.
        sha256: fingerprint of all bytes.
        points, counts: code points that occur, ascending, and how often they do.
        first: (N,) the first character of each block.
        offset: (N,) where it begins in its part.
        part: (N,) the number of its part.
        check: (N,) its CRC-32.
    """

    characters: int
    sha256: str
    points: NDArray[np.int64]
    counts: NDArray[np.int64]
    first: NDArray[np.int64]
    offset: NDArray[np.int64]
    part: NDArray[np.int32]
    check: NDArray[np.uint32]


def surveyed(
    parts: Sequence[Part], *, as_bytes: bool = False, progress: Progress | None = None
) -> Survey:
    """Read a corpus once, or what is remembered of it.

    Args:
        as_bytes: whether each byte is a character.
        progress: called with bytes read and bytes in all.

    Raises:
        CorpusError: a part vanished, cannot be read, or is wrongly encoded.
    """
    file = _place(parts, as_bytes)
    if file is None:
        return _read(parts, as_bytes, progress)
    # Whatever is wrong with the file, the corpus is there.
    with suppress(Exception):
        found = _recalled(file)
        with suppress(OSError):
            os.utime(file)
        return found
    found = _read(parts, as_bytes, progress)
    # A full disk, or one that cannot be written, costs time at the next start and nothing else.
    with suppress(OSError, CheckpointError):
        _remember(file, found)
    return found


def _read(parts: Sequence[Part], as_bytes: bool, progress: Progress | None) -> Survey:
    size = sum(part.size for part in parts)
    first, offsets = array("q"), array("q")
    owner, check = array("i"), array("I")
    tally, astral = np.zeros(PLANE, dtype=np.int64), dict[int, int]()
    bad: list[CorpusError] = []
    characters = done = 0
    with _hashed(size) as (digest, add):
        for number, part in enumerate(parts):
            offset = 0
            while offset < part.size:
                try:
                    block, points = _decode(part, offset, as_bytes)
                except CorpusError as error:
                    # All files are looked at, so that all that is wrong can be mended at once.
                    bad.append(error)
                    break
                add(block)
                first.append(characters)
                offsets.append(offset)
                owner.append(number)
                check.append(zlib.crc32(block))
                _count(points, tally, astral)
                characters += len(points)
                offset += len(block)
                done += len(block)
                if progress is not None:
                    progress(done, size)
    if bad:
        raise all_of(bad)
    low = np.flatnonzero(tally)
    high = np.array(sorted(astral), dtype=np.int64)
    return Survey(
        characters,
        digest(),
        np.concatenate((low, high)),
        np.concatenate((tally[low], [astral[point] for point in high.tolist()])).astype(np.int64),
        np.array(first, dtype=np.int64),
        np.array(offsets, dtype=np.int64),
        np.array(owner, dtype=np.int32),
        np.array(check, dtype=np.uint32),
    )


@contextmanager
def _hashed(size: int) -> Iterator[tuple[Callable[[], str], Callable[[bytes], object]]]:
    """Yield a function that returns the sha256, at the end, of all that another was given.

    Of a large corpus it is computed beside the rest, in a thread: it is a quarter of the work.
    """
    found = hashlib.sha256()
    if size < LARGE:
        yield found.hexdigest, found.update
        return
    # This import takes as long as a small corpus.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        waiting: list[Future[None]] = []

        def add(block: bytes) -> None:
            waiting.append(thread.submit(found.update, block))
            if len(waiting) > AHEAD:
                waiting.pop(0).result()

        yield found.hexdigest, add


def _count(points: CodePoints, tally: NDArray[np.int64], astral: dict[int, int]) -> None:
    outside = points >= PLANE
    if outside.any():
        for point, count in zip(*np.unique(points[outside], return_counts=True), strict=True):
            astral[int(point)] = astral.get(int(point), 0) + int(count)
        points = points[~outside]
    low = np.bincount(points)
    tally[: len(low)] += low


def _decode(part: Part, offset: int, as_bytes: bool) -> tuple[bytes, CodePoints]:
    """Read one block and cut it at its last whole character."""
    block = part.read(offset, min(BLOCK, part.size - offset))
    if not block:
        raise CorpusError(f"{part.name} became shorter while it was being read", "Start again")
    try:
        return block, code_points(block, as_bytes)
    except UnicodeDecodeError as error:
        cut_short = error.end == len(block) and error.reason == "unexpected end of data"
        if not cut_short or offset + len(block) == part.size or error.start == 0:
            raise bad_byte(part.name, part.start + offset + error.start, block, error) from None
        block = block[: error.start]
        return block, code_points(block, as_bytes)


def code_points(block: bytes, as_bytes: bool) -> CodePoints:
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


def _place(parts: Sequence[Part], as_bytes: bool) -> Path | None:
    """Return the file in which a corpus's survey is remembered; None if it is not.

    Its name is made of the files' names, sizes and times. Blocks are checked whenever they are
    read, so a file that was changed without a trace is found out.
    """
    if sum(part.size for part in parts) < LARGE or any(part.copy is not None for part in parts):
        return None
    about = hashlib.sha256(f"{FORMAT} {as_bytes}".encode())
    for part in parts:
        try:
            stamp = os.stat(part.name)
        except OSError:
            return None
        known = (os.path.abspath(part.name), part.start, part.size, stamp.st_size)
        about.update(repr((*known, stamp.st_mtime_ns, stamp.st_ctime_ns)).encode())
    return cache() / "surveys" / f"{about.hexdigest()[:32]}.npz"


def forget(parts: Sequence[Part], as_bytes: bool) -> None:
    """Remember a corpus's survey no more."""
    file = _place(parts, as_bytes)
    if file is not None:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _remember(file: Path, found: Survey) -> None:
    held = io.BytesIO()
    columns = {one.name: getattr(found, one.name) for one in fields(found)}
    np.savez(held, allow_pickle=False, **columns)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, held.getvalue())
    others = sorted(file.parent.glob("*.npz"), key=lambda one: -one.stat().st_mtime)
    for old in others[KEPT:]:
        old.unlink(missing_ok=True)


def _recalled(file: Path) -> Survey:
    """Return a survey that was remembered.

    Raises:
        OSError, ValueError: there is none, or it makes no sense; so do other errors of NumPy's.
    """
    with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as held:
        columns = {one.name: held[one.name] for one in fields(Survey)}
    columns["characters"] = int(columns["characters"])
    columns["sha256"] = str(columns["sha256"])
    found = Survey(**columns)
    if len({len(found.first), len(found.offset), len(found.part), len(found.check)}) != 1:
        raise ValueError("columns of different lengths")
    return found
