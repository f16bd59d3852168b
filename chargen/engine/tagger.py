"""The networks that mark each character, in NumPy; see `chargen.networks.tagger`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from chargen.architecture import Architecture
from chargen.engine.encoder import Encoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Ids = NDArray[np.int32]


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


class Chain:
    """A distribution over sequences of T marks, T at least 1; all sums are exact.

    Attributes:
        scores: (T, K).
        transition: (K + 1, K); its last row is for the first place.
        before: (T, K), the logarithm of the sum over all beginnings that end at a place in a mark.
        after: (T, K), the same of all that can follow.
        total: the logarithm of the sum over all sequences.
    """

    def __init__(self, scores: Doubles, transition: Doubles) -> None:
        self.scores, self.transition = scores, transition
        self.before = np.empty_like(scores)
        self.after = np.zeros_like(scores)
        self.before[0] = scores[0] + transition[-1]
        for t in range(1, len(scores)):
            came = self.before[t - 1][:, None] + transition[:-1]
            self.before[t] = np.logaddexp.reduce(came, axis=0) + scores[t]
        for t in range(len(scores) - 2, -1, -1):
            goes = transition[:-1] + (scores[t + 1] + self.after[t + 1])
            self.after[t] = np.logaddexp.reduce(goes, axis=1)
        self.total = float(np.logaddexp.reduce(self.before[-1]))

    def nats(self, marks: Sequence[int] | Ids) -> float:
        """Return what a sequence of marks costs."""
        return self.total - self._path(np.asarray(marks), 0)

    def _path(self, marks: NDArray[np.integer], start: int) -> float:
        """Return the score of a stretch of marks from a place on, without what leads to it."""
        places = np.arange(start, start + len(marks))
        steps = self.transition[marks[:-1], marks[1:]].sum()
        first = self.transition[-1, marks[0]] if start == 0 else 0.0
        return float(self.scores[places, marks].sum() + steps + first)

    def best(self) -> NDArray[np.intp]:
        """Return the likeliest sequence of marks (T,) (Viterbi 1967)."""
        time, marks = self.scores.shape
        back = np.zeros((time, marks), dtype=np.intp)
        path = self.scores[0] + self.transition[-1]
        for t in range(1, time):
            came = path[:, None] + self.transition[:-1]
            back[t] = came.argmax(axis=0)
            path = came[back[t], np.arange(marks)] + self.scores[t]
        found = np.empty(time, dtype=np.intp)
        found[-1] = path.argmax()
        for t in range(time - 1, 0, -1):
            found[t - 1] = back[t, found[t]]
        return found

    def span(self, start: int, end: int, begin: int, inside: int) -> float:
        """Return the probability that a span stands from ``start`` to ``end``, exactly.

        Args:
            begin, inside: the marks of its first character and of the others.
        """
        marks = np.array([begin] + [inside] * (end - start - 1))
        score = self._path(marks, start)
        if start:
            came = self.before[start - 1] + self.transition[:-1, begin]
            score += float(np.logaddexp.reduce(came))
        if end < len(self.scores):
            goes = self.transition[marks[-1]] + self.scores[end] + self.after[end]
            # The span ends here: the next character is not inside it.
            goes[inside] = -np.inf
            score += float(np.logaddexp.reduce(goes))
        return float(np.exp(score - self.total))
