"""Where texts come from: files, folders, archives, tables, addresses and standard input.

All become parts, which can be seeked. A file in UTF-8 is read where it lies. What cannot be seeked,
or is not UTF-8, is copied once to an unnamed temporary file as UTF-8, so that there is one way of
reading.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from chargen.errors import CorpusError, UsageError, argument
from chargen.files import reason
from chargen.text.formats import COLUMN, HEAD, likely, refused
from chargen.text.packed import ARCHIVES, HIDDEN, REMOTE, broken, ending, fetched, members, unpacked
from chargen.text.scratch import Scratch
from chargen.text.tables import TABLES, rows

BLOCK = 1 << 16
"""Bytes that are read and decoded at a time."""

BOM = codecs.BOM_UTF8
STDIN = "-"

STRICT, SKIP, REPLACE = ERRORS = ("strict", "skip", "replace")
"""What to do with bytes that are no text in the encoding; see `Opener`."""


@dataclass(frozen=True, slots=True)
class Part:
    """A seekable run of UTF-8 bytes: a file on disk, or a copy of one.

    Attributes:
        name: as it was given.
        size: in bytes.
        start: where the text begins (in a file, after a byte order mark).
        copy: where the copy is; None for a file.
    """

    name: str
    size: int
    start: int = 0
    copy: Scratch | None = None

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer at the end.

        Raises:
            CorpusError: the file vanished, or cannot be read.
        """
        if self.copy is not None:
            return self.copy.read(self.start + offset, size)
        try:
            with open(self.name, "rb") as file:
                file.seek(self.start + offset)
                return file.read(size)
        except OSError as error:
            raise unreadable(self.name, error) from error


Source = str | Path | Part
"""A path, ``-`` for standard input, or a part made by a program."""


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


