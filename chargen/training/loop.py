"""Training: a generator of reports around one step.

The loop prints nothing. It yields a `chargen.training.reports.Report` of each event, and saves the
run regularly; the caller decides what to show. The loop knows no task: the caller gives it the
functions that make previews and that fit figures at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from chargen.checkpoint import Checkpoint
from chargen.errors import CorpusError, TrainingError, argument
from chargen.locks import Lock
from chargen.options import Plan
from chargen.ranks import ALONE, Ranks
from chargen.runs import Run
from chargen.text.vocabulary import Vocabulary
from chargen.training.clock import Clock
from chargen.training.feeds import Ahead, Portion, feed
from chargen.training.held_out import HeldOut
from chargen.training.hooks import Hooks
from chargen.training.keep import Kept
from chargen.training.reports import (
    Conclusion,
    Done,
    Evaluation,
    Preview,
    Report,
    Rollback,
    Start,
    Step,
)
from chargen.training.saves import Saves
from chargen.training.schedule import Schedule
from chargen.training.state import Learner
from chargen.training.texts import Texts

SAVE_EVERY = 60.0
"""Seconds of training after which the state is saved, evaluation or not."""

ROLLBACKS = 8
"""Training gives up after more rollbacks than this in a row, with no evaluation between them."""

SMOOTHED = 50
SMOOTHED_SHARE = 10
"""The training loss that is shown is an average over so many steps, or over one in so many of all
steps so far, if that is fewer: so it does not lag behind while the loss falls fast."""


class Trainer:
    """One run: a learner, its text, its budget, and where it is saved.

    Args:
        texts: what to learn from, and what is held out and scored at each evaluation.
        vocabulary: of both.
        plan: every choice.
        run: where to save; None saves nothing.
        lock: on the run; released when training ends.
        hooks: what to show and to fit.
        began: when the wait for this training began, see `Clock`.
        ranks: the processes that train together. Only rank 0 has a run and hooks.

    Raises:
        TrainingError: the device asked for is not there.
        UsageError: there are more ranks than lanes.
    """

    def __init__(
        self,
        texts: Texts,
        vocabulary: Vocabulary,
        plan: Plan,
        run: Run | None = None,
        lock: Lock | None = None,
        hooks: Hooks | None = None,
        began: float | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        clock = Clock(began, ranks)
        self.ranks = ranks
        self.texts = texts
        self.plan = plan
        self.run = run
        self.lock = lock
        self.hooks = hooks or Hooks()
        self.feed = feed(texts, vocabulary, plan, ranks)
        self.learner = Learner(plan, vocabulary, texts.labels, texts.seen, ranks)
        self.held_out = (
            None if texts.valid is None else HeldOut(texts.valid, vocabulary, plan, ranks=ranks)
        )
        self.kept = Kept.of(texts, self.learner)
        self.saves = Saves(run, ranks)
        self.schedule = Schedule(
            plan=plan,
            learner=self.learner,
            clock=clock,
            characters=self.feed.characters,
            places=self.feed.places,
            held_out=self.held_out,
            fits=self.hooks.most if self.hooks.finish and self.held_out else 0.0,
            kept=self.kept,
        )
        self.written = 0.0
        self.stopping = False

    def stop(self) -> None:
        """Ask for an end after the step under way; the state is then saved."""
        self.stopping = True

    def restore(self, saved: Checkpoint) -> None:
        """Go back to a captured state; see `Learner.restore`."""
        self.learner.restore(saved)
        # Under another budget other evaluations are due.
        counters = self.learner.counters
        counters.evaluated = min(counters.evaluated, self.schedule.due())

    def save(self) -> None:
        """Write the state as it is; or, if training could not go on from it, the last good one."""
        portion = None
        # A text that changed cannot be read any more, but what was learned can be saved.
        with suppress(CorpusError):
            portion = next(self._portions(), None)
        saves = self.saves
        if saves.good is None or self.learner.sound(portion):
            last = self.learner.capture(self.texts.corpus)
        else:
            last, _ = saves.good
        saves.good = last, saves.best
        self._write()

    def finished(self) -> bool:
        """Return whether nothing is left: a kill after the last step can leave figures to fit."""
        fitted = not self.schedule.fits or self.learner.figures.keys() >= set(self.hooks.fitted)
        return self.schedule.progress() >= 1 and fitted and self.learner.counters.concluded

    def __iter__(self) -> Generator[Report, None, None]:
        """Train to the end of the budget, yielding reports; the last is ``done``.

        A caller that wants no more reports closes the iterator; the state is then saved.
        """
        try:
            with self.ranks.heard():
                yield from self._train()
        except GeneratorExit:
            self._leave()
            raise
        except CorpusError as error:
            self._leave()
            if self.run is None:
                raise
            raise CorpusError(
                f"{error.problem}; the run {self.run.name} is saved",
                f"Put the text back as it was, then go on by {argument('resume')} "
                f"{argument('name')} {self.run.name}",
            ) from error
        except TrainingError:
            # If a rank does not answer, the others cannot be asked for anything.
            self.saves.write()
            raise
        finally:
            if self.lock is not None:
                self.lock.release()

    def _leave(self) -> None:
        """Save what can be saved when this rank alone cannot go on."""
        if self.ranks.size > 1:
            self.saves.write()
        elif self.run is not None:
            self.save()

    def _train(self) -> Iterator[Report]:
        learner = self.learner
        self.schedule.begin()
        self.save()
        yield self._start()
        ended = self._ended()
        while ended is None:
            portions = Ahead(self._portions())
            for portion in portions:
                learned = yield from self._learn(portion, portions.look)
                ended = self._ended()
                if ended is not None or not learned:
                    break
            else:
                learner.counters.epoch += 1
                learner.counters.place = 0
                learner.forget()
        if ended != "interrupted":
            yield from self._conclude()
        self.save()
        yield self._done(ended)

    def first_window(self) -> Any:
        """Return the window that is learned from next."""
        return next(self._portions()).window

    def _portions(self) -> Iterator[Portion]:
        counters = self.learner.counters
        return self.feed.portions(counters.epoch, counters.place)

    def _learn(
        self, portion: Portion, look: Callable[[], Portion | None]
    ) -> Generator[Report, None, bool]:
        """Learn from a step's batch, and evaluate if that is due; return False after a rollback."""
        learner = self.learner
        long_ago = learner.counters.seconds - self.written > SAVE_EVERY
        captured = None
        if self.saves.due or long_ago:
            captured = learner.capture(self.texts.corpus), self.saves.best
        rate = self.schedule.rate()
        nats, norm = learner.step(portion, rate, look)
        self.schedule.charge("step")
        if not (math.isfinite(nats) and math.isfinite(norm)):
            yield self._roll_back(learner.counters.step + 1)
            return False
        if captured is not None:
            # A step from this state has just succeeded, so it is safe to go back to.
            self.saves.good, self.saves.due = captured, False
            if long_ago or self.schedule.affords("save"):
                self._write()
        self._count(portion, nats)
        report = self._step_report(nats, norm, rate)
        self.saves.record_step(report, self.schedule.progress())
        yield report
        return (yield from self._evaluate()) if self.schedule.evaluation_due() else True

    def _write(self) -> None:
        """Write the last good state, and the best model that goes with it."""
        if not self.saves.planned:
            return
        self.saves.write()
        self.schedule.charge("save")
        self.written = self.learner.counters.seconds

    def _ended(self) -> str | None:
        """Return why training is over, or None while it is not."""
        if self.ranks.summed(np.array([float(self.stopping)])).any():
            return "interrupted"
        if self.schedule.progress() >= 1:
            return "budget"
        return "patience" if self.learner.counters.stale >= self.plan.patience else None

    def _count(self, portion: Portion, nats: float) -> None:
        counters = self.learner.counters
        new = max(1 / SMOOTHED, 1 / (1 + counters.step / SMOOTHED_SHARE))
        before = nats if counters.smooth is None else counters.smooth
        counters.smooth = before + new * (nats - before)
        counters.step += 1
        counters.place = portion.window.end
        counters.characters += portion.characters
        counters.concluded = False

    def _roll_back(self, step: int) -> Rollback:
        assert self.saves.good is not None
        saved, best = self.saves.good
        before = self.learner.counters
        self.restore(saved)
        self.saves.best = best
        counters = self.learner.counters
        counters.seconds, counters.overhead = before.seconds, before.overhead
        counters.rate = before.rate / 2
        counters.rollbacks = before.rollbacks + 1
        if counters.rollbacks > ROLLBACKS:
            self._write()
            raise TrainingError(
                f"the loss stays non-finite after {ROLLBACKS} rollbacks",
                f"Start again with a lower {argument('lr')} than {self.plan.lr:g}",
            )
        report = Rollback(step=step, to=counters.step, rate=counters.rate)
        self.saves.rewind(counters.step)
        self.saves.record(report, counters.step)
        return report

    def _evaluate(self) -> Generator[Report, None, bool]:
        """Score the held-out text, or a sample of it; return False after a rollback."""
        learner, counters = self.learner, self.learner.counters
        loss = rank = counters.smooth or 0.0
        figures = {}
        if self.held_out is not None:
            counters.sample = counters.sample or self.held_out.sample(self.schedule.expected())
            scored = learner.scored(self.held_out, counters.sample)
            loss, rank, figures = scored.loss, scored.rank, scored.json()
        self.schedule.charge("evaluation")
        if not math.isfinite(loss):
            yield self._roll_back(counters.step)
            return False
        counters.evaluated, counters.evaluated_at = self.schedule.due(), counters.step
        counters.rollbacks, self.saves.due = 0, True
        better = self.held_out is None or counters.best is None or rank < counters.best
        report = Evaluation(
            step=counters.step,
            epoch=round(self.schedule.passes(), 4),
            seconds=round(counters.seconds, 3),
            characters_seen=counters.characters,
            train_nats_per_char=counters.smooth or 0.0,
            figures=figures,
            best=better,
        )
        learner.history.append(report.data)
        if better:
            counters.best, counters.stale = rank, 0
            learner.figures = {key: value for key, value in report.data.items() if key != "best"}
            self.saves.best = learner.model(self.texts.corpus)
        else:
            counters.stale += 1
        self.saves.record(report)
        yield report
        if self.hooks.preview is not None and self.schedule.affords("preview"):
            span = self.texts.train if self.texts.valid is None else self.texts.valid
            model = (better and self.saves.best) or learner.model(self.texts.corpus)
            show, number = self.hooks.preview, max(0, counters.evaluated - 1)
            text = self.ranks.given(lambda: show(model, span, number))
            self.schedule.charge("preview")
            yield Preview(counters.step, text)
        return True

    def _conclude(self) -> Iterator[Report]:
        """Score the best model on all of the held-out text, and add what is fitted to that.

        If an old text is to be kept in mind, score it as well.
        """
        learner, held_out = self.learner, self.held_out
        best = self.saves.model() if learner.figures else None
        if best is not None:
            figures = dict(learner.figures)
            if held_out is not None and learner.counters.sample < held_out.last():
                most = held_out.last()
                yield Conclusion(figures["step"], most)
                scored = held_out.score_model(best, learner.network, learner.precision, most)
                if math.isfinite(scored.loss):
                    figures |= scored.json()
            if held_out is not None and self.hooks.finish is not None:
                finish, span, fitting = self.hooks.finish, held_out.span, self.schedule.fitting()
                figures |= self.ranks.given(lambda: finish(best, span, fitting))
            if self.kept is not None:
                figures |= self.kept.after(best)
            self.saves.best = replace(best, figures=figures)
            learner.figures = figures
        learner.counters.concluded = True
        self.schedule.charge("conclusion", most=math.inf)

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
            kept=None if self.kept is None else self.kept.json(),
            metric=architecture.kind.metric,
        )

    def _step_report(self, nats: float, norm: float, rate: float) -> Step:
        counters = self.learner.counters
        return Step(
            step=counters.step,
            epoch=counters.epoch,
            progress=min(1.0, self.schedule.progress()),
            seconds=round(counters.seconds, 3),
            characters_seen=counters.characters,
            nats_per_char=nats,
            smooth_nats_per_char=nats if counters.smooth is None else counters.smooth,
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
            kept=None if self.kept is None else self.kept.json(),
            seconds=round(learner.counters.seconds, 3),
            step=learner.counters.step,
            characters_seen=learner.counters.characters,
            stopped=stopped,
        )
