"""Temporary copies of texts that cannot be read where they lie."""

from __future__ import annotations

import tempfile
import weakref

from chargen.errors import CorpusError
from chargen.files import reason

PENDING = 1 << 16
"""Bytes that are collected before they are written."""


class Scratch:
    """A temporary file without a name: written at its end, read anywhere.

    One scratch holds the copies of many texts, because a process may have few files open.

    Attributes:
        size: bytes written so far.

    Raises:
        CorpusError: there is no folder for it, or no room in that folder; so do its methods.
    """

    def __init__(self) -> None:
        self.size = 0
        self.pending = bytearray()
        try:
            self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `finalize`
        except OSError as error:
            raise no_room(error) from error
        weakref.finalize(self, self.file.close)

    def write(self, data: bytes) -> None:
        """Add bytes at the end."""
        self.pending += data
        self.size += len(data)
        if len(self.pending) >= PENDING:
            self._flush()

    def cut(self, size: int) -> None:
        """Forget what was written after the first ``size`` bytes."""
        self._flush()
        self.size = size

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes from an offset on, fewer at the end."""
        self._flush()
        try:
            self.file.seek(offset)
            return self.file.read(size)
        except OSError as error:
            raise no_room(error) from error

    def _flush(self) -> None:
        try:
            self.file.seek(self.size - len(self.pending))
            while self.pending:
                del self.pending[: self.file.write(self.pending)]
        except OSError as error:
            raise no_room(error) from error


def no_room(error: OSError) -> CorpusError:
    """Say that a temporary copy cannot be made, and where it was to be."""
    try:
        where = f"in {tempfile.gettempdir()}"
    except OSError:
        where = "anywhere"
    return CorpusError(
        f"a temporary copy of the text cannot be made {where}: {reason(error)}",
        "Free some space, or set TMPDIR to a folder that has some",
    )
