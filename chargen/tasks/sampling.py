"""Writing text: the model gives logits, a character is chosen, the model reads it, and so on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.engine.language_model import LanguageModel, State, pick, read
from chargen.errors import PrimeError, UsageError, argument
from chargen.options import LARGEST_NUMBER, check
from chargen.tasks import filters
from chargen.text.forms import advice
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]

UNKNOWN = ("error", "replace", "skip")
TOGETHER = 256
"""Samples drawn side by side. More would not be faster, and the limit keeps memory constant."""

AHEAD = 512
"""Characters for which random numbers are drawn ahead, and after which samples are collected."""


@dataclass(frozen=True)
class Sampling:
    """How to write.

    Attributes:
        length: characters to write (bytes, for a model of bytes).
        temp: 0 takes the likeliest, 1 the model's own probabilities, more is wilder.
        top_k, top_p, min_p: see `chargen.tasks.filters`; None for none.
        stop: end before this text would be written.
        end: the character that ends a text, for a model of texts that end.
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
    end: str | None = None

    @property
    def stops(self) -> list[bytes]:
        """All texts that end a sample, in bytes."""
        wanted = (self.stop, self.end)
        return [text.encode(errors="surrogateescape") for text in wanted if text]

    def __post_init__(self) -> None:
        check("length", self.length, 0, LARGEST_NUMBER)
        check("temp", self.temp, 0, math.inf)
        check("top_k", self.top_k, 1, LARGEST_NUMBER)
        check("top_p", self.top_p, 0, 1, open_low=True)
        check("min_p", self.min_p, 0, 1)
        check("count", self.count, 1, 1 << 20)
        check("seed", self.seed, 0, LARGEST_NUMBER)
        if self.stop == "":
            raise UsageError(f"{argument('stop')} is empty", "Give the text before which to stop")


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
        raise UsageError(f"{argument('unknown')} is {unknown!r}", f"Choose {', '.join(UNKNOWN)}")
    ids = vocabulary.encode(prime)
    if unknown == "skip":
        known: Ids = ids[ids != vocabulary.bos]
        return known
    unseen = vocabulary.unknown(prime)
    if unseen and unknown == "error":
        listed = ", ".join(f"{character!r} (U+{ord(character):04X})" for character in unseen[:8])
        more = f" and {len(unseen) - 8} more" if len(unseen) > 8 else ""
        form = advice("; it", unseen, vocabulary.characters)
        raise PrimeError(
            f"the prime has characters that the model has never seen: {listed}{more}{form}",
            f"Leave them out, or add {argument('unknown')} skip or {argument('unknown')} replace",
        )
    return ids


Constraint = Callable[[Sequence[int], "Floats"], "Floats"]
"""``(ids so far, logits) -> logits``, (V,): what one text may go on with; it may keep a state.

Minus infinity forbids a character. What a character costs is counted without constraints.
"""


