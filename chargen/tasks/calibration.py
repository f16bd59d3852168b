"""How sure a judge of labels should be, and how well it did.

The logarithms that a judge gives are too sure of themselves: a network charges the characters of a
text one by one, but their evidence is not independent. So they are multiplied by one number, the
inverse temperature, which is fitted to examples that were held out (temperature scaling; Guo et al.
2017, arXiv:1706.04599).
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.checkpoint import MOST_SEEN, Checkpoint
from chargen.declared import LARGEST_NUMBER, check
from chargen.engine.likelihood import log_softmax
from chargen.errors import CorpusError
from chargen.kinds import load
from chargen.tasks.classifying import LONGEST_READ, Counting, Judge, weigh_all
from chargen.tasks.ngrams import ORDER
from chargen.text.corpus import Span
from chargen.text.labelled import Labelled, examples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Labels = NDArray[np.integer[Any]]

BINS = 10
HIGHEST = 64.0
"""The highest inverse temperature."""

SURE = 0.5
"""A label that is likelier than all others together."""

GROUPS = 4
"""Groups of texts by their length."""

FITTED_ON, WEIGHED, FEWEST = 1000, 15_000, 100
"""Limits on the held-out examples that the inverse temperature is fitted to: the most examples; the
most examples times labels, if the judge reads a text once for each label; the fewest examples."""


def fit(saved: Checkpoint, valid: Span, seconds: float = math.inf) -> dict[str, float]:
    """Return the inverse temperature that fits held-out examples best, and how many these are.

    Args:
        seconds: to read examples for, about; but at least `FEWEST` are read.
    """
    began = time.perf_counter()
    # A judge by likelihood reads each example once for each label.
    kind = saved.architecture.kind
    most = WEIGHED // len(saved.labels) if kind.label_input else FITTED_ON
    held_out = examples(valid.text, min(FITTED_ON, max(most, FEWEST)))
    truth = np.array([label for _, label in held_out])
    judge: Judge = load(kind.judge)(saved)
    texts = [text[:LONGEST_READ] for text, _ in held_out]
    parts: list[Doubles] = []
    for at in range(0, len(texts), FEWEST):
        if parts and time.perf_counter() - began > seconds:
            break
        parts.append(weigh_all(judge, texts[at : at + FEWEST]))
    logs = np.concatenate(parts)
    found = best_inverse_temperature(logs, truth[: len(logs)])
    return {"sharpness": found, "fitted_on": len(logs)}


def probabilities(logs: Doubles, inverse_temperature: float = 1.0) -> Doubles:
    """Return the probability (N, K) of each label."""
    shares: Doubles = np.exp(_scaled(logs, inverse_temperature))
    return shares


def _scaled(logs: Doubles, inverse_temperature: float) -> Doubles:
    """Return the log-probabilities (N, K) of the labels at an inverse temperature."""
    # The highest is zero before it is multiplied, so that it cannot overflow.
    return log_softmax(inverse_temperature * (logs - logs.max(axis=-1, keepdims=True)))


def log_loss(logs: Doubles, truth: Labels, inverse_temperature: float = 1.0) -> float:
    """Return the mean nats that the true labels cost."""
    # From logarithms, not from probabilities: a probability that rounds to zero still has a cost.
    costs = -_scaled(logs, inverse_temperature)
    return float(costs[np.arange(len(truth)), truth].mean())


def best_inverse_temperature(logs: Doubles, truth: Labels) -> float:
    """Return the inverse temperature at which the true labels cost least.

    The cost is convex in it, so that a search that drops a third at each step finds the lowest.
    """
    low, high = 0.0, HIGHEST
    for _ in range(60):
        one, other = low + (high - low) / 3, high - (high - low) / 3
        if log_loss(logs, truth, one) <= log_loss(logs, truth, other):
            high = other
        else:
            low = one
    return (low + high) / 2


@dataclass(frozen=True)
class ByLength:
    """How often the label of texts of similar length was right.

    Attributes:
        shortest, longest: characters of the shortest and the longest of them.
        examples: how many they are.
        accuracy: share of them whose likeliest label was right.
    """

    shortest: int
    longest: int
    examples: int
    accuracy: float


@dataclass(frozen=True)
class Verdict:
    """How well one way told the labels of held-out texts.

    Attributes:
        name: of the way.
        accuracy: share of texts whose likeliest label was the right one.
        log_loss: mean nats of the right label; the inverse temperature is fitted on the other half
            of the texts.
        calibration_error: mean distance between the claimed and the true share of right labels,
            over ten equal ranges of the probability of the likeliest label.
        inverse_temperature: that fits all the texts.
        confusion: (K, K), texts of each label (rows) that were taken for each label (columns).
        brier: mean over the texts of Σ (p - y)² over the labels, y being 1 for the right one (Brier
            1950, Monthly Weather Review 78): 0 at best, 2 at worst.
        c_at_1: accuracy if a text is left unanswered where no label is likelier than all others
            together; such a text counts as much as the share of right answers (Peñas & Rodrigo
            2011, "A simple measure to assess non-response").
        by_length: accuracy by the length of the text, in groups of equal size.
    """

    name: str
    accuracy: float
    log_loss: float
    calibration_error: float
    inverse_temperature: float
    confusion: NDArray[np.int64]
    brier: float
    c_at_1: float
    by_length: tuple[ByLength, ...] = ()

    def json(self) -> dict[str, Any]:
        """Return the figures under their names."""
        return {
            "name": self.name,
            "accuracy": self.accuracy,
            "log_loss": self.log_loss,
            "calibration_error": self.calibration_error,
            "sharpness": self.inverse_temperature,
            "confusion": self.confusion.tolist(),
            "brier": self.brier,
            "c_at_1": self.c_at_1,
            "by_length": [vars(group) for group in self.by_length],
        }


def by_length(right: NDArray[np.bool_], lengths: Labels) -> tuple[ByLength, ...]:
    """Return the accuracy of `GROUPS` groups of equal size, the shortest texts first."""
    order = np.argsort(lengths, kind="stable")
    groups = [group for group in np.array_split(order, GROUPS) if len(group)]
    return tuple(
        ByLength(
            int(lengths[group].min()),
            int(lengths[group].max()),
            len(group),
            float(right[group].mean()),
        )
        for group in groups
    )


def verdict(name: str, logs: Doubles, truth: Labels, lengths: Labels | None = None) -> Verdict:
    """Judge a way by its weights (N, K) for texts of known labels (N,).

    Args:
        lengths: (N,), characters of each text; None if they do not matter.
    """
    labels = logs.shape[1]
    shares = np.empty_like(logs)
    halves = np.random.default_rng(0).permutation(len(truth)) % 2
    for half in (0, 1):
        mine = halves == half
        others = ~mine if (~mine).any() else mine
        shares[mine] = probabilities(
            logs[mine], best_inverse_temperature(logs[others], truth[others])
        )
    chosen = logs.argmax(axis=1)
    right = chosen == truth
    claimed = shares.max(axis=1)
    bins = np.minimum((claimed * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, claimed - right, minlength=BINS)
    confusion = np.zeros((labels, labels), dtype=np.int64)
    np.add.at(confusion, (truth, chosen), 1)
    sure = claimed > SURE
    answered = (right & sure).sum() / len(truth)
    wanted = np.zeros_like(shares)
    wanted[np.arange(len(truth)), truth] = 1
    true = np.maximum(shares[np.arange(len(truth)), truth], np.finfo(np.float64).tiny)
    return Verdict(
        name,
        float(right.mean()),
        float(-np.log(true).mean() + 0.0),
        float(np.abs(gaps).sum() / len(truth)),
        best_inverse_temperature(logs, truth),
        confusion,
        brier=float(((shares - wanted) ** 2).sum(axis=1).mean()),
        c_at_1=float(answered + (~sure).mean() * answered),
        by_length=() if lengths is None else by_length(right, lengths),
    )


@dataclass(frozen=True)
class Split:
    """Labelled examples, by whether a judge has learned from them.

    Attributes:
        learned: those that it has, each with its label's id.
        others: those that it has not.
    """

    learned: list[tuple[str, int]]
    others: list[tuple[str, int]]

    @classmethod
    def of(cls, labelled: Labelled, seen: NDArray[np.uint64] | None) -> Split:
        """Split examples by the fingerprints of those that were seen in training.

        Args:
            labelled: all of them "to learn from"; if ``seen`` is None, as they are divided.
            seen: sorted, see `chargen.checkpoint.Checkpoint`.

        Raises:
            CorpusError: there are no others.
        """
        every = examples(labelled.train, sys.maxsize)
        if seen is None:
            if labelled.valid is None:
                raise CorpusError("the text has too few examples to hold any out", "Give more")
            return cls(every, examples(labelled.valid, sys.maxsize))
        marks = labelled.train.marks
        assert marks is not None
        known = np.isin(marks.prints, seen)
        # Where only the lowest fingerprints were kept, nothing is known of the higher ones.
        sure = marks.prints <= seen[-1] if len(seen) == MOST_SEEN else np.ones_like(known)
        others = [example for example, new in zip(every, sure & ~known, strict=True) if new]
        if not others:
            raise CorpusError(
                f"the model has learned from all {len(every):,} examples", "Give others"
            )
        return cls([one for one, there in zip(every, known, strict=True) if there], others)


def verdicts(
    name: str,
    judge: Judge,
    names: Sequence[str],
    split: Split,
    most: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Verdict]:
    """Judge a way by examples that it has not seen, beside n-grams that learned those it has.

    Args:
        name: of the way.
        names: the labels of the examples, in the order of their ids.
        most: examples, at most.

    Raises:
        CorpusError: the labels are not the judge's.
        UsageError: a number that cannot work.
    """
    check("examples", most, 1, LARGEST_NUMBER)
    if not set(names) <= set(judge.names):
        raise CorpusError(
            f"the text has other labels than {name}: {', '.join(names[:8])}",
            f"Use the model's: {', '.join(judge.names[:8])}",
        )
    place = [judge.names.index(label) for label in names]
    held_out = split.others[:most]
    texts = [text[:LONGEST_READ] for text, _ in held_out]
    truth = np.array([place[label] for _, label in held_out])
    ways: list[tuple[str, Judge]] = [(name, judge)]
    if split.learned:
        learned = [(text, place[label]) for text, label in split.learned]
        ways.append((f"{ORDER}-grams", Counting(judge.names, learned)))
    lengths = np.array([len(text) for text in texts])
    return [verdict(way, weigh_all(one, texts, progress), truth, lengths) for way, one in ways]
