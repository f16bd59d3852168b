"""The schedule of a training: how much of the budget is spent, and what that means for each step.

A budget in minutes is divided: what came before the first step, training itself, and what is kept
for the end. Progress is measured on the part for training, so that the learning rate falls to zero
just when training ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from chargen.options import Plan
from chargen.training.clock import FIRST, Clock
from chargen.training.held_out import SHARE, HeldOut
from chargen.training.keep import Kept
from chargen.training.state import Learner

WARM_UP = 50
SHORTEST_WARM_UP = 0.05
"""The learning rate rises over this many steps, or over this share of the budget if that is less.
Meanwhile Adam's moments fill."""

LARGEST_RESERVE = 0.5
"""Share of the budget that is kept for the end, at most."""


@dataclass(frozen=True)
class Schedule:
    """What to do when, by the counters of a learner.

    Attributes:
        plan: with the budget.
        learner: whose counters tell how far training is.
        clock: charges the time.
        characters: of the training text.
        places: the place at the end of a pass.
        held_out: the held-out text, if there is one.
        fits: seconds for what is fitted to it at the end, at most; 0 if nothing is.
        kept: scores an old text at the end, if there is one.
    """

    plan: Plan
    learner: Learner
    clock: Clock
    characters: int
    places: int
    held_out: HeldOut | None
    fits: float
    kept: Kept | None = None

    @property
    def timed(self) -> bool:
        """Whether the budget is in minutes."""
        return self.plan.budget.unit == "minutes"

    def begin(self) -> None:
        """Charge the time before training, at most half of what is left of the budget."""
        counters = self.learner.counters
        left = max(0.0, self.plan.budget.seconds - counters.seconds)
        counters.overhead += self.charge("start", most=left / 2)

    def charge(self, what: str, most: float = FIRST) -> float:
        """Add the time since the last call to the time that somebody has waited; see `Clock`."""
        seconds = self.clock.charge(what, most)
        self.learner.counters.seconds += seconds
        return seconds

    def affords(self, what: str) -> bool:
        """Return whether there is time to do something that is not training."""
        return not self.timed or self.clock.affords(what, SHARE)

    def progress(self) -> float:
        """Return the share of the budget for training that is spent; 1 or more at its end."""
        counters, budget = self.learner.counters, self.plan.budget
        if self.timed:
            spent = counters.seconds - counters.overhead
            return spent / max(1e-9, budget.seconds - counters.overhead - self._reserve())
        return {"epochs": self.passes(), "steps": counters.step}[budget.unit] / budget.amount

    def passes(self) -> float:
        """Return how often the training text has been read."""
        return self.learner.counters.epoch + self.learner.counters.place / self.places

    def rate(self) -> float:
        """Return the learning rate of the next step: a short rise, then a straight fall to zero."""
        progress = self.progress()
        risen = max((self.learner.counters.step + 1) / WARM_UP, progress / SHORTEST_WARM_UP)
        highest = self.plan.lr * self.learner.counters.rate
        return highest * min(1.0, risen) * max(0.0, 1 - progress)

    def due(self) -> int:
        """Return how many evaluations should have been made by now."""
        return min(int(self.progress() * self.plan.evaluations), self.plan.evaluations)

    def evaluation_due(self) -> bool:
        """Return whether to evaluate now; at the end always, unless that has just been done."""
        counters = self.learner.counters
        if self.progress() >= 1:
            return counters.evaluated_at != counters.step
        return self.due() > counters.evaluated and self.affords("evaluation")

    def expected(self) -> float:
        """Return about how many characters are trained on in the whole budget."""
        counters, budget = self.learner.counters, self.plan.budget
        if self.timed:
            left = budget.seconds - counters.overhead
            return counters.characters * left / max(1e-9, counters.seconds - counters.overhead)
        each = {"epochs": self.characters, "steps": self.plan.batch * self.plan.bptt}
        return budget.amount * each[budget.unit]

    def fitting(self) -> float:
        """Return the seconds for what is fitted at the end; infinity for a budget without time."""
        if not self.timed:
            return math.inf if self.fits else 0.0
        return min(self.fits, SHARE * self.plan.budget.seconds)

    def _reserve(self) -> float:
        """Return the seconds that are kept for what follows the last step."""
        counters, usual = self.learner.counters, self.clock.usual
        seconds = usual.get("evaluation", 0.0) + 2 * usual.get("save", 0.0) + self.fitting()
        if self.held_out is not None and counters.sample < self.held_out.last():
            seconds += self.held_out.seconds(self.held_out.last())
        seconds += 0.0 if self.kept is None else self.kept.seconds()
        left = self.plan.budget.seconds - counters.overhead
        return min(seconds, LARGEST_RESERVE * left) if math.isfinite(left) else seconds
