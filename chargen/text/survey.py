"""One pass over a corpus before anything is learned: its characters, its blocks, its fingerprint.

The pass checks the encoding, counts characters and notes where each block begins, so that any part
can be read again by seeking to its block. What was found in a large corpus is remembered on disk,
so that the next start reads no text.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.errors import CheckpointError, CorpusError, argument
from chargen.files import cache, write_whole
from chargen.processes import processors, working
from chargen.text.counting import STRETCH, Counted, Stretch, counted, each, stretches
from chargen.text.sources import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

Progress = Callable[[int, int], None]

LISTED = 20
"""Files that an error names, beside the first."""

HASHED = 1 << 20
"""Bytes that are hashed at once."""

MOST_WORKERS = 8
"""Processes that read a corpus, at most: then the fingerprint takes longer than the rest."""

LARGE = 256 << 20
"""Bytes of the smallest corpus whose survey is remembered, and that several processes read; a
smaller one is read in a second."""

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
    tell = progress or (lambda _done, _size: None)
    if size >= LARGE and processors() > 1 and all(part.copy is None for part in parts):
        places = list(stretches(parts, STRETCH))
        found, sha256 = _side_by_side(parts, places, as_bytes, lambda done: tell(done, size))
    else:
        places = list(stretches(parts))
        found, sha256 = _in_turn(parts, places, as_bytes, lambda done: tell(done, size))
    bad: dict[int, CorpusError] = {}
    for place, one in zip(places, found, strict=True):
        if one.error is not None:
            # All files are looked at, so that all that is wrong can be mended at once.
            bad.setdefault(place.number, one.error)
    if bad:
        raise all_of(list(bad.values()))
    before = np.cumsum([0, *(one.characters for one in found)])
    points, where = np.unique(_all([one.points for one in found]), return_inverse=True)
    counts = np.zeros(len(points), np.int64)
    np.add.at(counts, where, _all([one.counts for one in found]))
    return Survey(
        int(before[-1]),
        sha256,
        points,
        counts,
        _all([one.first + start for one, start in zip(found, before[:-1], strict=True)]),
        _all([one.offset for one in found]),
        np.repeat([place.number for place in places], [len(one.first) for one in found]).astype(
            np.int32
        ),
        _all([one.check for one in found]).astype(np.uint32),
    )


def _all(parts: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """Return arrays one after the other."""
    return np.concatenate((np.zeros(0, np.int64), *parts)).astype(np.int64)


def _in_turn(
    parts: Sequence[Part], places: Sequence[Stretch], as_bytes: bool, tell: Callable[[int], None]
) -> tuple[list[Counted], str]:
    """Return what stretches have, read one after the other, and the sha256 of all bytes."""
    digest, done = hashlib.sha256(), 0

    def seen(block: bytes) -> None:
        nonlocal done
        digest.update(block)
        done += len(block)
        tell(done)

    found = [counted(parts[place.number], place, as_bytes, seen) for place in places]
    return found, digest.hexdigest()


def _side_by_side(
    parts: Sequence[Part], places: Sequence[Stretch], as_bytes: bool, tell: Callable[[int], None]
) -> tuple[list[Counted], str]:
    """Return the same of a large corpus, read by as many processes as there are processors.

    Of n processes, the first reads the stretches 1, n + 1, 2 n + 1 and so on. The sha256 of all
    bytes cannot be divided: a thread computes it meanwhile.
    """
    workers = min(processors(), MOST_WORKERS, len(places))
    # This import takes as long as a small corpus.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread, ExitStack() as ended:
        digest = thread.submit(_sha256, parts)
        shares = [places[at::workers] for at in range(workers)]
        readers = [
            ended.enter_context(
                working(each, [(parts[one.number], one) for one in share], as_bytes)
            )
            for share in shares
        ]
        found, done = [], 0
        for at, place in enumerate(places):
            one = next(readers[at % workers], None)
            # The process may have been killed, or could not be started.
            found.append(one or counted(parts[place.number], place, as_bytes))
            done += place.stop - place.start
            tell(done)
        return found, digest.result()


def _sha256(parts: Sequence[Part]) -> str:
    """Return the fingerprint of all bytes."""
    digest = hashlib.sha256()
    for part in parts:
        for offset in range(0, part.size, HASHED):
            digest.update(part.read(offset, min(HASHED, part.size - offset)))
    return digest.hexdigest()


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