class Stream:
    """Draws characters for several texts side by side, a column of them at each step.

    An iterator without an end: each step yields ids (B,) and their nats (B,), at temperature 1 and
    unfiltered. Whoever iterates decides when texts end (see `keep`).

    Args:
        model: what predicts.
        sampling: how to choose.
        seeds: of each text; a text depends on its own seed alone, not on its neighbours.
        logits, state: (1, V) and of one row, with which all texts begin.
        constraints: one for each text, or none at all.
    """

    def __init__(
        self,
        model: LanguageModel,
        sampling: Sampling,
        seeds: Sequence[int],
        logits: Floats,
        state: State,
        constraints: Sequence[Constraint] = (),
    ) -> None:
        rows = np.zeros(len(seeds), dtype=np.intp)
        self.model, self.sampling = model, sampling
        self.logits, self.state = logits[rows], pick(state, rows)
        self.randoms = [np.random.Generator(np.random.PCG64(seed)) for seed in seeds]
        self.uniform = np.empty((len(seeds), 0))
        self.constraints = list(constraints)
        self.written: list[list[int]] = [[] for _ in constraints]
        self.chosen: Ids | None = None
        self.drawn = 0

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> tuple[Ids, Floats]:
        """Draw the next character of each text."""
        if self.chosen is not None:
            logits, self.state = self.model.forward(self.chosen[:, None], self.state)
            self.logits = logits[:, 0]
        at = self.drawn % AHEAD
        if at == 0:
            self.uniform = np.stack([random.random(AHEAD) for random in self.randoms])
        allowed = self._allowed(self.logits) if self.constraints else None
        self.chosen, nats = choose(self.logits, self.sampling, self.uniform[:, at], allowed)
        self.drawn += 1
        if self.constraints:
            for text, index in zip(self.written, self.chosen.tolist(), strict=True):
                text.append(index)
        return self.chosen, nats

    def _allowed(self, logits: Floats) -> Floats:
        """Return the logits (B, V) after each text's constraint."""
        rows = zip(self.constraints, self.written, logits, strict=True)
        allowed = np.stack([constraint(text, row.copy()) for constraint, text, row in rows])
        if not np.isfinite(allowed).any(axis=-1).all():
            raise ValueError("a constraint forbids every character")
        return allowed

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these texts only; the others have ended."""
        if self.chosen is not None:
            self.chosen = self.chosen[rows]
        self.logits, self.state = self.logits[rows], pick(self.state, rows)
        self.uniform = self.uniform[rows]
        self.randoms = [self.randoms[row] for row in rows]
        if self.constraints:
            self.constraints = [self.constraints[row] for row in rows]
            self.written = [self.written[row] for row in rows]


def sample(
    model: LanguageModel,
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
    logits, state = read(model, np.empty(0, np.int32) if prime is None else prime)
    for first in range(0, sampling.count, TOGETHER):
        numbers = range(first, min(first + TOGETHER, sampling.count))
        writers = [
            _Writer(pieces, sampling, sampling.seed + number, None if number else write)
            for number in numbers
        ]
        seeds = [writer.seed for writer in writers]
        _fill(writers, Stream(model, sampling, seeds, logits, state), sampling)
        for writer in writers:
            yield writer.finish()


def _fill(writers: Sequence[_Writer], stream: Stream, sampling: Sampling) -> None:
    """Let each writer write its text, all in one stream."""
    writing = list(writers)
    # To look at every character takes time: it is done only if somebody waits for each.
    watched = bool(sampling.stops) or writers[0].write is not None
    columns: list[tuple[Ids, Floats]] = []
    for position in range(1, sampling.length + 1):
        ids, nats = next(stream)
        if watched:
            for writer, index, cost in zip(writing, ids.tolist(), nats.tolist(), strict=True):
                writer.take([index], [cost])
        else:
            columns.append((ids, nats))
            if len(columns) == AHEAD or position == sampling.length:
                rows = (
                    np.concatenate(part).reshape(-1, len(writing)).T.tolist()
                    for part in zip(*columns, strict=True)
                )
                columns = []
                for writer, text, cost in zip(writing, *rows, strict=True):
                    writer.take(text, cost)
        if watched and any(writer.stopped for writer in writing):
            going = [row for row, writer in enumerate(writing) if not writer.stopped]
            writing = [writing[row] for row in going]
            if not writing:
                break
            stream.keep(going)


def choose(
    logits: Floats,
    sampling: Sampling,
    uniform: NDArray[np.float64],
    allowed: Floats | None = None,
) -> tuple[Ids, Floats]:
    """Return the next id of each row of logits (B, V), and what it costs in nats.

    The cost is the model's own, at temperature 1, without filters and constraints.

    Args:
        uniform: (B,), random numbers in [0, 1).
        allowed: the logits after constraints, from which the id is drawn; None for the same logits.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    # Probabilities up to a factor, which is all that the cost needs: no second exponential.
    own = filters.weigh(shifted)
    if allowed is not None:
        weights = filters.weigh(allowed - allowed.max(axis=-1, keepdims=True), sampling.temp)
    else:
        weights = own if sampling.temp == 1 else filters.weigh(shifted, sampling.temp)
    if sampling.top_k is not None:
        weights = filters.top_k(weights, sampling.top_k)
    if sampling.top_p is not None:
        weights = filters.top_p(weights, sampling.top_p)
    if sampling.min_p is not None:
        weights = filters.min_p(weights, sampling.min_p)
    chosen = filters.draw(weights, uniform)
    nats: Floats = np.log(own.sum(axis=-1)) - shifted[np.arange(len(chosen)), chosen]
    return chosen, nats


class _Writer:
    """One sample: its characters, and whether the stop text came."""

    def __init__(
        self,
        pieces: list[bytes],
        sampling: Sampling,
        seed: int,
        write: Callable[[bytes], None] | None,
    ) -> None:
        self.pieces = pieces
        self.stops = sampling.stops
        self.seed = seed
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
        for stop in self.stops:
            if self.data.endswith(stop):
                del self.data[-len(stop) :]
                self.stopped = True
                held = 0
                break
            held = max(held, _overlap(self.data, stop))
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
