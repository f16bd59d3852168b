"""A text file that is saved at every change, together with the journal of its versions."""

from __future__ import annotations

import itertools
import shutil
from contextlib import suppress
from pathlib import Path

from chargen.errors import ChargenError, CorpusError, RunError
from chargen.files import reason, write_whole
from chargen.locks import HeldError, Lock
from chargen.writing.history import History, Journal

BOM = "\ufeff"
WINDOWS, UNIX = "\r\n", "\n"


class Manuscript:
    """A text file and its history.

    What another program writes into the file meanwhile is kept beside it. The file is replaced as
    a whole each time, so a kill leaves the old text or the new one.

    Args:
        path: the file; it need not exist, and is made with the first change.

    Attributes:
        history: of the text, without the mark of byte order; its lines end as on Unix.
        trouble: why the last change is not saved; empty if it is.
        kept: where another program's text was put last; None if there was none.

    Raises:
        CorpusError: the file is no UTF-8 text, or cannot be read.
        RunError: another process writes it, or its journal cannot be read.
    """

    def __init__(self, path: Path) -> None:
        # The file that a link leads to is replaced, and the link stays.
        self.path = path.resolve()
        if not self.path.parent.is_dir():
            raise CorpusError(f"{path.parent} is no folder", "Make it, or name another file")
        try:
            self._lock = Lock(self.path.with_name(f".{self.path.name}.lock"))
        except HeldError:
            raise RunError(
                f"{path} is being written by another process",
                "Close it there, or name another file",
            ) from None
        except PermissionError as error:
            raise RunError(
                f"the folder {self.path.parent} cannot be written", "Name a file in another folder"
            ) from error
        try:
            text = self._read(path)
            self._saved = text
            self._journal = Journal.opened(
                self.path.with_name(self.path.name + ".history"), self._plain(text)
            )
        except ChargenError:
            self._lock.release()
            raise
        self.history: History = self._journal.history
        self._stamp = self._seen()
        self.trouble = ""
        self.kept: Path | None = None

    def _read(self, path: Path) -> str:
        self._bom, self._newline = "", UNIX
        try:
            text = self.path.read_bytes().decode()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise CorpusError(
                f"{path} cannot be read: {reason(error)}", "Name a file of text"
            ) from error
        except UnicodeDecodeError as error:
            raise CorpusError(
                f"{path} is not utf-8 text: byte 0x{error.object[error.start]:02x} at offset "
                f"{error.start}",
                "Save it as UTF-8, or name another file",
            ) from None
        if text.startswith(BOM):
            self._bom = BOM
        if WINDOWS in text and text.count(WINDOWS) == text.count(UNIX):
            self._newline = WINDOWS
        return text

    def _plain(self, text: str) -> str:
        return text.removeprefix(self._bom).replace(self._newline, UNIX)

    def save(self) -> None:
        """Write what has changed; if that fails, `trouble` says why."""
        text = self._bom + self.history.text.replace(UNIX, self._newline)
        try:
            self._journal.write()
            if text != self._saved:
                self._keep_others()
                mode = self.path.stat().st_mode if self.path.exists() else None
                write_whole(self.path, text.encode(errors="replace"))
                if mode is not None:
                    self.path.chmod(mode)
                self._saved, self._stamp = text, self._seen()
        except ChargenError as error:
            self.trouble = error.problem
        except OSError as error:
            self.trouble = f"{self.path.name} cannot be written: {reason(error)}"
        else:
            self.trouble = ""

    def _keep_others(self) -> None:
        """Put aside what another program has written into the file."""
        if self._seen() in (self._stamp, None):
            return
        names = itertools.chain([""], map(str, itertools.count(2)))
        stem, suffix = self.path.stem, self.path.suffix
        free = (self.path.with_name(f"{stem}.other{name}{suffix}") for name in names)
        kept = next(path for path in free if not path.exists())
        shutil.copy2(self.path, kept)
        self.kept = kept

    def _seen(self) -> tuple[int, int, int] | None:
        """Return what tells whether the file was written, or None if there is none."""
        with suppress(OSError):
            found = self.path.stat()
            return found.st_ino, found.st_mtime_ns, found.st_size
        return None

    def close(self) -> None:
        """Let other processes write the file."""
        self._lock.release()
