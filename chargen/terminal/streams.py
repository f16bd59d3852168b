"""Streams: what may reach a terminal, and where data goes."""

from __future__ import annotations

import codecs
import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

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


def closed(error: OSError) -> bool:
    """Return whether an error means that nobody reads any more; Windows uses another error code."""
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


def mute() -> None:
    """Discard all further output, so that a closed pipe causes no error message at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
        raise UsageError(
            f"{output} cannot be written: {reason(error)}", f"Choose another {argument('output')}"
        ) from error
    try:
        with file:
            yield file
    except OSError as error:
        raise RunError(f"{output} is incomplete: {reason(error)}", "Free some space") from error


def streamer(out: BinaryIO, terminal: bool) -> Callable[[bytes], None]:
    """Return a function that writes bytes at once; to a terminal, only harmless characters."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(data: bytes) -> None:
        out.write(visible(decoder.decode(data)).encode() if terminal else data)
        out.flush()

    return write
