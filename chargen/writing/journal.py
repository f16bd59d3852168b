"""The history of a text on disk: each change is added as it is made."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chargen.errors import RunError
from chargen.files import free, reason
from chargen.writing.history import ELSEWHERE, Change, History, difference

FORMAT = 1


class Journal:
    """A file of lines of JSON: the first text, each change, and where the writer is.

    Args:
        path: the file; it is made with the first change.

    Attributes:
        history: what the file tells.
        damaged: where a copy of a damaged file was put; None if it was not damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.history = History()
        self.damaged: Path | None = None
        self._forget()

    def _forget(self) -> None:
        """Let the next `write` write everything."""
        self.size = self.written = self.here = 0

    @classmethod
    def opened(cls, path: Path, text: str) -> Journal:
        """Return the journal of a text, its history going on where it ended.

        If the journal is damaged, the part before the damage is used, and a copy of the whole is
        put aside. If the text differs from the last version, another program has changed it, and
        it becomes a new version.

        Args:
            text: that the file has now.

        Raises:
            RunError: the journal cannot be read, or its copy cannot be written.
        """
        journal = cls(path)
        journal.history = History(text)
        try:
            if not path.exists():
                return journal
            journal._replay(path.read_bytes())
        except OSError as error:
            raise RunError(
                f"{path} cannot be read: {reason(error)}", "Move it away, or make it readable"
            ) from error
        history = journal.history
        history.change(*difference(history.text, text), ELSEWHERE)
        return journal

    def _replay(self, data: bytes) -> None:
        """Make the history that whole lines tell, up to the first that is damaged."""
        # A kill or a full disk can leave half a line at the end.
        whole = data[: data.rfind(b"\n") + 1]
        sound = 0
        for line in whole.splitlines(keepends=True):
            try:
                self._take(json.loads(line), first=not sound)
            except (ValueError, KeyError, TypeError, IndexError):
                break
            sound += len(line)
        if sound < len(whole) or not sound:
            self.damaged = free(self.path.with_name(self.path.name + ".damaged"))
            shutil.copy2(self.path, self.damaged)
        self.size = sound
        self.written, self.here = len(self.history.changes) - 1, self.history.here

    def _take(self, row: dict[str, Any], *, first: bool) -> None:
        """Do what a line tells.

        Raises:
            ValueError, KeyError, TypeError, IndexError: it makes no sense.
        """
        history = self.history
        if first:
            if row["chargen"] != FORMAT:
                raise ValueError(row)
            self.history = History("" + row["text"])
        elif "here" in row:
            if not 0 <= row["here"] < len(history.changes):
                raise ValueError(row)
            history.go(row["here"])
        else:
            change = Change(**row)
            if change.on != history.here:
                raise ValueError(row)
            history.change(change.at, change.cut, change.put, change.by)

    def write(self, mode: int = 0o666) -> None:
        """Add what has happened since this was last called; write all if the file is gone.

        Args:
            mode: permissions of a new file.

        Raises:
            OSError: it cannot be written; what is there stays whole.
        """
        if not self.path.exists() or self.path.stat().st_size < self.size:
            self._forget()
        history = self.history
        at, rows = self.here, list[dict[str, Any]]()
        for number in range(self.written + 1, len(history.changes)):
            change = history.changes[number]
            if change.on != at:
                rows.append({"here": change.on})
            rows.append(asdict(change))
            at = number
        if at != history.here:
            rows.append({"here": history.here})
        if not rows:
            return
        if not self.size:
            rows.insert(0, {"chargen": FORMAT, "text": history.first})
        lines = "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows).encode()
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, mode)
        with os.fdopen(descriptor, "r+b") as file:
            # Overwrite half a line that a kill or a full disk has left.
            file.seek(self.size)
            file.truncate()
            file.write(lines)
        self.size += len(lines)
        self.written, self.here = len(history.changes) - 1, history.here
