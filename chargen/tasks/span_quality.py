"""How well spans are found: precision, recall and F1 of whole spans, by label and in all.

A span counts only if both its ends and its label are right (Tjong Kim Sang & De Meulder 2003).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from chargen.metrics import SPANS, Metric
from chargen.ranks import ALONE, Ranks
from chargen.tasks.tagging import Tagger
from chargen.text.tagged import Tagged


@dataclass(frozen=True)
class Tally:
    """Spans of one label, or of all.

    Attributes:
        right: found as they are.
        found, there: in all.
    """

    right: int
    found: int
    there: int

    @property
    def precision(self) -> float:
        """Share of the spans found that are there."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of the spans there that were found."""
        return self.right / self.there if self.there else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        both = self.found + self.there
        return 2 * self.right / both if both else 0.0

    def json(self) -> dict[str, Any]:
        """Return the figures under their usual keys."""
        return {
            "spans": self.there,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
        }


@dataclass(frozen=True)
class SpanScore:
    """How well the spans of held-out texts were found.

    Attributes:
        texts: how many.
        characters: of those texts whose labels the model knows.
        all: of all labels.
        labels: of each label.
        error: standard error of the F1 (of a ratio; Cochran 1977, section 2.11).
        nats: what the right marks of these texts cost, summed.
    """

    metric: ClassVar[Metric] = SPANS

    texts: int
    characters: int
    all: Tally
    labels: dict[str, Tally]
    error: float
    nats: float

    @property
    def loss(self) -> float:
        """The figure that training makes as low as it can."""
        return self.nats / max(1, self.characters)

    @property
    def rank(self) -> float:
        """What the best model has least of: spans that are wrong; among equals, nats."""
        return (1 - self.all.f1) + self.loss / (1 + self.loss) / (1 + self.all.there)

    def json(self) -> dict[str, Any]:
        """Return the figures under their usual keys."""
        return {
            "texts": self.texts,
            **self.all.json(),
            "f1_error": self.error,
            "nats_per_char": self.loss,
        }


def score_spans(
    tagger: Tagger,
    examples: Sequence[Tagged],
    progress: Callable[[int, int], None] | None = None,
    ranks: Ranks = ALONE,
) -> SpanScore:
    """Find the spans of texts, and compare them with those that are there.

    Args:
        examples: at least one.
        progress: called with texts done and texts in all.
        ranks: that divide the texts among them.
    """
    compared = []
    mine = examples[ranks.share(len(examples))]
    for done, each in enumerate(tagger.compared(mine), 1):
        compared.append(each)
        if progress is not None:
            progress(done, len(mine))
    counts: dict[str, list[int]] = {}
    rows = []
    total, characters = 0.0, 0
    for example, (marked, nats) in zip(examples, ranks.together(compared), strict=True):
        found = set(marked)
        if math.isfinite(nats):
            total += nats
            characters += len(example.text)
        there = set(example.spans)
        for place, spans in enumerate((found & there, found, there)):
            for *_, label in spans:
                counts.setdefault(label, [0, 0, 0])[place] += 1
        rows.append((2 * len(found & there), len(found) + len(there)))
    labels = {label: Tally(*counts[label]) for label in sorted(counts)}
    every = Tally(*(sum(one[place] for one in counts.values()) for place in range(3)))
    mine, both = np.array(rows, dtype=np.float64).T
    error = math.sqrt(float(((mine - every.f1 * both) ** 2).sum())) / max(1.0, float(both.sum()))
    return SpanScore(len(rows), characters, every, labels, error, total)
