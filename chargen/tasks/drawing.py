"""Drawing characters: from logits to an id, for several texts side by side, step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from chargen.declared import LARGEST_NUMBER, check
from chargen.engine.language_model import Compiles, LanguageModel, State, pick
from chargen.errors import UsageError, argument
from chargen.files import compiled_before
from chargen.tasks import filters
from chargen.tasks.rules import FREE, Guide, Plan, Rules
from chargen.text.grams import Grams
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chargen.engine.writer import Writer

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]

AHEAD = 512
"""Characters for which random numbers are drawn ahead."""

WORTH, WORTH_FIRST = 1 << 13, 1 << 16
"""If at least so many characters are left to write, of all texts together, the compiled writer
pays; and if it has to be compiled first, which takes seven seconds, once after installation."""
BLOCK = 64
"""Characters of each text that it draws in one call: so few that one still flows on a terminal."""


@dataclass(frozen=True)
class Sampling:
    """How to write.

    Attributes:
        length: characters to write (bytes, for a model of bytes).
        temp: 0 takes the likeliest, 1 the model's own probabilities, more is wilder.
        top_k, top_p, min_p: see `chargen.tasks.filters`; None for none.
        stop: end before this text would be written, or any of several.
        end: the character that ends a text, for a model of texts that end.
        rules: what each text must keep; a text that keeps them ends by itself.
        faithful: draw as the model itself would, given that the rules are kept; else its
            characters are drawn one by one from those that the rules allow.
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
    stop: str | tuple[str, ...] | None = None
    seed: int = 0
    count: int = 1
    end: str | None = None
    rules: Rules = FREE
    faithful: bool = False

    @property
    def stops(self) -> list[bytes]:
        """All texts that end a sample, in bytes."""
        wanted = (*self._given_stops, self.end)
        return [text.encode(errors="surrogateescape") for text in wanted if text]

    @property
    def _given_stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else self.stop or ()

    def __post_init__(self) -> None:
        check("length", self.length, 0, LARGEST_NUMBER)
        check("temp", self.temp, 0, math.inf)
        check("top_k", self.top_k, 1, LARGEST_NUMBER)
        check("top_p", self.top_p, 0, 1, open_low=True)
        check("min_p", self.min_p, 0, 1)
        check("count", self.count, 1, 1 << 20)
        check("seed", self.seed, 0, LARGEST_NUMBER)
        if "" in self._given_stops:
            raise UsageError(f"{argument('stop')} is empty", "Give the text before which to stop")
        if self.stop and self.rules:
            raise UsageError(
                f"{argument('stop')} could end a text before it keeps its rules",
                f"Leave it out, or give {argument('end')}",
            )
        if self.faithful and not self.rules:
            raise UsageError(
                f"{argument('faithful')} says how to keep rules, and there are none",
                f"Give {argument('match')} or another rule, or leave it out",
            )

    def planned(
        self, vocabulary: Vocabulary, grams: Grams | None = None
    ) -> tuple[Sampling, Plan | None]:
        """Return how to write with a vocabulary, and how to keep the rules, if there are any.

        Args:
            grams: what is known of the model's corpus; needed for `Rules.max_copy`.

        Raises:
            UsageError: see `Rules.plan`.
        """
        if not self.rules:
            return self, None
        plan = self.rules.plan(vocabulary, self.end, self.length, grams)
        return replace(self, length=plan.longest, end=plan.ending), plan


