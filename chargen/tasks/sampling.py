"""Writing text: the engine's logits, the samplers' choice, fed back a character at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.engine.stack import Engine, State
from chargen.errors import PrimeError, UsageError
from chargen.options import MOST, check
from chargen.tasks import filters as samplers
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]

UNKNOWN = ("error", "replace", "skip")
PRIME_WINDOW = 256
TOGETHER = 256
"""Samples drawn side by side: as fast as more of them, and memory does not grow with their number.
"""

BLOCK = 512
"""Characters for which random numbers are drawn ahead, and after which samples are collected."""


@dataclass(frozen=True)
class Sampling:
    """How to write.

    Attributes:
        length: characters to write (bytes, for a model of bytes).
        temp: 0 takes the likeliest, 1 the model's own probabilities, more is wilder.
        top_k, top_p, min_p: see `chargen.tasks.filters`; None is off.
        stop: end before this text would be written.
        seed: of the first sample; the next has ``seed + 1``, and so on.
        count: samples.

    Raises:
        UsageError: a value that can never work.
    """

    length: int = 1000
    temp: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    stop: str | None = None
    seed: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        check("--length", self.length, 0, MOST)
        check("--temp", self.temp, 0, math.inf)
        check("--top-k", self.top_k, 1, MOST)
        check("--top-p", self.top_p, 0, 1, open_low=True)
        check("--min-p", self.min_p, 0, 1)
        check("--count", self.count, 1, 1 << 20)
        check("--seed", self.seed, 0, MOST)
        if self.stop == "":
            raise UsageError("--stop is empty", "Give the text before which to stop")


@dataclass(frozen=True)
class Sample:
    """One text written.

    Attributes:
        text: without the prime, and without the stop text.
        data: the same as bytes; for a model of bytes, exactly what was drawn.
        seed: that writes it again.
        nats_per_char: mean cost of what was drawn, at temperature 1, unfiltered.
        finish: ``length`` or ``stop``.
    """

    text: str
    data: bytes
    seed: int
    nats_per_char: float
    finish: str

    def json(self) -> dict[str, Any]:
        """Return the sample under its usual keys."""
        return {
            "text": self.text,
            "seed": self.seed,
            "nats_per_char": self.nats_per_char,
            "finish": self.finish,
        }


def prepare_prime(prime: str, vocabulary: Vocabulary, unknown: str = "error") -> Ids:
    """Return the ids of a prime text.

    Args:
        unknown: what to do with characters that the model does not know: ``error``, ``skip`` them,
            or ``replace`` them, each by the input that means "no character".

    Raises:
        PrimeError: there are such characters and ``unknown`` is ``error``.
        UsageError: another word for ``unknown``.
    """
    if unknown not in UNKNOWN:
        raise UsageError(f"--unknown is {unknown!r}", f"Choose {', '.join(UNKNOWN)}")
    ids = vocabulary.encode(prime)
    if unknown == "skip":
        known: Ids = ids[ids != vocabulary.none]
        return known
    strange = vocabulary.unknown(prime)
    if strange and unknown == "error":
        listed = ", ".join(f"{character!r} (U+{ord(character):04X})" for character in strange[:8])
        more = f" and {len(strange) - 8} more" if len(strange) > 8 else ""
        raise PrimeError(
            f"the prime has characters that the model has never seen: {listed}{more}",
            "Leave them out, or add --unknown skip or --unknown replace",
        )
    return ids


def sample(
    engine: Engine,
    vocabulary: Vocabulary,
    sampling: Sampling,
    prime: Ids | None = None,
    write: Callable[[bytes], None] | None = None,
) -> Iterator[Sample]:
    """Write ``sampling.count`` texts, `TOGETHER` at a time, and yield them in order of their seeds.

    Args:
        prime: ids to read first; they are not part of the sample.
        write: called with the first sample's bytes as they are drawn (what may yet become the stop
            text is held back).
    """
    pieces = [_piece(character, vocabulary.as_bytes) for character in vocabulary.characters]
    # One row reads the prime for all.
    start = np.array([vocabulary.none], dtype=np.int32)
    ids = start if prime is None else np.concatenate([start, prime])
    state = engine.start(1)
    for at in range(0, len(ids), PRIME_WINDOW):
        logits, state = engine.forward(ids[None, at : at + PRIME_WINDOW], state)
    for first in range(0, sampling.count, TOGETHER):
        writers = [
            _Writer(pieces, sampling, sampling.seed + number, None if number else write)
            for number in range(first, min(first + TOGETHER, sampling.count))
        ]
        _fill(writers, engine, sampling, logits[:, -1], state)
        for writer in writers:
            yield writer.finish()


def _fill(
    writers: list[_Writer], engine: Engine, sampling: Sampling, logits: Floats, state: State
) -> None:
    """Let each writer write its text, all in one batch.

    Args:
        logits, state: (1, V) and of one row, which all begin with.
    """
    count = len(writers)
    last = np.repeat(logits, count, axis=0)
    state = [tuple(np.repeat(part, count, axis=0) for part in parts) for parts in state]
    writing = list(range(count))
    # A row each: what is drawn, what it costs, and the random numbers, for a block of characters.
    drawn = np.empty((count, BLOCK), dtype=np.int32)
    costs = np.empty((count, BLOCK), dtype=np.float32)
    watched = sampling.stop is not None or writers[0].write is not None
    for position in range(sampling.length):
        at, final = position % BLOCK, position + 1 == sampling.length
        if at == 0:
            taken = 0
            uniform = np.stack([writers[number].random.random(BLOCK) for number in writing])
        chosen, charges = choose(last, sampling, uniform[:, at])
        drawn[:, at], costs[:, at] = chosen, charges
        if watched or final or at + 1 == BLOCK:
            new = slice(taken, at + 1)
            taken = at + 1
            for row, number in enumerate(writing):
                writers[number].take(drawn[row, new].tolist(), costs[row, new].tolist())
        if sampling.stop is not None and any(writers[number].stopped for number in writing):
            going = [row for row, number in enumerate(writing) if not writers[number].stopped]
            # Finished samples leave the batch.
            writing = [writing[row] for row in going]
            chosen, uniform = chosen[going], uniform[going]
            drawn, costs = drawn[going], costs[going]
            state = [tuple(part[going] for part in parts) for parts in state]
        if not writing or final:
            break
        logits, state = engine.forward(chosen[:, None], state)
        last = logits[:, 0]


def choose(logits: Floats, sampling: Sampling, uniform: NDArray[np.float64]) -> tuple[Ids, Floats]:
    """Return the next id of each row of logits (B, V), and what it costs in nats.

    The cost is the model's own, at temperature 1 and unfiltered. ``uniform`` (B,) are random.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    own = samplers.weigh(shifted)
    weights = own if sampling.temp == 1 else samplers.weigh(shifted, sampling.temp)
    if sampling.top_k is not None:
        weights = samplers.top_k(weights, sampling.top_k)
    if sampling.top_p is not None:
        weights = samplers.top_p(weights, sampling.top_p)
    if sampling.min_p is not None:
        weights = samplers.min_p(weights, sampling.min_p)
    chosen = samplers.draw(weights, uniform)
    nats: Floats = np.log(own.sum(axis=-1)) - shifted[np.arange(len(chosen)), chosen]
    return chosen, nats


