"""A text file that is saved at every change, together with the journal of its versions."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from chargen.errors import ChargenError, CheckpointError, CorpusError, RunError
from chargen.files import free, reason, write_whole
from chargen.locks import HeldError, Lock
from chargen.text.sources import unreadable, utf8
from chargen.writing.history import History
from chargen.writing.journal import Journal

BOM = "\ufeff"
WINDOWS, UNIX = "\r\n", "\n"

PERMISSIONS = 0o777
"""The bits of a file's mode that say who may do what."""

Stamp = tuple[int, int, int]
"""Which file it is, when it was written, and its size: it differs if another program wrote it."""


class Manuscript:
    """A text file and its history.

    What another program writes into the file meanwhile is kept beside it. The file is replaced as
    a whole each time, so a kill leaves the old text or the new one.

    Args:
        path: the file; it need not exist, and is made with the first change.

    Attributes:
        history: of the text, without the mark of byte order; its lines end as on Unix.
        trouble: why the text is not saved; empty if it is.
        history_trouble: why the history is not saved; empty if it is.
        notice: what the writer should know, such as where another program's text was kept; empty if
            there is nothing.

    Raises:
        CorpusError: the file is no UTF-8 text, or cannot be read.
        RunError: it cannot be written, another process writes it, or its history cannot be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            # The file that a link leads to is replaced, and the link stays.
            self.path = path.resolve()
        except (OSError, RuntimeError):
            raise CorpusError(f"{path} is a link that leads nowhere", "Name a file") from None
        if self.path.is_dir():
            raise CorpusError(f"{path} is a folder", "Name a file")
        if not self.path.parent.is_dir():
            raise CorpusError(f"{path.parent} is no folder", "Make it, or name another file")
        if self.path.exists() and not os.access(self.path, os.W_OK):
            raise RunError(f"{path} may not be written", "Name another file, or allow it")
        try:
            self._lock = Lock(self._hidden("lock"))
        except HeldError:
            raise RunError(
                f"{path} is being written by another process",
                "Close it there, or name another file",
            ) from None
        except PermissionError as error:
            raise RunError(
                f"the folder {self.path.parent} cannot be written", "Name a file in another folder"
            ) from error
        self.trouble = self.history_trouble = self.notice = ""
        try:
            # Before it is read: what changes later is another program's.
            self._stamp = self._seen()
            text = self._read(path)
            self._saved = text
            history = self.path.with_name(self.path.name + ".history")
            self._journal = Journal.opened(history, self._plain(text))
        except ChargenError:
            self._lock.release()
            raise
        self.history: History = self._journal.history
        if self._journal.damaged is not None:
            self.notice = f"the history was damaged; it is kept as {self._journal.damaged.name}"

    def _read(self, path: Path) -> str:
        self._bom, self._newline = "", UNIX
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise unreadable(str(path), error) from error
        text = utf8(data, str(path), "text")
        if text.startswith(BOM):
            self._bom = BOM
        if WINDOWS in text and text.count(WINDOWS) == text.count(UNIX):
            self._newline = WINDOWS
        return text

    def _plain(self, text: str) -> str:
        return text.removeprefix(self._bom).replace(self._newline, UNIX)

    def save(self) -> None:
        """Write what has changed: first the text, which matters more, then the history."""
        self.trouble = _problem(self._save_text)
        self.history_trouble = _problem(self._save_history)

    def _save_text(self) -> None:
        text = self.history.text
        if self._newline == WINDOWS:
            text = text.replace(WINDOWS, UNIX).replace(UNIX, WINDOWS)
        text = self._bom + text
        if text != self._saved:
            self._keep_others()
            self._stamp = self._write(self.path, text.encode(errors="replace"))
            self._saved = text

    def _save_history(self) -> None:
        self._journal.write(self._mode() or 0o666)

    def _keep_others(self) -> None:
        """Put aside what another program has written into the file."""
        seen = self._seen()
        if seen in (self._stamp, None):
            return
        found = self.path.read_bytes()
        # On some file systems, a file gets another number when it takes its place.
        if found == self._saved.encode(errors="replace"):
            return
        kept = free(self.path.with_name(f"{self.path.stem}.other{self.path.suffix}"))
        self._write(kept, found)
        self._stamp = seen
        self.notice = f"another program changed the text; that is kept as {kept.name}"

    def _write(self, path: Path, data: bytes) -> Stamp:
        """Write a file as a whole, as private as the text is."""
        return _stamp(write_whole(path, data, half=self._hidden("half"), mode=self._mode()))

    def _hidden(self, what: str) -> Path:
        """Return where something of this program's own is, beside the text."""
        return self.path.with_name(f".{self.path.name}.{what}")

    def _mode(self) -> int | None:
        """Return the permissions of the text; None if it is not there."""
        with suppress(OSError):
            return self.path.stat().st_mode & PERMISSIONS
        return None

    def _seen(self) -> Stamp | None:
        """Return what tells whether the file was written, or None if there is none."""
        with suppress(OSError):
            return _stamp(self.path.stat())
        return None

    def close(self) -> None:
        """Let other processes write the file."""
        self._lock.release()


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_ino, found.st_mtime_ns, found.st_size


def _problem(act: Callable[[], None]) -> str:
    """Do something, and return the system's reason if it fails; nothing if it does not."""
    try:
        act()
    except OSError as error:
        return reason(error)
    except CheckpointError as error:
        return reason(error.__cause__) if isinstance(error.__cause__, OSError) else error.problem
    return ""