class Stream:
    """Draws characters for several texts side by side.

    An iterator without an end: each step yields ids (N, B) and their nats (N, B), at temperature 1
    and unfiltered. N is one, except where compiled code writes long texts; there it is `BLOCK` at
    most. Whoever iterates decides when texts end (see `keep`).

    Args:
        model: what predicts.
        sampling: how to choose.
        seeds: of each text; a text depends on its own seed alone, not on its neighbours.
        logits, state: (1, V) and of one row, with which all texts begin; or a row for each text.
        guide: what the texts may go on with, where there are rules. What a character costs is
            counted without it.
    """

    def __init__(
        self,
        model: LanguageModel,
        sampling: Sampling,
        seeds: Sequence[int],
        logits: Floats,
        state: State,
        guide: Guide | None = None,
    ) -> None:
        rows = np.arange(len(seeds)) % len(logits)
        self.model, self.sampling = model, sampling
        self.logits, self.state = logits[rows], pick(state, rows)
        self.randoms = [np.random.Generator(np.random.PCG64(seed)) for seed in seeds]
        self.uniform = np.empty((len(seeds), 0))
        self.guide = guide
        self.chosen: Ids | None = None
        self.writer: Writer | None = None
        self.drawn = 0

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> tuple[Ids, Floats]:
        """Draw the next character of each text, or the next `BLOCK` of each at most."""
        at = self.drawn % AHEAD
        if at == 0:
            self.uniform = np.stack([random.random(AHEAD) for random in self.randoms])
            self.writer = self.writer or self._writer()
        if self.chosen is not None:
            if self.writer is not None:
                return self._block(self.writer, at)
            logits, self.state = self.model.forward(self.chosen[:, None], self.state)
            self.logits = logits[:, 0]
        allowed = None if self.guide is None else self.guide.allowed
        self.chosen, nats = choose(self.logits, self.sampling, self.uniform[:, at], allowed)
        self.drawn += 1
        if self.guide is not None:
            self.guide.read(self.chosen)
            self.guide.require_way()
        return self.chosen[None], nats[None]

    def _writer(self) -> Writer | None:
        """Return the compiled writer if it can write these texts, and what is left is long."""
        how, texts = self.sampling, len(self.randoms)
        # Where several may end soon, most of what is drawn in one call would be thrown away.
        free = self.guide is None and (texts == 1 or not how.stops)
        least = WORTH if compiled_before("kernels", "write") else WORTH_FIRST
        # The first characters of one text are there before the compiler is loaded.
        begun = texts > 1 or self.drawn > 0
        worth = begun and (how.length - self.drawn) * texts >= least
        if not (free and worth and isinstance(self.model, Compiles)):
            return None
        filters = how.temp, how.top_k or 0, how.top_p or 0, how.min_p or 0
        return self.model.writer(filters, texts)

    def _block(self, writer: Writer, at: int) -> tuple[Ids, Floats]:
        """Draw the next characters in compiled code."""
        assert self.chosen is not None
        uniform = self.uniform[:, at : at + BLOCK]
        ids, nats, self.state = writer.write(self.chosen, self.state, uniform)
        self.chosen = ids[:, -1]
        self.drawn += uniform.shape[1]
        return ids.T, nats.T

    @property
    def over(self) -> list[bool]:
        """Whether each text has ended, because its rules let nothing follow."""
        if self.guide is None:
            return [False] * len(self.randoms)
        return [bool(over) for over in self.guide.over]

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these texts only; the others have ended."""
        if self.chosen is not None:
            self.chosen = self.chosen[rows]
        self.logits, self.state = self.logits[rows], pick(self.state, rows)
        self.uniform = self.uniform[rows]
        self.randoms = [self.randoms[row] for row in rows]
        if self.guide is not None:
            self.guide.keep(rows)


def choose(
    logits: Floats,
    sampling: Sampling,
    uniform: NDArray[np.float64],
    allowed: NDArray[np.bool_] | None = None,
) -> tuple[Ids, Floats]:
    """Return the next id of each row of logits (B, V), and what it costs in nats.

    The cost is the model's own, at temperature 1, without filters and rules.

    Args:
        uniform: (B,), random numbers in [0, 1).
        allowed: (B, V), the ids that may be drawn, at least one in each row; None for all.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    # Probabilities up to a factor, which is all that the cost needs: no second exponential.
    own = filters.weigh(shifted)
    if allowed is not None:
        masked = np.where(allowed, logits, -np.inf)
        weights = filters.weigh(masked - masked.max(axis=-1, keepdims=True), sampling.temp)
    else:
        weights = own if sampling.temp == 1 else filters.weigh(shifted, sampling.temp)
    chosen = filters.draw(filtered(weights, sampling), uniform)
    nats: Floats = np.log(own.sum(axis=-1)) - shifted[np.arange(len(chosen)), chosen]
    return chosen, nats


def filtered(weights: Floats, sampling: Sampling) -> Floats:
    """Return the weights (B, V) of the ids that the filters keep, and zero for the others."""
    if sampling.top_k is not None:
        weights = filters.top_k(weights, sampling.top_k)
    if sampling.top_p is not None:
        weights = filters.top_p(weights, sampling.top_p)
    if sampling.min_p is not None:
        weights = filters.min_p(weights, sampling.min_p)
    return weights
