"""Samples on a page: one as it is drawn, or several, each under a line that says what it is."""

from __future__ import annotations

import codecs
from typing import BinaryIO

from chargen.terminal.streams import visible


class Page:
    """Writes samples to a stream.

    A single sample is written byte for byte; on a terminal, a line end follows. Of several, each
    ends with a line end. Those of more than one line have a heading, with which they can be written
    again, and a blank line between them; those of one line each have it once for a temperature.

    Args:
        stream: a terminal, a pipe or a file; of a file that has something already, its end.
        model: the model's name, for headings.
        lines: whether each sample is one line.
        several: whether there are several samples, or may be in the end.
        temperatures: whether they have several temperatures.
        kept: whether they are added to a file of samples; then lists have a heading, too.
        prime: what to write before each sample.
        safe: whether to show control characters by their pictures, as a terminal needs it.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        model: str,
        lines: bool,
        several: bool,
        temperatures: bool,
        kept: bool,
        prime: bytes,
        safe: bool,
    ) -> None:
        self.stream, self.model, self.prime, self.safe = stream, model, prime, safe
        self.lines, self.several = lines, several
        self.temperatures, self.kept = temperatures, kept
        self.terminal = stream.isatty()
        self.begun = stream.seekable() and stream.tell() > 0
        self.temp: float | None = None
        self.last = b"\n"
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def begin(self, temp: float, seed: int) -> None:
        """Begin a sample, with its heading if it has one."""
        alone = not self.several
        if self.lines:
            alone = alone or temp == self.temp or not (self.temperatures or self.kept)
        if not alone:
            named = f"{self.model} · temp {temp:g} · seed {seed}"
            blank = "\n" if self.begun else ""
            self.stream.write(f"{blank}==> {named} <==\n".encode())
        self.begun, self.temp = True, temp
        self.decoder.reset()
        self.write(self.prime)

    def write(self, data: bytes) -> None:
        """Write a piece of a sample at once."""
        self.last = data[-1:] or self.last
        self.stream.write(visible(self.decoder.decode(data)).encode() if self.safe else data)
        self.stream.flush()

    def end(self) -> None:
        """End a sample."""
        if self.safe:
            self.stream.write(visible(self.decoder.decode(b"", final=True)).encode())
        listed = self.lines and self.several
        if listed or ((self.several or self.terminal) and self.last != b"\n"):
            self.stream.write(b"\n")
        self.last = b"\n"
