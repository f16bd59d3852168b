"""How well a model predicts a text: one accounting for both engines.

The nats of all characters are summed, and divided once. A long text is read in lanes side by side;
each lane but the first begins ``burn_in`` characters early, so that its state has settled when its
own characters begin. ``lanes=1`` makes the one exact pass. A sample of a text is read in the same
way, with lanes that leave out what lies between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import numpy as np

from chargen.engine.language_model import LanguageModel, State
from chargen.engine.likelihood import charge, with_escape
from chargen.metrics import LABEL_ACCURACY, PERPLEXITY, PSEUDO_PERPLEXITY, Metric
from chargen.ranks import ALONE, Ranks
from chargen.text.corpus import Span
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import PAST, Window, cuts, windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]

LANES = 64
BURN_IN = 192
WINDOW = 128
SHORTEST_LANE = 4 * BURN_IN
"""The shortest lane: in a shorter one, most of the work would be burning in."""

SAMPLE_LANES = 16
"""Lanes of a small sample: fewer would see fewer places of the text, more would only burn in."""

BLOCKS = 64
LONGEST_BLOCK = 1000
MOST_BLOCKS = 100_000

S = TypeVar("S")


def perplexity(nats_per_char: float) -> float:
    """Return exp(nats per character), or exp(700) where that would be too large for a float."""
    return math.exp(min(nats_per_char, 700.0))


class Predictor(Protocol[S]):
    """A model of either engine, as scoring needs it; ``S`` is its recurrent state."""

    def start(self, batch: int) -> S:
        """Return the state before any character."""

    def charge(self, window: Window, state: S) -> tuple[Floats, Bools, S]:
        """Return nats and hits (B, T) for the window's targets, and the state.

        A target that is no id of the vocabulary may get any charge; it is not used.
        """


@dataclass(frozen=True)
class Score:
    """What a model made of a text.

    Attributes:
        characters: scored, all of them.
        unknown: characters among them that the vocabulary lacks.
        nats: summed over all characters.
        hits: characters that were the most likely one.
        size: of the text in bytes, as UTF-8.
        error: standard error of the nats per character.
    """

    metric: ClassVar[Metric] = PERPLEXITY

    characters: int
    unknown: int
    nats: float
    hits: int
    size: int
    error: float

    @property
    def nats_per_char(self) -> float:
        """Mean cost of a character in nats."""
        return self.nats / self.characters

    @property
    def loss(self) -> float:
        """The figure that training makes as low as it can."""
        return self.nats_per_char

    @property
    def rank(self) -> float:
        """What the best model has least of."""
        return self.loss

    @property
    def perplexity(self) -> float:
        """exp(nats per character): a choice among that many characters is as uncertain."""
        return perplexity(self.nats_per_char)

    @property
    def bpc(self) -> float:
        """Bits per character."""
        return self.nats_per_char / math.log(2)

    @property
    def bits_per_byte(self) -> float:
        """Bits per UTF-8 byte; the figure that compares across vocabularies."""
        return self.nats / math.log(2) / self.size

    @property
    def accuracy(self) -> float:
        """Share of characters that were the most likely one."""
        return self.hits / self.characters

    @property
    def perplexity_error(self) -> float:
        """Standard error of the perplexity, by the delta method."""
        return self.perplexity * self.error

    def __add__(self, other: Score) -> Score:
        """Return the score of both texts together."""
        mine, theirs = self.error * self.characters, other.error * other.characters
        characters = self.characters + other.characters
        return Score(
            characters,
            self.unknown + other.unknown,
            self.nats + other.nats,
            self.hits + other.hits,
            self.size + other.size,
            math.hypot(mine, theirs) / characters,
        )

    def json(self) -> dict[str, Any]:
        """Return the figures under their usual keys."""
        return {name: getattr(self, name) for name in self.metric.figures}


@dataclass(frozen=True)
class GapScore(Score):
    """How well a bidirectional model predicted a text, each character as a gap of one.

    Its figures are called pseudo-perplexity (Salazar et al. 2020, arXiv:1910.14659) and are no
    perplexity: they do not multiply to the probability of a text, and lie far lower.
    """

    metric: ClassVar[Metric] = PSEUDO_PERPLEXITY

    @property
    def pseudo_nats_per_char(self) -> float:
        """Mean cost of a character in nats, given all others."""
        return self.nats_per_char

    @property
    def pseudo_perplexity(self) -> float:
        """exp(pseudo-nats per character)."""
        return self.perplexity

    @property
    def pseudo_perplexity_error(self) -> float:
        """Standard error of the pseudo-perplexity."""
        return self.perplexity_error


@dataclass(frozen=True)
class LabelScore:
    """How well a classifier told the labels of held-out examples.

    Attributes:
        examples: how many.
        hits: those whose likeliest label was the right one.
        nats: what the right labels cost, summed.
    """

    metric: ClassVar[Metric] = LABEL_ACCURACY

    examples: int
    hits: int
    nats: float

    @property
    def loss(self) -> float:
        """The figure that training makes as low as it can: the mean cost of an example's label."""
        return self.nats / self.examples

    @property
    def rank(self) -> float:
        """What the best model has least of."""
        return self.loss

    @property
    def accuracy(self) -> float:
        """Share of examples whose likeliest label was the right one."""
        return self.hits / self.examples

    @property
    def accuracy_error(self) -> float:
        """Standard error of the accuracy: that of a share of independent examples."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / self.examples)

    def json(self) -> dict[str, Any]:
        """Return the figures under their usual keys."""
        return {
            "examples": self.examples,
            "label_accuracy": self.accuracy,
            "label_accuracy_error": self.accuracy_error,
            "label_nats": self.loss,
        }


class ModelPredictor:
    """Scores with a language model in NumPy."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model

    def start(self, batch: int) -> State:
        """Return the state before any character."""
        return self.model.start(batch)

    def charge(self, window: Window, state: State) -> tuple[Floats, Bools, State]:
        """Return nats and hits (B, T), and the state."""
        logits, state = self.model.forward(window.inputs, state)
        return *charge(logits, window.targets), state