class _Writer:
    """One sample: its source of random numbers, its characters, and whether the stop came."""

    def __init__(
        self,
        pieces: list[bytes],
        sampling: Sampling,
        seed: int,
        write: Callable[[bytes], None] | None,
    ) -> None:
        self.pieces = pieces
        self.stop = sampling.stop.encode(errors="surrogateescape") if sampling.stop else b""
        self.seed = seed
        self.random = np.random.Generator(np.random.PCG64(seed))
        self.write = write
        self.data = bytearray()
        self.written = 0
        self.drawn = 0
        self.nats = 0.0
        self.stopped = False

    def take(self, ids: list[int], costs: list[float]) -> None:
        """Add characters, pass on what cannot be part of the stop text, and see whether it came.

        With a stop text, they must come one by one.
        """
        self.data += b"".join([self.pieces[index] for index in ids])
        self.drawn += len(ids)
        self.nats += sum(costs)
        held = 0
        if self.stop:
            if self.data.endswith(self.stop):
                del self.data[-len(self.stop) :]
                self.stopped = True
            else:
                held = _overlap(self.data, self.stop)
        if self.write is not None:
            self._pass_on(len(self.data) - held)

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
            seed=self.seed,
            nats_per_char=self.nats / max(1, self.drawn),
            finish="stop" if self.stopped else "length",
        )


def _piece(character: str, as_bytes: bool) -> bytes:
    return character.encode("latin-1" if as_bytes else "utf-8")


def _overlap(data: bytearray, stop: bytes) -> int:
    """Return how many bytes at the end of ``data`` the stop text might begin with."""
    longest = min(len(stop) - 1, len(data))
    return next((n for n in range(longest, 0, -1) if data.endswith(stop[:n])), 0)
