"""A text while it is written, and what it is when it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chargen.tasks.drawing import Sampling
from chargen.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Sample:
    """One text written.

    Attributes:
        text: without the prime, and without the stop text.
        data: the same as bytes; for a model of bytes, exactly what was drawn.
        temp: the temperature.
        seed: that writes it again.
        nats_per_char: mean cost of what was drawn, at temperature 1, unfiltered.
        finish: ``length`` or ``stop``.
        drawn: how many characters were drawn, those that ended the text included.
    """

    text: str
    data: bytes
    temp: float
    seed: int
    nats_per_char: float
    finish: str
    drawn: int = 0

    @property
    def nats(self) -> float:
        """What the whole text costs: minus the logarithm of its probability."""
        return self.nats_per_char * self.drawn

    def json(self) -> dict[str, Any]:
        """Return the sample under its usual keys."""
        return {
            "text": self.text,
            "temp": self.temp,
            "seed": self.seed,
            "nats_per_char": self.nats_per_char,
            "finish": self.finish,
        }


class Draft:
    """A text while it is written: its characters, and whether a stop text came.

    Args:
        pieces: see `pieces_of`.
        sampling: how it is written: temperature and stop texts.
        seed: of this text.
        write: called with bytes that cannot be a part of a stop text.
    """

    def __init__(
        self,
        pieces: Sequence[bytes],
        sampling: Sampling,
        seed: int,
        write: Callable[[bytes], None] | None = None,
    ) -> None:
        self.pieces = pieces
        self.stops = sampling.stops
        self.temp = sampling.temp
        self.seed = seed
        self.write = write
        self.data = bytearray()
        self.written = 0
        self.drawn = 0
        self.nats = 0.0
        self.stopped = False

    def take(self, ids: list[int], costs: list[float], over: bool = False) -> None:
        """Add characters up to the stop text, and pass on what cannot be a part of it.

        Args:
            over: whether the text has ended, because its rules let nothing follow.
        """
        if self.stops:
            for index, cost in zip(ids, costs, strict=True):
                self._add([index], [cost])
                came = (stop for stop in self.stops if self.data.endswith(stop))
                stop = max(came, key=len, default=b"")
                if stop:
                    del self.data[-len(stop) :]
                    self.stopped = True
                    break
        else:
            self._add(ids, costs)
        self.stopped |= over
        if self.write is not None:
            begun = () if self.stopped else self.stops
            held = max((_overlap(self.data, stop) for stop in begun), default=0)
            self._pass_on(len(self.data) - held)

    def _add(self, ids: list[int], costs: list[float]) -> None:
        self.data += b"".join([self.pieces[index] for index in ids])
        self.drawn += len(ids)
        self.nats += sum(costs)

    def _pass_on(self, end: int) -> None:
        if self.write is not None and end > self.written:
            self.write(bytes(self.data[self.written : end]))
            self.written = end

    def finish(self) -> Sample:
        """Return the sample."""
        self._pass_on(len(self.data))
        return Sample(
            text=self.data.decode("utf-8", "replace"),
            data=bytes(self.data),
            temp=self.temp,
            seed=self.seed,
            nats_per_char=self.nats / max(1, self.drawn),
            finish="stop" if self.stopped else "length",
            drawn=self.drawn,
        )


def pieces_of(vocabulary: Vocabulary) -> list[bytes]:
    """Return the bytes that each id stands for."""
    encoding = "latin-1" if vocabulary.as_bytes else "utf-8"
    return [character.encode(encoding) for character in vocabulary.characters]


def _overlap(data: bytearray, stop: bytes) -> int:
    """Return how many bytes at the end of ``data`` the stop text might begin with."""
    longest = min(len(stop) - 1, len(data))
    return next((n for n in range(longest, 0, -1) if data.endswith(stop[:n])), 0)
