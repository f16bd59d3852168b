"""Where output goes: data to standard output, what people read to standard error.

Nothing here knows what it prints; `chargen.cli.app` does.
"""

from __future__ import annotations

import errno
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from chargen.errors import RunError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 240
"""Columns of a table in a pipe, which has no width to fit."""


def visible(text: str) -> str:
    """Return a text with control characters made harmless, as their pictures (U+2400 on).

    Newlines and tabs stay. A model of a text with escape sequences writes escape sequences, and a
    terminal would obey them.
    """
    return "".join(_picture(character) for character in text)


def _picture(character: str) -> str:
    point = ord(character)
    if character in "\n\t" or 0x20 <= point < 0x7F or point >= 0xA0:
        return character
    if point == 0x7F:
        return "␡"
    return chr(0x2400 + point) if point < 0x20 else "\ufffd"


def say(text: str, quiet: bool = False) -> None:
    """Print a line for people."""
    if not quiet:
        print(visible(text), file=sys.stderr, flush=True)


def emit(value: Any) -> None:
    """Print one line of JSON, with null for a number that JSON does not have."""
    sys.stdout.write(json.dumps(_finite(value), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def interactive() -> bool:
    """Return whether standard error is a screen that can be drawn over.

    Rich asks the environment too, where continuous integration forces colours into a file.
    """
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def console(quiet: bool = False) -> Console:
    """Return the console for people."""
    from rich.console import Console

    return Console(stderr=True, quiet=quiet, highlight=False, force_terminal=interactive())


def closed(error: OSError) -> bool:
    """Return whether an error says that nobody reads any more; Windows has another word for it."""
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


def mute() -> None:
    """Send what is still to come to nowhere, so that a closed pipe does not complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def progress_bar(
    what: str, quiet: bool, *, in_bytes: bool = True
) -> Iterator[Callable[[int, int], None]]:
    """Yield a function (done, total) that draws a bar on a terminal and does nothing elsewhere."""
    if quiet or not interactive():
        yield lambda _done, _total: None
        return
    from rich import progress

    bar = progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn() if in_bytes else progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        console=console(),
        transient=True,
    )
    with bar:
        task = bar.add_task(visible(what), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def table(
    rows: Sequence[Sequence[str]], head: Sequence[str] = (), left: Sequence[int] = (0,)
) -> None:
    """Print a table on standard output.

    Args:
        head: the columns' names; none for a list of names and values.
        left: the columns that are text: aligned left, and folded where the line is too short.
    """
    from rich.console import Console
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
    width = None if sys.stdout.isatty() else WIDE
    Console(highlight=False, width=width, force_terminal=sys.stdout.isatty()).print(made)


@contextmanager
def sink(output: Path | None) -> Iterator[BinaryIO]:
    """Yield where data goes, in bytes, so that no console's encoding can spoil it.

    Raises:
        UsageError: the file cannot be opened.
        RunError: it cannot be written to its end.
    """
    if output is None:
        try:
            yield sys.stdout.buffer
        except OSError as error:
            if not closed(error):
                raise
            mute()
        return
    try:
        file = output.open("wb")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{output} cannot be written: {reason}", "Choose another -o") from error
    try:
        with file:
            yield file
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RunError(f"{output} is incomplete: {reason}", "Free some space") from error


def streamer(out: BinaryIO, terminal: bool) -> Callable[[bytes], None]:
    """Return a function that writes bytes at once; to a terminal, only harmless characters."""
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(data: bytes) -> None:
        out.write(visible(decoder.decode(data)).encode() if terminal else data)
        out.flush()

    return write


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
