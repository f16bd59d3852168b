"""Held-out text in training: how much of it is scored when, and how long that takes.

While a network trains, a sample of the text is scored, always the same one. Its size is chosen
once, so that all evaluations together take about a twentieth of the budget. At the end, the best
model is scored on all of it, or on as much as a fifth of the budget is enough for.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from chargen.checkpoint import Checkpoint
from chargen.networks.base import Trainable, build
from chargen.options import Plan
from chargen.ranks import ALONE, Ranks
from chargen.tasks.scoring import BURN_IN, SAMPLE_LANES
from chargen.text.corpus import Span
from chargen.text.vocabulary import Vocabulary
from chargen.training.evaluate import Scored, evaluate

SHARE = 1 / 20
"""Share of the budget for all evaluations but the last."""

LAST_SHARE = 1 / 5
"""Share of the budget for the last evaluation, at most."""

FASTER = 1.5
"""Scoring reads at least this many times as many characters a second as training."""

FEWEST = 4096
"""Characters of the smallest sample."""

BURNING_IN = SAMPLE_LANES * BURN_IN


@dataclass
class HeldOut:
    """A held-out text and the pace at which it is scored.

    Attributes:
        span: the text.
        vocabulary: of the model.
        plan: of the training.
        pace: characters a second that scoring reads; 0 as long as nobody knows.
        ranks: that score it together.
    """

    span: Span
    vocabulary: Vocabulary
    plan: Plan
    pace: float = 0.0
    ranks: Ranks = ALONE

    def sample(self, trained: float) -> int:
        """Return how many characters to score at each evaluation.

        Args:
            trained: characters that will be trained on in the whole budget.
        """
        readable = FASTER * trained * SHARE / self.plan.evaluations
        return min(len(self.span), max(FEWEST, int(readable) - BURNING_IN))

    def last(self, share: float = LAST_SHARE) -> int:
        """Return how many characters to score at the end, in a share of the budget at most."""
        seconds = self.plan.budget.seconds * share
        if not self.pace or not math.isfinite(seconds):
            return len(self.span)
        return min(len(self.span), max(FEWEST, int(seconds * self.pace) - BURNING_IN))

    def seconds(self, characters: int) -> float:
        """Return how long it takes to score so many characters; 0 if nobody knows."""
        return self._read(characters) / self.pace if self.pace else 0.0

    def _read(self, characters: int) -> int:
        """Return how many characters are read to score so many: a sample has to burn in."""
        return characters + (BURNING_IN if characters < len(self.span) else 0)

    def score(self, network: Trainable, precision: str, most: int) -> Scored:
        """Score about ``most`` characters by a network, and note the pace."""
        began = time.perf_counter()
        scored = evaluate(network, self.span, self.vocabulary, precision, most, self.ranks)
        self.pace = self._read(most) / self.ranks.told(time.perf_counter() - began)
        return scored

    def score_model(self, model: Checkpoint, like: Trainable, precision: str, most: int) -> Scored:
        """Score about ``most`` characters by a saved model, on the device of a network."""
        network = build(model.architecture, len(model.vocabulary))
        network.assign(model.weights)
        return self.score(network.to(like.output.bias.device), precision, most)
