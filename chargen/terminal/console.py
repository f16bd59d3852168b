"""The console of one command: data to standard output, what people read to standard error.

A command makes one console and passes it on. Nothing here knows what it prints.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chargen.files import finite
from chargen.terminal.streams import interactive, visible

if TYPE_CHECKING:
    from rich.console import Console as Rich


class Work:
    """Some work that takes a while; this one is not shown."""

    def __call__(self, done: int, total: int) -> None:
        """Take in how much is done."""


@dataclass(frozen=True)
class Console:
    """Where a command prints.

    Attributes:
        quiet: print no progress and no notes.
        json: print JSON and nothing else: no notes, and warnings and errors as JSON, too.
        csv: print tables as CSV, without notes.
        debug: on an error, show where it arose.
    """

    quiet: bool = False
    json: bool = False
    csv: bool = False
    debug: bool = False

    @property
    def silent(self) -> bool:
        """Whether to print only what was asked for."""
        return self.quiet or self.json or self.csv

    def say(self, text: str) -> None:
        """Print a line for people, even if the console is quiet; with JSON, as a warning."""
        self.complain({"warning": text}, text)

    def complain(self, record: Mapping[str, Any], text: str) -> None:
        """Print something on standard error: a record with JSON, else a line for people."""
        shown = json.dumps(record, ensure_ascii=False) if self.json else visible(text)
        print(shown, file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Print a line about something wrong, beside JSON as well."""
        if not self.quiet:
            self.say(text)

    def note(self, text: str) -> None:
        """Print a line for people who want to know."""
        if not self.silent:
            self.say(text)

    def show(self, text: str) -> None:
        """Print lines of results on standard output."""
        print(visible(text))

    def emit(self, value: Any) -> None:
        """Print one line of JSON, with null for a number that JSON does not have."""
        sys.stdout.write(json.dumps(finite(value), ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def rich(self) -> Rich:
        """Return Rich's console for people."""
        from rich.console import Console as Rich

        return Rich(stderr=True, quiet=self.silent, highlight=False, force_terminal=interactive())

    @contextmanager
    def progress(self, what: str, *, in_bytes: bool = True) -> Iterator[Work]:
        """Yield a `Work` that is shown on a terminal, and nowhere else."""
        if self.silent or not interactive():
            yield Work()
            return
        from chargen.terminal.bar import Bar

        with Bar(self.rich(), visible(what), in_bytes) as bar:
            yield bar

    def rows(
        self, rows: Sequence[Mapping[str, Any]], *, head: bool = True, tabs: bool = False
    ) -> None:
        """Print rows as CSV.

        Args:
            rows: all with the same keys.
            head: whether to print these first.
            tabs: whether tabs stand between columns, not commas.
        """
        import csv

        writer = csv.DictWriter(
            sys.stdout,
            list(rows[0]) if rows else [],
            delimiter="\t" if tabs else ",",
            lineterminator="\n",
        )
        if head:
            writer.writeheader()
        writer.writerows(finite(dict(row)) for row in rows)

    def result(
        self,
        document: Any,
        rows: Callable[[], Sequence[Mapping[str, Any]]],
        show: Callable[[], None],
    ) -> None:
        """Print what a command found, in the form that was asked for.

        Args:
            document: for JSON.
            rows: makes the rows of CSV, all with the same keys.
            show: prints tables for people.
        """
        if self.json:
            self.emit(document)
        elif self.csv:
            self.rows(rows())
        else:
            show()

    def table(
        self,
        rows: Sequence[Sequence[str]],
        head: Sequence[str],
        left: Sequence[int] = (0,),
        spare: int = 0,
    ) -> None:
        """Print a table on standard output.

        Args:
            head: the columns' names.
            left: the columns that are text.
            spare: as many of the last columns are left out where the terminal is too narrow.
        """
        from chargen.terminal import grid

        shown = [[one_line(cell) for cell in row] for row in (head, *rows)]
        first, *lines = grid.columns(shown[1:], shown[0], left, self.width(), spare)
        print(bold(first))
        for line in lines:
            print(line)

    def list(self, rows: Sequence[tuple[str, str]]) -> None:
        """Print names with their values on standard output."""
        from chargen.terminal import grid

        shown = [(one_line(name), one_line(value)) for name, value in rows]
        for line in grid.pairs(shown, self.width()):
            print(line)

    def width(self) -> int | None:
        """Return the columns of the terminal that results are printed on; None for a pipe."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def one_line(text: str) -> str:
    """Return a text as it may stand in a table: on one line."""
    return visible(text).replace("\n", "⏎").replace("\t", "⇥")


def bold(line: str) -> str:
    """Return a line in bold letters on a terminal that has them."""
    plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR") or not interactive()
    return line if plain else f"\x1b[1m{line}\x1b[0m"


class Throttle:
    """Lets something happen once a second, the first time at once."""

    def __init__(self) -> None:
        self.last = float("-inf")

    def due(self) -> bool:
        """Return whether it is time again."""
        now = time.monotonic()
        if now - self.last < 1:
            return False
        self.last = now
        return True
