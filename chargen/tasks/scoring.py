"""How well a model predicts a text: one accounting for both engines.

The nats of all characters are summed, and divided once. A long text is read in lanes side by side;
each lane but the first begins ``burn_in`` characters early, so that its state has settled when its
own characters begin. ``lanes=1`` makes the one exact pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import numpy as np

from chargen.engine.language_model import LanguageModel, State
from chargen.engine.likelihood import charge, with_escape
from chargen.kinds import LABEL_ACCURACY, PERPLEXITY, PSEUDO_PERPLEXITY, Metric
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

    def json(self) -> dict[str, Any]:
        """Return the figures under their usual keys."""
        return {
            "examples": self.examples,
            "label_accuracy": self.hits / self.examples,
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


def score(
    predictor: Predictor[S],
    span: Span,
    vocabulary: Vocabulary,
    *,
    lanes: int | None = None,
    burn_in: int = BURN_IN,
    window: int = WINDOW,
    progress: Callable[[int, int], None] | None = None,
) -> Score:
    """Score a span, state carried from its start.

    Args:
        lanes: read side by side; 1 for the exact pass, None for as many as the length allows.
        burn_in: extra characters that each lane but the first reads before its own.
        window: characters of each lane per call.
        progress: called with characters done and characters in all.

    Raises:
        ValueError: the span is empty.
    """
    if not len(span):
        raise ValueError("there is no text to score")
    if lanes is None:
        lanes = max(1, min(LANES, len(span) // SHORTEST_LANE))
    ranges = cuts(len(span), lanes, overlap=burn_in if lanes > 1 else 0)
    starts = np.array([start for start, _ in ranges])[:, None]
    settled = starts + np.where(starts > 0, burn_in, 0)
    block = max(1, min(LONGEST_BLOCK, len(span) // BLOCKS), -(-len(span) // MOST_BLOCKS))
    sums = np.zeros(-(-len(span) // block))
    unknown = hits = done = 0
    state = predictor.start(lanes)
    for chunk in windows(span, vocabulary, ranges, window):
        nats, hit, state = predictor.charge(chunk, state)
        places = starts + chunk.start + np.arange(chunk.targets.shape[1])
        counted = (chunk.targets != PAST) & (places >= settled)
        is_unknown = chunk.targets == vocabulary.bos
        costs = with_escape(vocabulary, chunk.targets, nats)
        np.add.at(sums, places[counted] // block, costs[counted])
        unknown += int((is_unknown & counted).sum())
        hits += int((hit & counted & ~is_unknown).sum())
        done += int(counted.sum())
        if progress is not None:
            progress(done, len(span))
    total = float(sums.sum())
    return Score(
        characters=len(span),
        unknown=unknown,
        nats=total,
        hits=hits,
        size=span.size(),
        error=_standard_error(sums, total, len(span), block),
    )


def _standard_error(sums: NDArray[np.float64], total: float, length: int, block: int) -> float:
    """Return the standard error of a mean over correlated characters, by batch means.

    Neighbouring characters are not independent, blocks of hundreds of characters nearly are
    (Flegal & Jones 2010, Annals of Statistics 38, section 3).
    """
    if len(sums) < 2:
        return 0.0
    sizes = np.full(len(sums), block, dtype=np.float64)
    sizes[-1] = length - block * (len(sums) - 1)
    away = sums - sizes * total / length
    return float(math.sqrt((away**2).sum() * len(sums) / (len(sums) - 1)) / length)
