r"""From judges to answers: which label a text has, how sure that is, and whether any fits.

Several models, one for each label, were trained apart, and no examples say how sure to be. Each is
too sure of itself: a text of a thousand characters has a thousand times the evidence of one, and
every small fault of a model counts as often. So the evidence is weighed by how steady it is. The
text is cut into pieces of eight characters; for each piece, d is by how many nats one model
predicts it better than another. If neither were better, the self-normalised sum

.. math:: z = \sum d / \sqrt{\sum d^2}

would be about normal (Efron 1969, "Student's t-test under symmetry conditions"). The probability
that the likeliest label beats another is Φ(z). It never claims more than the pieces can show:
a text of one piece gives 84 % at most, and nine pieces that all agree 99.9 %.

Whether a label fits at all is asked of its own model. By its own distributions, the model expects
the text to cost the sum of their entropies, and knows the variance of that cost. A text that costs
much more was not written by what the model has learned. But even a text that was costs a little
more than expected, because no model has learned everything. How much that is, is measured when
training ends: on held-out texts, of which one in a hundred may be said not to fit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.checkpoint import Checkpoint
from chargen.engine.causal import Causal
from chargen.errors import KindError, UsageError, argument
from chargen.kinds import load
from chargen.tasks import calibration
from chargen.tasks.calibration import probabilities
from chargen.tasks.classifying import Judge, Likelihood, weigh_all
from chargen.text.corpus import Span, read_all
from chargen.text.labelled import as_string, examples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

Progress = Callable[[int, int], None]

PIECE = 8
"""Characters of a piece."""

DEVIATIONS, SLACK = 3.0, 0.35
"""A text fits if it costs at most so many standard deviations, and so many nats a character, more
than its model expects. The second number is fitted; this one is for models that were not."""

FITTED = "slack"
"""The key of that number in a checkpoint."""

REFUSED = 0.01
"""The share of held-out texts that are said not to fit."""

FEWEST = 50
"""Stretches that can tell, at least."""

STRETCHES, STRETCH, SOME = 256, 100, 64
"""How many held-out stretches it is fitted to, of how many characters, and how many at a time."""

MOST_SLACK = 100.0


@dataclass(frozen=True)
class Told:
    """What is said of one label.

    Attributes:
        label: its name.
        probability: that it is the right one, if one of them is.
        nats_per_char: what the text costs under it; None if the judge has no likelihood.
    """

    label: str
    probability: float
    nats_per_char: float | None


@dataclass(frozen=True)
class Guess:
    """What is said of one text.

    Attributes:
        text: its name, or the text itself.
        labels: all of them, the likeliest first.
        fits: whether the likeliest fits the text at all; True if that cannot be told.
    """

    text: str
    labels: tuple[Told, ...]
    fits: bool

    @property
    def label(self) -> str | None:
        """The likeliest label; None if it does not fit."""
        return self.labels[0].label if self.fits else None

    def json(self) -> dict[str, Any]:
        """Return the guess under its usual keys."""
        rows = [vars(one) for one in self.labels]
        return {"text": self.text, "label": self.label, "fits": self.fits, "labels": rows}


def judge_of(models: Sequence[tuple[str, Checkpoint]]) -> tuple[Judge, float]:
    """Return a judge of labels, made of one model with labels or of one model for each label.

    Returns:
        The judge, and the inverse temperature by which to multiply its logarithms.

    Raises:
        KindError: the only model has no labels, or one of several models has some.
        UsageError: two models have the same name.
    """
    if len(models) == 1:
        ((name, saved),) = models
        kind = saved.architecture.kind
        if not saved.labels or kind.judge is None:
            raise KindError(
                f"{name} has no labels to tell apart",
                f"Give one model for each label, or one trained with {argument('labels')}",
            )
        fitted = saved.figures.get("sharpness")
        if not isinstance(fitted, float) or not 0 <= fitted < math.inf:
            fitted = 1.0
        return load(kind.judge)(saved), fitted
    names = [name for name, _ in models]
    if len(set(names)) < len(names):
        raise UsageError("two of the models have one name", "Name the model of each label once")
    members = []
    for name, saved in models:
        if saved.labels:
            raise KindError(f"{name} has labels of its own", "Give it alone")
        if not saved.architecture.kind.continues:
            raise KindError(
                f"{name} {saved.architecture.kind.does} and gives no text a likelihood",
                f"Use a model trained without {argument('bidirectional')}",
            )
        if saved.vocabulary.as_bytes != models[0][1].vocabulary.as_bytes:
            raise KindError(
                "some of the models are of bytes, some of characters", "Use models of one sort"
            )
        members.append((Causal(saved.architecture, saved.weights), saved.vocabulary))
    return Likelihood(names, members), 1.0


def fit(saved: Checkpoint, valid: Span, seconds: float = math.inf) -> dict[str, float]:
    """Return what is fitted to held-out texts: how sure to be of labels, and what does not fit.

    Args:
        seconds: to read them for, about.
    """
    began = time.perf_counter()
    figures = calibration.fit(saved, valid, seconds) if saved.labels else {}
    slack = fitted_slack(saved, valid, seconds - (time.perf_counter() - began))
    return figures if slack is None else figures | {FITTED: slack}


def fitted_slack(saved: Checkpoint, valid: Span, seconds: float) -> float | None:
    """Return by how much more than expected held-out texts cost, in nats a character.

    Returns:
        What all but `REFUSED` of them are below, beyond `DEVIATIONS`; None if they are too few to
        tell.
    """
    began = time.perf_counter()
    found: list[float] = []
    texts = stretches(valid)
    if len(texts) < FEWEST:
        return None
    for at in range(0, len(texts), SOME):
        if found and time.perf_counter() - began > seconds:
            break
        some = texts[at : at + SOME]
        for label in {label for _, label in some}:
            network = Causal(saved.architecture, saved.weights, label if saved.labels else None)
            judge = Likelihood([""], [(network, saved.vocabulary)])
            mine = [text for text, own in some if own == label]
            found += [excess(figures[0]) for figures in judge.characters(mine)]
    return min(MOST_SLACK, max(0.0, float(np.quantile(found, 1 - REFUSED, method="higher"))))


def stretches(valid: Span) -> list[tuple[str, int]]:
    """Return texts to fit to, each with its label's id: examples, or stretches from all over."""
    if valid.marks is not None:
        marked = examples(valid.text, STRETCHES)
        return [(text[:STRETCH], label) for text, label in marked if text]
    count = min(STRETCHES, len(valid) // STRETCH)
    starts = [number * (len(valid) - STRETCH) // max(1, count - 1) for number in range(count)]
    return [
        (as_string(text, "surrogateescape") if valid.text.as_bytes else text, 0)
        for text in (read_all(valid.blocks(start, start + STRETCH)) for start in starts)
    ]


def guesses(
    models: Sequence[tuple[str, Checkpoint]],
    texts: Sequence[str],
    progress: Progress | None = None,
    sharpness: float | None = None,
    names: Sequence[str] = (),
) -> list[Guess]:
    """Tell the label of each text.

    Args:
        models: names and checkpoints; see `judge_of`.
        progress: called with texts done and texts in all.
        sharpness: an inverse temperature for the logarithms, instead of the usual way to weigh
            them: the fitted one of a model with labels, and the steadiness of the evidence where
            there are several models.
        names: of the texts, for the answers; without them, the texts themselves.

    Raises:
        KindError, UsageError: see `judge_of`.
    """
    judge, fitted = judge_of(models)
    tempered = fitted if sharpness is None else sharpness
    slacks = [slack_of(saved) for _, saved in models]
    if len(models) == 1:
        slacks *= len(judge.names)
    written = [text for text in texts if text]
    unknown = np.full(len(judge.names), np.nan)
    told: list[tuple[Doubles, Doubles, bool]] = []
    if written and isinstance(judge, Likelihood):
        apart = len(models) > 1 and sharpness is None
        for figures in judge.characters(written, progress):
            nats = figures[..., 0]
            totals = nats.sum(axis=1)
            shares = steady(nats) if apart else probabilities(-totals[None], tempered)[0]
            likeliest = int(shares.argmax())
            fits = fitting(figures[likeliest], slacks[likeliest])
            told.append((shares, totals / nats.shape[1], fits))
    elif written:
        rows = probabilities(weigh_all(judge, written, progress), tempered)
        told = [(row, unknown, True) for row in rows]
    # An empty text says nothing: all labels are equally likely.
    nothing = np.full(len(judge.names), 1 / len(judge.names))
    answers = iter(told)
    return [
        _guess(name, judge, *(next(answers) if text else (nothing, unknown, True)))
        for name, text in zip(names or texts, texts, strict=True)
    ]


def slack_of(saved: Checkpoint) -> float:
    """Return the fitted slack of a model, or the usual one."""
    slack = saved.figures.get(FITTED)
    return slack if isinstance(slack, float) and 0 <= slack <= MOST_SLACK else SLACK


def excess(figures: Doubles) -> float:
    """Return by how many nats a character a text costs more than `DEVIATIONS` beyond expectation.

    Args:
        figures: (T, 3), see `chargen.engine.likelihood.expected_nats`.
    """
    nats, expected, variance = figures.sum(axis=0)
    return float(nats - expected - DEVIATIONS * math.sqrt(variance)) / len(figures)


def fitting(figures: Doubles, slack: float = SLACK) -> bool:
    """Return whether a text can be one of what a model has learned; see `excess`."""
    return excess(figures) <= slack


def _guess(name: str, judge: Judge, shares: Doubles, nats: Doubles, fits: bool) -> Guess:
    told = [
        Told(label, float(share), None if math.isnan(cost) else float(cost))
        for label, share, cost in zip(judge.names, shares, nats, strict=True)
    ]
    return Guess(name, tuple(sorted(told, key=lambda one: -one.probability)), fits)


def steady(nats: Doubles) -> Doubles:
    """Return the probability (K,) of each of K labels, by how steadily it predicts better.

    Args:
        nats: (K, T), what each character costs under each label.
    """
    starts = np.arange(0, nats.shape[1], PIECE)
    pieces = np.add.reduceat(nats, starts, axis=1)
    best = int(pieces.sum(axis=1).argmin())
    weights = np.ones(len(nats))
    for label, row in enumerate(pieces):
        difference = row - pieces[best]
        size = math.sqrt(float((difference**2).sum()))
        z = float(difference.sum()) / size if size else 0.0
        beaten = 0.5 * math.erfc(z / math.sqrt(2))
        weights[label] = beaten / (1 - beaten)
    shares: Doubles = weights / weights.sum()
    return shares
