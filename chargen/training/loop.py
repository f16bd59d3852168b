"""Training: a generator of reports around one step.

The loop prints nothing. It yields a `chargen.training.reports.Report` of each event, and saves the
run regularly; the caller decides what to show. The loop knows no task: the caller gives it the
functions that make previews and that fit figures at the end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from chargen import checkpoint
from chargen.checkpoint import Checkpoint
from chargen.errors import TrainingError, argument
from chargen.kinds import Kind, load
from chargen.options import Plan
from chargen.runs import Lock, Run
from chargen.text.corpus import Span
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import Window, cuts, windows
from chargen.training.evaluate import evaluate
from chargen.training.reports import Done, Evaluation, Preview, Report, Rollback, Start, Step
from chargen.training.state import Learner
from chargen.training.texts import Texts

WARM_UP = 50
SHORTEST_WARM_UP = 0.05
"""The learning rate rises over this many steps, or over this share of the budget if that is less.
Meanwhile Adam's moments fill."""

SAVE_EVERY = 60.0
"""Seconds of training after which the state is saved, evaluation or not."""

ROLLBACKS = 8
"""Training gives up after more rollbacks than this in a row, with no evaluation between them."""

SMOOTHING = 0.98
RECORDS = 400
"""Steps that are recorded in the history of a run, at most."""


@dataclass(frozen=True)
class Hooks:
    """Functions that the trainer calls on a model, besides training it; none by default.

    Attributes:
        preview: ``(model, span, number) -> text``, what to show of it after evaluation ``number``.
        finish: ``(model, held-out span) -> figures``, what to add to the best model at the end.
        fitted: the keys of those figures.
    """

    preview: Callable[[Checkpoint, Span, int], str] | None = None
    finish: Callable[[Checkpoint, Span], dict[str, Any]] | None = None
    fitted: tuple[str, ...] = ()

    @classmethod
    def of(cls, kind: Kind, texts: Texts) -> Hooks:
        """Return what a kind of model is given."""
        preview = None if kind.preview is None else load(kind.preview)
        if kind.finish is None or not texts.labels:
            return cls(preview)
        return cls(preview, load(kind.finish), kind.fitted)


