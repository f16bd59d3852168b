"""Where texts come from: files, folders, gzip and standard input, as seekable parts.

A file in UTF-8 is read where it lies. What cannot be seeked, or is not UTF-8, is copied once to an
unnamed temporary file as UTF-8, so that there is one way of reading.
"""

from __future__ import annotations

import codecs
import gzip
import os
import sys
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from chargen.errors import CorpusError, argument
from chargen.files import reason

BLOCK = 1 << 16
"""Bytes that are read and decoded at a time."""

BOM = codecs.BOM_UTF8
STDIN = "-"
HIDDEN = "."


@dataclass(frozen=True)
class Part:
    """A seekable run of UTF-8 bytes: a file on disk, or a temporary copy held open.

    ``start`` is where the text begins (after a byte order mark). ``seen`` is the file's size, time
    of modification and inode number when it was first opened. It shows whether the file is edited
    or replaced while it is being read.
    """

    name: str
    size: int
    start: int = 0
    seen: tuple[int, ...] = ()
    handle: IO[bytes] | None = None

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer at the end.

        Raises:
            CorpusError: the file vanished or changed since it was first read.
        """
        if self.handle is not None:
            self.handle.seek(offset)
            return self.handle.read(size)
        try:
            with open(self.name, "rb") as file:
                if _stamp(file) != self.seen:
                    raise CorpusError(
                        f"{self.name} changed while it was being read",
                        "Leave the text alone while chargen reads it, then start again",
                    )
                file.seek(self.start + offset)
                return file.read(size)
        except OSError as error:
            raise unreadable(self.name, error) from error


Source = str | Path | Part
"""A path, ``-`` for standard input, or a part made by a program."""


def _stamp(file: IO[bytes]) -> tuple[int, ...]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns, status.st_ino


def proper(name: str) -> str:
    """Return a file's name as text: with "?" for each byte of it that is no UTF-8."""
    return name.encode("utf-8", "replace").decode()


def unreadable(name: str, error: OSError) -> CorpusError:
    """Say in one line why a source cannot be opened."""
    if isinstance(error, FileNotFoundError):
        return CorpusError(
            f"{name} does not exist",
            "Check the path, or see `chargen corpus list` for texts known by name",
        )
    return CorpusError(
        f"{name} cannot be read: {reason(error)}", "Check its permissions and the disk"
    )


def bad_byte(name: str, offset: int, block: bytes, error: UnicodeDecodeError) -> CorpusError:
    """Say which byte of which file is not text in the encoding asked for."""
    byte = error.object[error.start]
    kind = "looks like a binary file" if b"\0" in block else f"is not {error.encoding} text"
    return CorpusError(
        f"{name} {kind}: byte 0x{byte:02x} at offset {offset}",
        f"Name its encoding ({argument('encoding')} latin-1), or model raw bytes "
        f"({argument('as_bytes')})",
    )


def parts_of(
    sources: Sequence[Source],
    *,
    encoding: str = "utf-8",
    as_bytes: bool = False,
    skipped: Callable[[str], None] | None = None,
) -> list[Part]:
    """Return files, folders, ``.gz`` files and ``-`` (standard input) as parts, in that order.

    See `chargen.text.corpus.open_text` for the arguments.

    Raises:
        CorpusError: a source is missing, unreadable, or wrongly encoded.
    """
    try:
        "".encode(encoding)
        codec = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise CorpusError(
            f"unknown encoding {encoding!r}", "Try utf-8, latin-1 or cp1252"
        ) from None
    parts: list[Part] = []
    for source in sources:
        if isinstance(source, Part):
            parts.append(source)
            continue
        if str(source) == STDIN:
            parts.append(spool("standard input", sys.stdin.buffer, codec, as_bytes))
            continue
        path = Path(source)
        if os.path.isdir(path):
            found = [
                part for file in _walk(path) if (part := _sniff(file, codec, as_bytes, skipped))
            ]
            if not found:
                raise CorpusError(f"{path} holds no text files", "Name a folder with text in it")
            parts.extend(found)
        else:
            parts.append(_part(path, codec, as_bytes))
    return parts


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(HIDDEN))
        yield from (Path(root, name) for name in sorted(files) if not name.startswith(HIDDEN))


def _sniff(
    path: Path, codec: str, as_bytes: bool, skipped: Callable[[str], None] | None
) -> Part | None:
    """Return a folder's file as a part if its beginning is text, else report and skip it."""
    if not os.path.isfile(path):
        return None
    try:
        with _opened(path) as file:
            head = file.read(1 << 12)
        if not as_bytes:
            if b"\0" in head and not codec.startswith(("utf-16", "utf-32")):
                raise ValueError("NUL")
            codecs.getincrementaldecoder(codec)().decode(head)
    except (ValueError, EOFError, zlib.error, gzip.BadGzipFile):
        if skipped is not None:
            skipped(str(path))
        return None
    except OSError as error:
        raise unreadable(str(path), error) from error
    return _part(path, codec, as_bytes)


def _opened(path: Path) -> BinaryIO:
    # Both read bytes and seek; their types have no name in common but this.
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _part(path: Path, codec: str, as_bytes: bool) -> Part:
    try:
        if path.suffix == ".gz" or (codec != "utf-8" and not as_bytes) or not os.path.isfile(path):
            with _opened(path) as file:
                return spool(str(path), file, codec, as_bytes)
        with path.open("rb") as file:
            seen = _stamp(file)
            start = 0 if as_bytes or file.read(len(BOM)) != BOM else len(BOM)
    except OSError as error:
        raise unreadable(str(path), error) from error
    return Part(str(path), seen[0] - start, start, seen)


def spool(name: str, source: BinaryIO, codec: str = "utf-8", as_bytes: bool = False) -> Part:
    """Copy a stream to a temporary file without a name, as UTF-8 without a byte order mark.

    Raises:
        CorpusError: the stream is not text in that encoding, or breaks off.
    """
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the part is read
    try:
        _copy(name, source, copy, codec, as_bytes)
    except CorpusError:
        copy.close()
        raise
    part = Part(name, copy.seek(0, os.SEEK_END), handle=copy)
    weakref.finalize(part, copy.close)
    return part


def _copy(name: str, source: BinaryIO, copy: IO[bytes], codec: str, as_bytes: bool) -> None:
    decoder = codecs.getincrementaldecoder(codec)()
    offset = 0
    try:
        while True:
            block = source.read(BLOCK)
            if as_bytes:
                copy.write(block)
            else:
                text = decoder.decode(block, final=not block)
                copy.write(text.removeprefix("\ufeff").encode() if offset == 0 else text.encode())
            offset += len(block)
            if not block:
                break
    except UnicodeDecodeError as error:
        pending = len(error.object) - len(block)
        raise bad_byte(name, offset - pending + error.start, block, error) from None
    except UnicodeError as error:
        why = getattr(error, "reason", str(error))
        raise CorpusError(
            f"{name} is not {codec} text: {why}", f"Name its encoding by {argument('encoding')}"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CorpusError(
            f"{name} is not a whole gzip file", "Unpack it, or fetch it again"
        ) from error
    except OSError as error:
        raise unreadable(name, error) from error
