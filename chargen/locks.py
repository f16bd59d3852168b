"""Locks on files, so that two processes do not write one run, or one text."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path


class HeldError(Exception):
    """Another process holds the lock."""


class Lock:
    """A lock; the system releases it when the process ends, even if it is killed.

    Args:
        path: the file to lock; it is removed in the end.

    Attributes:
        held: whether the lock was taken; some network file systems have no locks.

    Raises:
        HeldError: another process holds it.
        PermissionError: the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        # Few commands need a lock, and this import is slow: as slow as a hundred characters.
        from filelock import FileLock, Timeout

        self._file = path
        self._lock = FileLock(self._file, thread_local=False)
        self.held = False
        try:
            with warnings.catch_warnings(action="ignore"):
                # It warns where it takes a file alone as the lock.
                self._lock.acquire(timeout=0)
            self.held = True
        except Timeout:
            raise HeldError from None
        except PermissionError:
            raise
        except OSError:
            # A file system without locks: the work goes on unguarded.
            with suppress(OSError):
                self._file.unlink()

    def release(self) -> None:
        """Release the lock and remove its file; if it is released already, do nothing."""
        if not self.held:
            return
        self.held = False
        # Remove the file first, then release it: a process that opened the file in between sees
        # that it is gone, and does not use it as the lock. On Windows, releasing removes the file.
        with suppress(OSError):
            self._file.unlink()
        self._lock.release()