def stretches(
    length: int, most: int | None, lanes: int | None, burn_in: int
) -> tuple[list[tuple[int, int]], list[int], int]:
    """Return what is read of a text of ``length`` characters, and what is scored of it.

    Args:
        most: characters to score, in equal stretches all over the text; None for all.
        lanes: read side by side; None for as many as the length allows.
        burn_in: characters that are read before a stretch.

    Returns:
        Where each lane starts and stops; where the characters that it scores begin; and the size of
        the blocks for the standard error, which no stretch of a sample cuts.
    """
    scored = length if most is None else min(most, length)
    wide = max(1, min(LANES, scored // SHORTEST_LANE))
    block = max(1, min(LONGEST_BLOCK, scored // BLOCKS), -(-scored // MOST_BLOCKS))
    if scored == length:
        lanes = wide if lanes is None else lanes
        ranges = cuts(length, lanes, overlap=burn_in if lanes > 1 else 0)
        return ranges, [start + burn_in if start else 0 for start, _ in ranges], block
    lanes = max(wide, min(SAMPLE_LANES, scored)) if lanes is None else min(lanes, scored)
    block = min(block, scored // lanes)
    own = scored // lanes // block * block
    apart = max(1, lanes - 1)
    firsts = [lane * (length - own) // apart // block * block for lane in range(lanes)]
    return [(max(0, first - burn_in), first + own) for first in firsts], firsts, block


def score(
    predictor: Predictor[S],
    span: Span,
    vocabulary: Vocabulary,
    *,
    most: int | None = None,
    lanes: int | None = None,
    burn_in: int = BURN_IN,
    window: int = WINDOW,
    progress: Callable[[int, int], None] | None = None,
    ranks: Ranks = ALONE,
) -> Score:
    """Score a span, or a sample of it, state carried from its start.

    Args:
        most: characters to score, see `stretches`; None for all.
        lanes: read side by side; 1 for the exact pass, None for as many as the length allows.
        burn_in: extra characters that each lane but the first reads before its own.
        window: characters of each lane per call.
        progress: called with characters done and characters in all.
        ranks: that divide the lanes among them.

    Raises:
        ValueError: the span is empty.
    """
    if not len(span):
        raise ValueError("there is no text to score")
    every, begin, block = stretches(len(span), most, lanes, burn_in)
    mine = ranks.share(len(every))
    ranges, firsts = every[mine], begin[mine]
    starts = np.array([start for start, _ in ranges])[:, None]
    settled = np.array(firsts)[:, None]
    scored = sum(stop for _, stop in ranges) - sum(firsts)
    sums = np.zeros(-(-len(span) // block))
    sizes = np.zeros_like(sums)
    unknown = hits = done = 0
    state = predictor.start(len(ranges))
    for chunk in windows(span, vocabulary, ranges, window) if ranges else ():
        nats, hit, state = predictor.charge(chunk, state)
        places = starts + chunk.start + np.arange(chunk.targets.shape[1])
        counted = (chunk.targets != PAST) & (places >= settled)
        is_unknown = chunk.targets == vocabulary.bos
        costs = with_escape(vocabulary, chunk.targets, nats)
        np.add.at(sums, places[counted] // block, costs[counted])
        np.add.at(sizes, places[counted] // block, 1)
        unknown += int((is_unknown & counted).sum())
        hits += int((hit & counted & ~is_unknown).sum())
        done += int(counted.sum())
        if progress is not None:
            progress(done, scored)
    sums, sizes = ranks.summed(np.stack((sums, sizes)))
    counts = ranks.summed(np.array([done, unknown, hits], dtype=np.float64))
    done, unknown, hits = counts.astype(int).tolist()
    return Score(
        characters=done,
        unknown=unknown,
        nats=float(sums.sum()),
        hits=hits,
        size=span.size() if done == len(span) else _size(span, begin, every),
        error=_standard_error(sums[sizes > 0], sizes[sizes > 0]),
    )


def _size(span: Span, firsts: Sequence[int], ranges: Sequence[tuple[int, int]]) -> int:
    """Return the bytes of all stretches that are scored."""
    return sum(
        span.part(first, stop).size() for first, (_, stop) in zip(firsts, ranges, strict=True)
    )


def _standard_error(sums: NDArray[np.float64], sizes: NDArray[np.float64]) -> float:
    """Return the standard error of a mean over correlated characters, by batch means.

    Neighbouring characters are not independent, blocks of hundreds of characters nearly are
    (Flegal & Jones 2010, Annals of Statistics 38, section 3).

    Args:
        sums, sizes: nats and characters of each block.
    """
    if len(sums) < 2:
        return 0.0
    away = sums - sizes * sums.sum() / sizes.sum()
    return float(math.sqrt((away**2).sum() * len(sums) / (len(sums) - 1)) / sizes.sum())