def utf8(data: bytes, name: str, what: str) -> str:
    """Return bytes as text.

    Args:
        name: of the file.
        what: the text is, in words.

    Raises:
        CorpusError: they are not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{name} is not utf-8 text: byte 0x{data[error.start]:02x} at offset {error.start}",
            f"Save the {what} as UTF-8",
        ) from None


def bad_byte(name: str, offset: int, block: bytes, error: UnicodeDecodeError) -> CorpusError:
    """Say which byte of which file is not text in the encoding asked for, and suggest another."""
    byte = error.object[error.start]
    where = f"byte 0x{byte:02x} at offset {offset}"
    if b"\0" in block:
        return CorpusError(
            f"{name} looks like a binary file: {where}",
            f"Give a text, or model raw bytes ({argument('as_bytes')})",
        )
    found = likely(block) if error.encoding.startswith("utf") else None
    suggested = (
        f"It may be {found} ({argument('encoding')} {found})"
        if found
        else f"Name its encoding by {argument('encoding')}"
    )
    return CorpusError(
        f"{name} is not {error.encoding} text: {where}",
        f"{suggested}; or model raw bytes ({argument('as_bytes')}), or put U+FFFD for what is no "
        f"text ({argument('errors')} replace)",
    )


Skipped = Callable[[str], None]
"""Called with the name of a file that is passed over, and why."""


class Opener:
    """Opens sources in one way.

    Args:
        encoding: of every file; anything but UTF-8 is copied as UTF-8.
        as_bytes: take bytes as they are and decode nothing.
        errors: what to do with bytes that are no text in the encoding: ``strict`` refuses the file,
            ``skip`` passes it over if it is one of a folder, ``replace`` puts U+FFFD for them.
        skipped: called with each file that is passed over.
        column: of tables: where the text is.

    Raises:
        CorpusError: the encoding is unknown.
        UsageError: another word for ``errors``.
    """

    def __init__(
        self,
        encoding: str = "utf-8",
        as_bytes: bool = False,
        errors: str = STRICT,
        skipped: Skipped | None = None,
        column: str = COLUMN,
    ) -> None:
        try:
            "".encode(encoding)
            self.codec = codecs.lookup(encoding).name
        except (LookupError, ValueError):
            raise CorpusError(
                f"unknown encoding {encoding!r}", "Try utf-8, latin-1 or cp1252"
            ) from None
        if errors not in ERRORS:
            raise UsageError(
                f"unknown {argument('errors')} {errors!r}", f"Choose {', '.join(ERRORS)}"
            )
        self.as_bytes, self.errors, self.column = as_bytes, errors, column
        self.skipped: Skipped = skipped or (lambda _: None)

    @cached_property
    def scratch(self) -> Scratch:
        """Where all copies go."""
        return Scratch()

    def parts(self, sources: Sequence[Source]) -> Iterator[Part]:
        """Yield all sources as parts, in that order.

        A path is a file, a folder, an archive (a part for each file in it), or a table (a part for
        each row); ``-`` is standard input, and ``https://…`` an address.

        Raises:
            CorpusError: a source is missing or unreadable, or no text.
        """
        for source in sources:
            if isinstance(source, Part):
                yield source
            elif str(source) == STDIN:
                yield from self._stream("standard input", sys.stdin.buffer)
            elif os.path.isdir(source):
                yield from self._folder(Path(source))
            elif REMOTE in str(source) and not os.path.exists(source):
                with fetched(str(source)) as file:
                    yield from self._stream(str(source), file)
            else:
                yield from self._file(Path(source))

    def _folder(self, folder: Path) -> Iterator[Part]:
        found = False
        for path in self._walk(folder):
            try:
                why = self._unfit(path)
                if why is not None:
                    self.skipped(f"{path}: {why}")
                    continue
            except OSError as error:
                self.skipped(f"{path}: {reason(error)}")
                continue
            found = True
            yield from self._file(path)
        if not found:
            raise CorpusError(f"{folder} holds no text files", "Name a folder with text in it")

    def _walk(self, folder: Path) -> Iterator[Path]:
        """Yield the files below a folder; a folder that is linked to several times, once."""

        def unreadable_folder(error: OSError) -> None:
            self.skipped(f"{error.filename}: {reason(error)}")

        seen = set()
        for root, folders, files in os.walk(folder, onerror=unreadable_folder, followlinks=True):
            real = os.path.realpath(root)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith(HIDDEN))
            for name in sorted(files):
                path = Path(root, name)
                if not name.startswith(HIDDEN) and path.is_file():
                    yield path

    def _unfit(self, path: Path) -> str | None:
        """Return why a folder's file is passed over; None if it is not."""
        if self.as_bytes:
            return None
        kind, _ = ending(path.name)
        if kind in TABLES:
            return None
        try:
            with path.open("rb") as packed, unpacked(str(path), packed) as file:
                head = file.read(HEAD)
                if self._narrow and (refused(str(path), head) or b"\0" in head):
                    return "not text"
                if self.errors == SKIP:
                    decoder = codecs.getincrementaldecoder(self.codec)()
                    block = head
                    while block:
                        decoder.decode(block)
                        block = file.read(BLOCK)
                    decoder.decode(b"", final=True)
        except UnicodeError:
            return f"not {self.codec} text"
        except Exception as error:
            if not broken(error):
                raise
            return "not whole"
        return None

    @property
    def _narrow(self) -> bool:
        """Whether the encoding is one in which a text has no NULs."""
        return not self.codec.startswith(("utf-16", "utf-32"))

    def _file(self, path: Path) -> Iterator[Part]:
        kind, last = ending(path.name)
        plain = self.as_bytes or (self.codec == "utf-8" and self.errors != REPLACE)
        try:
            with path.open("rb") as file:
                if last or kind in (*ARCHIVES, *TABLES) or not plain or not path.is_file():
                    yield from self._stream(str(path), file)
                    return
                head = file.read(HEAD)
                size = os.fstat(file.fileno()).st_size
        except OSError as error:
            raise unreadable(str(path), error) from error
        self._check(str(path), head)
        start = 0 if self.as_bytes or not head.startswith(BOM) else len(BOM)
        yield Part(str(path), size - start, start)

    def _stream(self, name: str, file: BinaryIO) -> Iterator[Part]:
        """Yield what is in a stream: its text, or those of an archive's files or a table's rows.

        Raises:
            CorpusError: it is no text as asked for, or breaks off.
        """
        kind, _ = ending(name)
        try:
            stream = unpacked(name, file)
            if kind in TABLES and not self.as_bytes:
                for text in rows(name, stream, self.column):
                    yield self.copied(name, io.BytesIO(text.encode()), "utf-8")
            elif kind in ARCHIVES and not self.as_bytes:
                yield from self._archive(name, stream)
            else:
                yield self.copied(name, stream)
        except OSError as error:
            if broken(error):
                raise not_whole(name) from error
            raise unreadable(name, error) from error
        except Exception as error:
            if broken(error):
                raise not_whole(name) from error
            raise

    def _archive(self, name: str, stream: BinaryIO) -> Iterator[Part]:
        found = False
        for inner, file in members(name, stream):
            size = self.scratch.size
            plain = ending(inner)[0] not in (*ARCHIVES, *TABLES) and not ending(inner)[1]
            try:
                if plain and self._narrow and b"\0" in file.peek(HEAD)[:HEAD]:
                    self.skipped(f"{inner}: not text")
                    continue
                # All of it or nothing: what is no text is passed over, as in a folder.
                inside = list(self._stream(inner, file))
            except CorpusError as error:
                if isinstance(error.__cause__, OSError) and not broken(error.__cause__):
                    raise  # The disk is at fault, not the file.
                self.scratch.cut(size)
                self.skipped(str(error.problem))
            else:
                found = True
                yield from inside
        if not found:
            raise CorpusError(f"{name} holds no texts", "Name an archive with text in it")

    def _check(self, name: str, head: bytes) -> None:
        """Refuse what is no plain text, by its beginning."""
        why = refused(name, head) if self._narrow and not self.as_bytes else None
        if why is not None:
            raise why

    def copied(self, name: str, source: BinaryIO, codec: str = "") -> Part:
        """Copy a stream as UTF-8, without a byte order mark.

        Args:
            codec: of the stream, if it is not that of all files.

        Raises:
            CorpusError: the stream is not text in the encoding.
        """
        errors = "replace" if self.errors == REPLACE else "strict"
        decoder = codecs.getincrementaldecoder(codec or self.codec)(errors)
        copy, start, offset = self.scratch, self.scratch.size, 0
        try:
            while True:
                block = source.read(BLOCK)
                if offset == 0:
                    self._check(name, block[:HEAD])
                if self.as_bytes:
                    copy.write(block)
                else:
                    text = decoder.decode(block, final=not block)
                    text = text.removeprefix("\ufeff") if offset == 0 else text
                    copy.write(text.encode("utf-8", errors))
                offset += len(block)
                if not block:
                    break
        except UnicodeDecodeError as error:
            pending = len(error.object) - len(block)
            raise bad_byte(name, offset - pending + error.start, block, error) from None
        except UnicodeError as error:
            why = getattr(error, "reason", str(error))
            raise CorpusError(
                f"{name} is not {self.codec} text: {why}",
                f"Name its encoding by {argument('encoding')}",
            ) from None
        return Part(name, copy.size - start, start, copy)


def not_whole(name: str) -> CorpusError:
    """Say that a compressed file or an archive is not whole."""
    what = {".zip": "zip archive", ".tar": "tar archive"}
    kind, last = ending(name)
    form = what.get(kind) or {
        ".gz": "gzip file", ".xz": "xz file", ".bz2": "bzip2 file", ".zst": "zstandard file",
    }.get(last, "file")  # fmt: skip
    return CorpusError(f"{name} is not a whole {form}", "Unpack it, or fetch it again")


def spool(name: str, source: BinaryIO, as_bytes: bool = False) -> Part:
    """Copy a stream of UTF-8 to a temporary file; see `Opener.copied`."""
    return Opener(as_bytes=as_bytes).copied(name, source)
