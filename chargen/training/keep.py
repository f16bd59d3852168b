"""The old text of a model that learns a new one: how well it is known, before and after.

Both figures are of the same characters, held out of the old text: before, by the model as it was;
after, by the best model on the new text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chargen.checkpoint import Checkpoint
from chargen.tasks.scoring import perplexity
from chargen.text.corpus import Span
from chargen.training.held_out import FEWEST, HeldOut
from chargen.training.state import Learner
from chargen.training.texts import NAMES, Texts

SHARE = 1 / 20
"""Share of the budget for each of the two scores, at most."""

BEFORE, AFTER = "kept_nats_per_char_before", "kept_nats_per_char"
"""The keys of both figures in a checkpoint."""


class Kept:
    """Scores the held-out part of an old text.

    Args:
        span: that part.
        names: of the files of the old text.
        learner: which is not to forget it.
    """

    def __init__(self, span: Span, names: Sequence[str], learner: Learner) -> None:
        self.names = names
        self.learner = learner
        self.held_out = HeldOut(span, learner.vocabulary, learner.plan, ranks=learner.ranks)

    @classmethod
    def of(cls, texts: Texts, learner: Learner) -> Kept | None:
        """Return what scores the old text among others; None if there is none, or no end of it."""
        old = texts.kept
        if old is None or old.valid is None:
            return None
        return cls(old.valid, old.train.text.names, learner)

    def before(self, model: Checkpoint) -> None:
        """Score the model that training starts from, on as much as there is time for."""
        learner, counters = self.learner, self.learner.counters
        known = replace(self.held_out, vocabulary=model.vocabulary)
        # The first characters show the pace.
        known.score_model(model, learner.network, learner.precision, FEWEST)
        counters.kept_sample = known.last(SHARE)
        scored = known.score_model(model, learner.network, learner.precision, counters.kept_sample)
        counters.kept, self.held_out.pace = scored.loss, known.pace

    def after(self, model: Checkpoint) -> dict[str, float]:
        """Return the figures of the best model, beside those of the model that it began as."""
        learner, counters = self.learner, self.learner.counters
        scored = self.held_out.score_model(
            model, learner.network, learner.precision, counters.kept_sample
        )
        return {BEFORE: counters.kept or math.nan, AFTER: scored.loss}

    def seconds(self) -> float:
        """Return how long the second score takes; 0 if nobody knows."""
        return self.held_out.seconds(self.learner.counters.kept_sample)

    def json(self) -> dict[str, Any]:
        """Return what is known by now, under the keys of ``train --json``."""
        after = self.learner.figures.get(AFTER)
        return {
            "corpus": ", ".join(self.names[:NAMES]),
            "share": self.learner.plan.keep_share,
            "valid_characters": self.learner.counters.kept_sample,
            "before": self._figures(self.learner.counters.kept),
            "after": self._figures(after),
        }

    def _figures(self, nats: float | None) -> dict[str, float] | None:
        metric = self.learner.plan.architecture.kind.metric
        return None if nats is None else {metric.headline: perplexity(nats), metric.loss: nats}