class Trainer:
    """One run: a learner, its text, its budget, and where it is saved.

    Args:
        texts: what to learn from, and what is held out and scored at each evaluation.
        vocabulary: of both.
        plan: every choice.
        run: where to save; None saves nothing.
        lock: on the run; released when training ends.
        hooks: what to show and to fit.

    Raises:
        TrainingError: the device asked for is not there.
    """

    def __init__(
        self,
        texts: Texts,
        vocabulary: Vocabulary,
        plan: Plan,
        run: Run | None = None,
        lock: Lock | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        self.texts = texts
        self.plan = plan
        self.run = run
        self.lock = lock
        self.hooks = hooks or Hooks()
        self.learner = Learner(plan, vocabulary, texts.labels)
        self.lanes = cuts(len(texts.train), plan.batch)
        self.smooth: float | None = None
        self.recorded = 0
        self.stopping = False

    def stop(self) -> None:
        """Ask for an end after the step under way; the state is then saved."""
        self.stopping = True

    def restore(self, saved: Checkpoint) -> None:
        """Go back to a captured state; see `Learner.restore`."""
        self.learner.restore(saved)
        # Under another budget other evaluations are due.
        counters = self.learner.counters
        counters.evaluated = min(counters.evaluated, self._due())

    def save(self, name: str) -> Checkpoint:
        """Write ``best`` or ``last``, and return what was written."""
        if name == "best":
            saved = self.learner.model(self.texts.corpus)
        else:
            saved = self.learner.capture(self.texts.corpus)
        if self.run is not None:
            checkpoint.write(self.run.best if name == "best" else self.run.last, saved)
        return saved

    def progress(self) -> float:
        """Return the share of the budget that is spent."""
        counters = self.learner.counters
        spent = {
            "minutes": counters.seconds / 60, "epochs": self.passes(), "steps": counters.step
        }  # fmt: skip
        return spent[self.plan.budget.unit] / self.plan.budget.amount

    def finished(self) -> bool:
        """Return whether nothing is left: a kill after the last step can leave figures to fit."""
        fitted = not self._to_fit() or self.learner.figures.keys() >= set(self.hooks.fitted)
        return self.progress() >= 1 and fitted

    def passes(self) -> float:
        """Return how often the training text has been read."""
        longest = max(stop - start for start, stop in self.lanes)
        return self.learner.counters.epoch + self.learner.counters.place / longest

    def __iter__(self) -> Iterator[Report]:
        """Train to the end of the budget, yielding reports; the last is ``done``."""
        try:
            yield from self._train()
        finally:
            if self.lock is not None:
                self.lock.release()

    def _train(self) -> Iterator[Report]:
        learner, train = self.learner, self.texts.train
        good = self.save("last")
        yield self._start()
        saved = learner.counters.seconds
        ended = self._ended()
        while ended is None:
            for window in windows(
                train, learner.vocabulary, self.lanes, self.plan.bptt, learner.counters.place
            ):
                began = time.perf_counter()
                rate = self._rate()
                nats, norm = learner.step(window, rate)
                learner.counters.seconds += time.perf_counter() - began
                if not (math.isfinite(nats) and math.isfinite(norm)):
                    yield self._roll_back(good)
                    break
                self._count(window, nats)
                report = self._step_report(nats, norm, rate)
                self._record(report)
                yield report
                evaluate_now = self._due() > learner.counters.evaluated
                if evaluate_now:
                    yield from self._evaluate()
                if evaluate_now or learner.counters.seconds - saved > SAVE_EVERY:
                    good, saved = self.save("last"), learner.counters.seconds
                ended = self._ended()
                if ended is not None:
                    break
            else:
                learner.counters.epoch += 1
                learner.counters.place = 0
                learner.forget()
        if ended == "budget" and learner.counters.evaluated_at != learner.counters.step:
            yield from self._evaluate()
        if ended != "interrupted":
            self._finish()
        self.save("last")
        yield self._done(ended)

    def _rate(self) -> float:
        """Return the learning rate of the next step: a short rise, then a straight fall to zero."""
        progress = self.progress()
        risen = max((self.learner.counters.step + 1) / WARM_UP, progress / SHORTEST_WARM_UP)
        highest = self.plan.lr * self.learner.counters.rate
        return highest * min(1.0, risen) * max(0.0, 1 - progress)

    def _record(self, report: Step) -> None:
        """Add a step to the history; few enough that the file stays small on any budget."""
        number = int(self.progress() * RECORDS)
        if self.run is not None and number > self.recorded:
            self.recorded = number
            self.run.record({"event": report.event} | report.data)

    def _due(self) -> int:
        """Return how many evaluations should have been made by now."""
        return min(int(self.progress() * self.plan.evaluations), self.plan.evaluations)

    def _ended(self) -> str | None:
        """Return why training is over, or None while it is not."""
        if self.stopping:
            return "interrupted"
        if self.progress() >= 1:
            return "budget"
        return "patience" if self.learner.counters.stale >= self.plan.patience else None

    def _count(self, window: Window, nats: float) -> None:
        counters = self.learner.counters
        characters = window.characters
        counters.step += 1
        counters.place = window.start + window.targets.shape[1]
        counters.characters += characters
        counters.recent_nats += nats * characters
        counters.recent_characters += characters
        self.smooth = nats if self.smooth is None else self.smooth
        self.smooth += (1 - SMOOTHING) * (nats - self.smooth)

    def _roll_back(self, good: Checkpoint) -> Rollback:
        before = self.learner.counters
        self.restore(good)
        counters = self.learner.counters
        counters.seconds = before.seconds
        counters.rate = before.rate / 2
        counters.rollbacks = before.rollbacks + 1
        if counters.rollbacks > ROLLBACKS:
            raise TrainingError(
                f"the loss stays non-finite after {ROLLBACKS} rollbacks",
                f"Start again with a lower {argument('lr')} than {self.plan.lr:g}",
            )
        report = Rollback(step=before.step + 1, to=counters.step, rate=counters.rate)
        if self.run is not None:
            self.run.rewind(counters.step)
            self.run.record({"event": report.event} | report.data | {"step": counters.step})
        return report

    def _evaluate(self) -> Iterator[Report]:
        learner, counters = self.learner, self.learner.counters
        recent = counters.recent_nats / max(1, counters.recent_characters)
        counters.recent_nats, counters.recent_characters, counters.rollbacks = 0.0, 0, 0
        counters.evaluated, counters.evaluated_at = self._due(), counters.step
        loss, figures = recent, {}
        if self.texts.valid is not None:
            scored = evaluate(
                learner.network, self.texts.valid, learner.vocabulary, learner.precision
            )
            loss, figures = scored.loss, scored.json()
        better = math.isfinite(loss) and (
            self.texts.valid is None or counters.best is None or loss < counters.best
        )
        report = Evaluation(
            step=counters.step,
            epoch=round(self.passes(), 4),
            seconds=round(counters.seconds, 3),
            characters_seen=counters.characters,
            train_nats_per_char=recent,
            figures=figures,
            best=better,
        )
        learner.history.append(report.data)
        if better:
            counters.best, counters.stale = loss, 0
            learner.figures = {key: value for key, value in report.data.items() if key != "best"}
            self.save("best")
        else:
            counters.stale += 1
        if self.run is not None:
            self.run.record({"event": report.event} | report.data)
        yield report
        if self.hooks.preview is not None:
            span = self.texts.train if self.texts.valid is None else self.texts.valid
            model = learner.model(self.texts.corpus)
            text = self.hooks.preview(model, span, max(0, counters.evaluated - 1))
            yield Preview(counters.step, text)

    def _to_fit(self) -> bool:
        """Return whether something is to be fitted to held-out text at the end."""
        return self.hooks.finish is not None and self.texts.valid is not None

    def _finish(self) -> None:
        """Add to the best model what is fitted at the end."""
        finish, valid = self.hooks.finish, self.texts.valid
        if finish is None or valid is None or self.run is None or not self.run.best.exists():
            return
        saved = checkpoint.read(self.run.best)
        fitted = finish(saved, valid)
        self.learner.figures |= fitted
        checkpoint.write(self.run.best, replace(saved, figures=saved.figures | fitted))

    def _start(self) -> Start:
        learner, architecture = self.learner, self.plan.architecture
        return Start(
            run=self.run.name if self.run else None,
            corpus=", ".join(self.texts.corpus["names"]),
            network=str(architecture),
            parameters=architecture.parameters(len(learner.vocabulary)),
            vocabulary=len(learner.vocabulary),
            labels=list(self.texts.labels),
            train_characters=len(self.texts.train),
            valid_characters=len(self.texts.valid) if self.texts.valid else 0,
            step=learner.counters.step,
            seconds=round(learner.counters.seconds, 3),
            budget=str(self.plan.budget),
            settings=self.plan.settings() | {"precision": learner.precision},
            device=learner.device.type,
            history=learner.history,
            metric=architecture.kind.metric,
        )

    def _step_report(self, nats: float, norm: float, rate: float) -> Step:
        counters = self.learner.counters
        return Step(
            step=counters.step,
            epoch=counters.epoch,
            progress=min(1.0, self.progress()),
            seconds=round(counters.seconds, 3),
            characters_seen=counters.characters,
            nats_per_char=nats,
            smooth_nats_per_char=nats if self.smooth is None else self.smooth,
            gradient_norm=norm,
            lr=rate,
        )

    def _done(self, stopped: str) -> Done:
        run, learner = self.run, self.learner
        known = self.plan.architecture.kind.metric.figures
        valid = {key: value for key, value in learner.figures.items() if key in known} or None
        return Done(
            best=str(run.best) if run and learner.figures else None,
            last=str(run.last) if run else None,
            valid=valid and valid | {"model": run.name if run else None},
            seconds=round(learner.counters.seconds, 3),
            step=learner.counters.step,
            characters_seen=learner.counters.characters,
            stopped=stopped,
        )
