"""The console of one command: data to standard output, what people read to standard error.

A command makes one console and passes it on. Nothing here knows what it prints.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chargen.files import finite
from chargen.terminal.streams import interactive, visible

if TYPE_CHECKING:
    from rich.console import Console as Rich

WIDE = 240
"""Columns of a table in a pipe, which has no width to fit."""


@dataclass(frozen=True)
class Console:
    """Where a command prints.

    Attributes:
        quiet: print no progress and no notes.
        json: print JSON and nothing else, so that there are no notes either.
        debug: on an error, show where it arose.
    """

    quiet: bool = False
    json: bool = False
    debug: bool = False

    @property
    def silent(self) -> bool:
        """Whether to print only what was asked for."""
        return self.quiet or self.json

    def say(self, text: str) -> None:
        """Print a line for people, even if the console is quiet or prints JSON."""
        print(visible(text), file=sys.stderr, flush=True)

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
    def progress(self, what: str, *, in_bytes: bool = True) -> Iterator[Callable[[int, int], None]]:
        """Yield a function (done, total) that draws a bar on a terminal, and nothing elsewhere."""
        if self.silent or not interactive():
            yield lambda _done, _total: None
            return
        from rich import progress

        bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.DownloadColumn() if in_bytes else progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            console=self.rich(),
            transient=True,
        )
        with bar:
            task = bar.add_task(visible(what), total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    def table(
        self,
        rows: Sequence[Sequence[str]],
        head: Sequence[str] = (),
        left: Sequence[int] = (0,),
    ) -> None:
        """Print a table on standard output.

        Args:
            head: the columns' names; none for a list of names and values.
            left: the columns that are text: aligned left, and folded where the line is too short.
        """
        from rich.console import Console as Rich
        from rich.table import Table
        from rich.text import Text

        made = Table(box=None, pad_edge=False, show_header=bool(head), header_style="bold")
        for number in range(len(rows[0]) if rows else len(head)):
            text = number in left
            made.add_column(
                Text(visible(head[number])) if head else "",
                justify="left" if text else "right",
                overflow="fold",
                no_wrap=not text,
            )
        for row in rows:
            # As Text, because a file's name may look like markup.
            made.add_row(*(Text(visible(cell)) for cell in row))
        terminal = sys.stdout.isatty()
        width = None if terminal else WIDE
        Rich(highlight=False, width=width, force_terminal=terminal).print(made)


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
