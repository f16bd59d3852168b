"""Streams: what may reach a terminal, and where data goes."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from chargen.errors import RunError, UsageError, argument
from chargen.files import reason


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


def interactive() -> bool:
    """Return whether standard error is a screen that can be drawn over.

    Rich's own answer is not enough: in continuous integration, the environment can make it put
    colours into a file.
    """
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class Lasting(io.RawIOBase):
    """A stream whose reader may go away: what nobody can read is dropped without an error.

    Long work must not end because the pipe, the terminal or the disk that its progress is written
    to is gone.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.descriptor

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return os.isatty(self.descriptor)

    def write(self, data: Any) -> int:
        """Write what can be written; return the number of bytes that were taken."""
        try:
            return os.write(self.descriptor, data)
        except OSError:
            return len(data)


def open_standard_streams() -> None:
    """Make standard input, output and error usable, however the process was started.

    A service may start it with closed descriptors; then nothing is read, and output is dropped. In
    a console with another encoding, a character of the text must not become an error.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The system gives the lowest free descriptor, which is this one.
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - until the end
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - until the end
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    descriptor = 2 if sys.stderr is None else sys.stderr.fileno()
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(Lasting(descriptor)),
        encoding="utf-8",
        errors="replace",
        line_buffering=True,
    )


def closed(error: OSError) -> bool:
    """Return whether an error means that nobody reads any more; Windows uses another error code."""
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


def mute() -> None:
    """Discard all further output, so that a closed pipe causes no error message at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def sink(output: Path | None, *, force: bool = False, append: bool = False) -> Iterator[BinaryIO]:
    """Yield where data goes, in bytes, so that no console's encoding can spoil it.

    Args:
        output: the file; None for standard output.
        force: whether a file that exists may be replaced.
        append: whether to add to the file.

    Raises:
        UsageError: the file cannot be opened.
        RunError: it exists already, or it cannot be written to its end.
    """
    if output is None:
        try:
            yield sys.stdout.buffer
        except OSError as error:
            if not closed(error):
                raise
            mute()
        return
    # What is no plain file, such as a pipe, has nothing to lose.
    if output.is_file() and not (force or append):
        raise RunError(
            f"{output} exists already",
            f"Replace it by {argument('force')}, add to it by {argument('append')}, or choose "
            f"another {argument('output')}",
        )
    try:
        file = output.open("ab" if append else "wb")
    except OSError as error:
        raise UsageError(
            f"{output} cannot be written: {reason(error)}", f"Choose another {argument('output')}"
        ) from error
    try:
        with file:
            if append and file.tell() and output.is_file() and output.read_bytes()[-1:] != b"\n":
                file.write(b"\n")
            yield file
    except OSError as error:
        raise RunError(f"{output} is incomplete: {reason(error)}", "Free some space") from error
