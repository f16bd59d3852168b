"""The networks that mark each character, in NumPy; see `chargen.networks.tagger`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from chargen.architecture import Architecture
from chargen.engine.encoder import Encoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Ids = NDArray[np.int32]
    Marks = NDArray[np.intp]


class Marker(Encoder):
    """Scores the marks of each character."""

    def scores(self, texts: Sequence[Ids]) -> list[Doubles]:
        """Return the scores (T, K) of the marks of each text.

        Args:
            texts: (1 + T + 1,) ids of each, with "no character" at both ends.
        """
        left, right, _ = self.sides(texts)
        memory = self.joined(left, right)
        scores = memory @ self.weights["output.weight"].T + self.weights["output.bias"]
        return [
            row[1 : len(text) - 1].astype(np.float64)
            for row, text in zip(scores, texts, strict=True)
        ]


class Tagger(Marker):
    """Scores marks as a chain."""

    def __init__(self, architecture: Architecture, weights: Mapping[str, Floats]) -> None:
        super().__init__(architecture, weights)
        self.transition = weights["transition.weight"].astype(np.float64)

    def chain(self, scores: Doubles) -> Chain:
        """Return the distribution over sequences of marks that scores (T, K) give."""
        return Chain(scores, self.transition)

    def best(self, scores: Sequence[Doubles]) -> list[Marks]:
        """Return the likeliest sequence of marks (T,) of each text."""
        return viterbi(scores, self.transition)

    def nats(self, scores: Sequence[Doubles], marks: Sequence[Ids]) -> Doubles:
        """Return what the sequence of marks (T,) of each text costs, (B,)."""
        paths = [
            self.chain(mine).path(theirs, 0) for mine, theirs in zip(scores, marks, strict=True)
        ]
        costs: Doubles = totals(scores, self.transition) - np.array(paths)
        return costs


class Chain:
    """A distribution over sequences of T marks, T at least 1; all sums are exact.

    Attributes:
        scores: (T, K).
        transition: (K + 1, K); its last row is for the first place.
    """

    def __init__(self, scores: Doubles, transition: Doubles) -> None:
        self.scores, self.transition = scores, transition

    @cached_property
    def before(self) -> Doubles:
        """The logarithm (T, K) of the sum over all beginnings that end at a place in a mark."""
        before = np.empty_like(self.scores)
        before[0] = self.scores[0] + self.transition[-1]
        for t in range(1, len(before)):
            came = before[t - 1][:, None] + self.transition[:-1]
            before[t] = np.logaddexp.reduce(came, axis=0) + self.scores[t]
        return before

    @cached_property
    def after(self) -> Doubles:
        """The same (T, K) of all that can follow."""
        after = np.zeros_like(self.scores)
        for t in range(len(after) - 2, -1, -1):
            goes = self.transition[:-1] + (self.scores[t + 1] + after[t + 1])
            after[t] = np.logaddexp.reduce(goes, axis=1)
        return after

    @cached_property
    def total(self) -> float:
        """The logarithm of the sum over all sequences."""
        return float(np.logaddexp.reduce(self.before[-1]))

    def nats(self, marks: Sequence[int] | Ids) -> float:
        """Return what a sequence of marks costs."""
        return self.total - self.path(np.asarray(marks), 0)

    def path(self, marks: NDArray[np.integer], start: int) -> float:
        """Return the score of a stretch of marks from a place on, without what leads to it."""
        places = np.arange(start, start + len(marks))
        steps = self.transition[marks[:-1], marks[1:]].sum()
        first = self.transition[-1, marks[0]] if start == 0 else 0.0
        return float(self.scores[places, marks].sum() + steps + first)

    def span(self, start: int, end: int, begin: int, inside: int) -> float:
        """Return the probability that a span stands from ``start`` to ``end``, exactly.

        Args:
            begin, inside: the marks of its first character and of the others.
        """
        marks = np.array([begin] + [inside] * (end - start - 1))
        score = self.path(marks, start)
        if start:
            came = self.before[start - 1] + self.transition[:-1, begin]
            score += float(np.logaddexp.reduce(came))
        if end < len(self.scores):
            goes = self.transition[marks[-1]] + self.scores[end] + self.after[end]
            # The span ends here: the next character is not inside it.
            goes[inside] = -np.inf
            score += float(np.logaddexp.reduce(goes))
        return float(np.exp(score - self.total))


def side_by_side(scores: Sequence[Doubles]) -> tuple[Doubles, NDArray[np.intp]]:
    """Return the scores of texts as one array (B, T, K), and the length of each."""
    lengths = np.array([len(one) for one in scores])
    rows = np.zeros((len(scores), lengths.max(), scores[0].shape[1]))
    for row, one in zip(rows, scores, strict=True):
        row[: len(one)] = one
    return rows, lengths


def totals(scores: Sequence[Doubles], transition: Doubles) -> Doubles:
    """Return the logarithm (B,) of the sum over all sequences of marks of each text."""
    rows, lengths = side_by_side(scores)
    paths = rows[:, 0] + transition[-1]
    for t in range(1, rows.shape[1]):
        came = np.logaddexp.reduce(paths[:, :, None] + transition[:-1], axis=1) + rows[:, t]
        paths = np.where((t < lengths)[:, None], came, paths)
    found: Doubles = np.logaddexp.reduce(paths, axis=1)
    return found


def viterbi(scores: Sequence[Doubles], transition: Doubles) -> list[Marks]:
    """Return the likeliest sequence of marks of each text (Viterbi 1967)."""
    rows, lengths = side_by_side(scores)
    batch, time, marks = rows.shape
    back = np.tile(np.arange(marks), (batch, time, 1))
    paths = rows[:, 0] + transition[-1]
    for t in range(1, time):
        came = paths[:, :, None] + transition[:-1]
        inside = (t < lengths)[:, None]
        # After its end, a text keeps its path as it is.
        back[:, t] = np.where(inside, came.argmax(axis=1), back[:, t])
        paths = np.where(inside, came.max(axis=1) + rows[:, t], paths)
    found = np.empty((batch, time), dtype=np.intp)
    found[:, -1] = paths.argmax(axis=1)
    for t in range(time - 1, 0, -1):
        found[:, t - 1] = back[np.arange(batch), t, found[:, t]]
    return [row[:length] for row, length in zip(found, lengths.tolist(), strict=True)]
