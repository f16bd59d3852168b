"""Training: a generator of reports around one step.

The loop prints nothing. It yields what happened, a `Report` each, and saves as it goes; whoever
iterates decides what to show. Everything that a later step depends on is in `Trainer.capture`, and
comes back by `Trainer.restore`: that one pair serves resuming after an interruption and rolling
back after a loss that is not finite.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_

from chargen import checkpoint
from chargen.checkpoint import Checkpoint
from chargen.engine.stack import Engine
from chargen.errors import RunError, TrainingError
from chargen.networks.causal import State
from chargen.options import Settings, choose, defaults
from chargen.runs import Claim, Run
from chargen.tasks.classifying import MOST_CHARACTERS, judge_of, sharpen, weigh_all
from chargen.tasks.restoring import BothSides, Gap, restore
from chargen.tasks.sampling import Sampling, sample
from chargen.tasks.scoring import FIGURES, GAP_FIGURES, LABEL_FIGURES
from chargen.text import windows as batches
from chargen.text.corpus import Span
from chargen.text.labelled import examples
from chargen.text.vocabulary import Vocabulary
from chargen.training.devices import autocast, keep_freed_memory, pick_device, pick_precision
from chargen.training.evaluate import build, evaluate

if TYPE_CHECKING:
    from numpy.typing import NDArray

WARM_UP = 50
SHORTEST_WARM_UP = 0.05
"""Steps, or share of the budget if that is less, over which the learning rate rises to its height,
while Adam's moments fill."""

SAVE_EVERY = 60.0
"""Seconds of training after which the state is saved, evaluation or not."""

TRIAL_SECONDS = 1.5
TRIAL_SHARE = 0.02
TRIAL_STEPS = 3
"""How long `pace` tries: seconds, or that share of the budget if it is less; at least so many steps
after the first."""

ROLLBACKS = 8
"""Rollbacks in a row, without an evaluation between, after which training gives up."""

SMOOTHING = 0.98
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps of each weight."""

SAMPLE_LENGTH = 240
SAMPLE_TEMPERATURE = 0.8
SAMPLE_GAPS = 4
SAMPLE_MISSING = 6
RECORDS = 400
CALIBRATED_ON, WEIGHED, FEWEST = 1000, 15_000, 100
"""Held-out examples, at most, to which a model's certainty is fitted; examples times labels, at
most, for a model that reads them once for each; and yet so many."""


@dataclass(frozen=True)
class Report:
    """Something that happened: ``event`` is start, step, eval, sample, rollback or done.

    ``data`` holds its figures under the keys that ``train --json`` prints.
    """

    event: str
    data: dict[str, Any] = field(default_factory=dict)


class Trainer:
    """One run: the network, its optimizer, its place in the data, its figures so far.

    Args:
        train: what to learn from.
        valid: what is held out, scored at each evaluation; may be None.
        vocabulary: of both.
        settings: with every choice made (`chargen.options.choose`).
        corpus: what the checkpoint says of the text.
        run: where to save; None saves nothing.
        labels: the names of a labelled text's labels.
        claim: on the run; let go when training ends.

    Raises:
        TrainingError: the device asked for is not there.
    """

    def __init__(
        self,
        train: Span,
        valid: Span | None,
        vocabulary: Vocabulary,
        settings: Settings,
        corpus: dict[str, Any],
        run: Run | None = None,
        labels: tuple[str, ...] = (),
        claim: Claim | None = None,
    ) -> None:
        assert settings.batch is not None
        assert settings.bptt is not None
        assert settings.lr is not None
        self.train = train
        self.valid = valid
        self.vocabulary = vocabulary
        self.settings = settings
        self.corpus = corpus
        self.run = run
        self.claim = claim
        self.labels = labels
        self.batch, self.bptt, self.lr = settings.batch, settings.bptt, settings.lr
        self.device = pick_device(settings.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.precision = pick_precision(settings.precision, self.device)
        weights_generator = torch.Generator().manual_seed(settings.seed)
        self.generator = torch.Generator(self.device).manual_seed(settings.seed)
        self.network = build(
            settings.architecture(len(labels)),
            len(vocabulary),
            settings.dropout or 0.0,
            weights_generator,
        ).to(self.device)
        self.network.generator = self.generator
        self.optimizer = self._optimizer()
        self.lanes = batches.cuts(len(train), self.batch)
        self.state: State = self.network.start(self.batch)
        self.counters = Counters()
        self.history: list[dict[str, Any]] = []
        self.figures: dict[str, Any] = {}
        self.smooth: float | None = None
        self.recorded = 0
        self.stopping = False

    def _optimizer(self) -> torch.optim.AdamW:
        named = list(self.network.named_parameters())
        matrices = [p for name, p in named if p.ndim > 1 and not name.startswith("embedding")]
        others = [p for name, p in named if p.ndim == 1 or name.startswith("embedding")]
        return torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": self.settings.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=self.lr,
            betas=(0.9, 0.99),
            fused=self.device.type in ("cpu", "cuda"),
        )

    def stop(self) -> None:
        """Ask for an end after the step under way; the state is then saved."""
        self.stopping = True

    # One state, for resuming and for rolling back.

    def capture(self) -> Checkpoint:
        """Return everything that the next step depends on, copied."""
        tensors: dict[str, NDArray[Any]] = {"generator": self.generator.get_state().numpy().copy()}
        for layer, carried in enumerate(self.state):
            for number, tensor in enumerate(carried):
                tensors[f"state.{layer}.{number}"] = tensor.float().cpu().numpy().copy()
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{name}.{key}"] = value.cpu().numpy().copy()
        return Checkpoint(
            self.network.architecture,
            self.vocabulary,
            self.network.arrays(),
            settings=asdict(self.settings) | {"precision": self.precision},
            corpus=self.corpus,
            figures=dict(self.figures),
            history=list(self.history),
            labels=self.labels,
            training=asdict(self.counters),
            tensors=tensors,
        )

    def restore(self, saved: Checkpoint) -> None:
        """Go back to a captured state.

        Raises:
            RunError: the checkpoint lacks something that resuming needs.
        """
        try:
            self.counters = checkpoint.typed(Counters, saved.training)
            self.network.assign(saved.weights)
            self._restore_generator(saved.tensors["generator"])
            self.state = [
                tuple(
                    torch.tensor(saved.tensors[f"state.{layer}.{number}"], device=self.device)
                    for number in range(len(carried))
                )
                for layer, carried in enumerate(self.network.start(self.batch))
            ]
            self.optimizer.state.clear()
            if self.counters.step:
                self._restore_optimizer(saved)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise RunError(
                f"this run cannot be resumed: its checkpoint lacks or mistakes {error}",
                "Train anew",
            ) from error
        # Under another budget other evaluations are due.
        self.counters.evaluated = min(self.counters.evaluated, self._due())
        self.history = list(saved.history)
        self.figures = dict(saved.figures)

    def _restore_generator(self, saved: NDArray[np.uint8]) -> None:
        state = self.generator.get_state()
        if state.numel() == saved.size:
            self.generator.set_state(torch.from_numpy(saved.copy()))
        else:
            # Another kind of device has another generator: the same numbers cannot come again.
            self.generator.manual_seed(self.settings.seed + self.counters.step)

    def _restore_optimizer(self, saved: Checkpoint) -> None:
        for name, parameter in self.network.named_parameters():
            slot = self.optimizer.state[parameter]
            for key in MOMENTS:
                value = torch.tensor(saved.tensors[f"optimizer.{name}.{key}"], device=self.device)
                if value.shape not in (parameter.shape, ()):
                    raise ValueError(f"the shape of optimizer.{name}.{key}")
                slot[key] = value

    def save(self, name: str) -> Checkpoint:
        """Write ``best`` or ``last``, and return what was written."""
        captured = self.capture()
        if self.run is not None:
            if name == "best":
                checkpoint.write(self.run.best, replace(captured, training={}, tensors={}))
            else:
                checkpoint.write(self.run.last, captured)
        return captured

    # The loop.

    def progress(self) -> float:
        """Return the share of the budget that is spent."""
        settings, counters = self.settings, self.counters
        if settings.minutes is not None:
            return counters.seconds / (60 * settings.minutes)
        if settings.steps is not None:
            return counters.step / settings.steps
        assert settings.epochs is not None
        return self.passes() / settings.epochs

    def finished(self) -> bool:
        """Return whether nothing is left to do: a kill may come after the last step."""
        calibrated = not (self.labels and self.valid) or "sharpness" in self.figures
        return self.progress() >= 1 and calibrated

    def passes(self) -> float:
        """Return how often the training text has been read."""
        longest = max(stop - start for start, stop in self.lanes)
        return self.counters.epoch + self.counters.place / longest

    def __iter__(self) -> Iterator[Report]:
        """Train to the end of the budget, yielding reports; the last is ``done``."""
        try:
            yield from self._train()
        finally:
            if self.claim is not None:
                self.claim.release()

    def _train(self) -> Iterator[Report]:
        good = self.save("last")
        yield self._start()
        saved = self.counters.seconds
        ended = self._ended()
        while ended is None:
            for window in batches.windows(
                self.train, self.vocabulary, self.lanes, self.bptt, skip=self.counters.place
            ):
                began = time.perf_counter()
                nats, norm, rate = self._step(window)
                self.counters.seconds += time.perf_counter() - began
                if not (math.isfinite(nats) and math.isfinite(norm)):
                    yield self._roll_back(good)
                    break
                self._count(window, nats)
                report = self._step_report(nats, norm, rate)
                self._record(report)
                yield report
                evaluate_now = self._due() > self.counters.evaluated
                if evaluate_now:
                    yield from self._evaluate()
                if evaluate_now or self.counters.seconds - saved > SAVE_EVERY:
                    good, saved = self.save("last"), self.counters.seconds
                ended = self._ended()
                if ended is not None:
                    break
            else:
                self.counters.epoch += 1
                self.counters.place = 0
                self.state = self.network.start(self.batch)
        if ended == "budget" and self.counters.evaluated_at != self.counters.step:
            yield from self._evaluate()
        if ended != "interrupted":
            self._calibrate()
        self.save("last")
        yield self._done(ended)

    def _record(self, report: Report) -> None:
        """Add a step to the history, of so many that the file stays small on any budget."""
        place = int(self.progress() * RECORDS)
        if self.run is not None and place > self.recorded:
            self.recorded = place
            self.run.record({"event": "step"} | report.data)

    def _due(self) -> int:
        """Return how many evaluations should have been made by now."""
        return min(int(self.progress() * self.settings.evaluations), self.settings.evaluations)

    def _ended(self) -> str | None:
        """Return why training is over, or None while it is not."""
        if self.stopping:
            return "interrupted"
        if self.progress() >= 1:
            return "budget"
        patience = self.settings.patience
        return "patience" if patience is not None and self.counters.stale >= patience else None

    def _step(self, window: batches.Window) -> tuple[float, float, float]:
        """Take one step; return nats per character, the gradient's norm and the learning rate.

        A non-finite loss or gradient is returned and not applied.
        """
        progress = self.progress()
        risen = max((self.counters.step + 1) / WARM_UP, progress / SHORTEST_WARM_UP)
        rate = self.lr * self.counters.rate * min(1.0, risen) * max(0.0, 1 - progress)
        inputs = torch.from_numpy(window.inputs).to(self.device)
        targets = torch.from_numpy(window.targets).to(self.device).long()
        labels = None
        if window.labels is not None:
            labels = torch.from_numpy(window.labels).to(self.device).long()
        self.network.train()
        with autocast(self.device, self.precision):
            nats, state = self.network.cost(inputs, targets, self.state, labels)
        loss = nats / window.characters
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        norm = clip_grad_norm_(self.network.parameters(), self.settings.clip)
        mean, size = float(loss.detach()), float(norm)
        if math.isfinite(mean) and math.isfinite(size):
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()
            self.state = [tuple(tensor.detach() for tensor in carried) for carried in state]
        return mean, size, rate

    def _count(self, window: batches.Window, nats: float) -> None:
        counters = self.counters
        characters = window.characters
        counters.step += 1
        counters.place = window.start + window.targets.shape[1]
        counters.characters += characters
        counters.recent_nats += nats * characters
        counters.recent_characters += characters
        self.smooth = nats if self.smooth is None else self.smooth
        self.smooth += (1 - SMOOTHING) * (nats - self.smooth)

    def _roll_back(self, good: Checkpoint) -> Report:
        before = self.counters
        self.restore(good)
        self.counters.seconds = before.seconds
        self.counters.rate = before.rate / 2
        self.counters.rollbacks = before.rollbacks + 1
        if self.counters.rollbacks > ROLLBACKS:
            raise TrainingError(
                f"the loss stays non-finite after {ROLLBACKS} rollbacks",
                f"Start again with a lower --lr than {self.lr:g}",
            )
        data = {"step": before.step + 1, "to": self.counters.step, "rate": self.counters.rate}
        if self.run is not None:
            self.run.rewind(self.counters.step)
            self.run.record({"event": "rollback"} | data | {"step": self.counters.step})
        return Report("rollback", data)

    def _evaluate(self) -> Iterator[Report]:
        counters = self.counters
        recent = counters.recent_nats / max(1, counters.recent_characters)
        entry: dict[str, Any] = {
            "step": counters.step,
            "epoch": round(self.passes(), 4),
            "seconds": round(counters.seconds, 3),
            "characters_seen": counters.characters,
            "train_nats_per_char": recent,
        }
        counters.recent_nats, counters.recent_characters, counters.rollbacks = 0.0, 0, 0
        counters.evaluated, counters.evaluated_at = self._due(), counters.step
        measure = recent
        if self.valid is not None:
            result = evaluate(self.network, self.valid, self.vocabulary, self.precision)
            entry |= result.json()
            measure = result.measure
        better = math.isfinite(measure) and (
            self.valid is None or counters.best is None or measure < counters.best
        )
        entry["best"] = better
        self.history.append(entry)
        if better:
            counters.best, counters.stale = measure, 0
            self.figures = {key: value for key, value in entry.items() if key != "best"}
            self.save("best")
        else:
            counters.stale += 1
        if self.run is not None:
            self.run.record({"event": "eval"} | entry)
        yield Report("eval", entry)
        if not self.network.architecture.classifies:
            yield Report("sample", {"step": counters.step, "text": self._write()})

    def _write(self) -> str:
        """Return a sample; of a network that fills gaps, a text in which it filled some."""
        architecture, arrays = self.network.architecture, self.network.arrays()
        if architecture.bidirectional:
            return self._fill(BothSides(architecture, arrays))
        wanted = Sampling(length=SAMPLE_LENGTH, temp=SAMPLE_TEMPERATURE, seed=self.settings.seed)
        # With labels, of each in turn.
        label = (self.counters.evaluated - 1) % len(self.labels) if self.labels else None
        title = "" if label is None else f"{self.labels[label]}: "
        engine = Engine(architecture, arrays, label)
        return title + next(iter(sample(engine, self.vocabulary, wanted))).text

    def _fill(self, reader: BothSides) -> str:
        span = self.train if self.valid is None else self.valid
        points = np.concatenate(list(span.blocks(0, min(SAMPLE_LENGTH, len(span)))))
        as_bytes = self.vocabulary.as_bytes
        text = bytes(points.astype(np.uint8)).decode("utf-8", "replace") if as_bytes else ""
        text = text or "".join(map(chr, points))
        pieces: list[str | Gap] = []
        for at in range(0, len(text), SAMPLE_LENGTH // SAMPLE_GAPS):
            end = at + SAMPLE_LENGTH // SAMPLE_GAPS
            hidden = min(SAMPLE_MISSING, len(text) - at)
            pieces += [Gap(hidden), text[at + hidden : end]]
        filled = restore(reader, self.vocabulary, pieces)[0]
        return "".join(
            f"[{piece}]" if new else piece
            for piece, new in zip(filled.pieces, filled.filled, strict=True)
        )

    def _calibrate(self) -> None:
        """Add to the best model how sure it should be of a label; see `classifying`."""
        if not (self.labels and self.valid and self.run and self.run.best.exists()):
            return
        saved = checkpoint.read(self.run.best)
        # Each is weighed for each label: with many labels, of fewer examples.
        most = CALIBRATED_ON if saved.architecture.classifies else WEIGHED // len(self.labels)
        held_out = examples(self.valid.text, min(CALIBRATED_ON, max(most, FEWEST)))
        truth = np.array([label for _, label in held_out])
        logs = weigh_all(judge_of(saved), [text[:MOST_CHARACTERS] for text, _ in held_out])
        self.figures["sharpness"] = sharpen(logs, truth)
        figures = saved.figures | {"sharpness": self.figures["sharpness"]}
        checkpoint.write(self.run.best, replace(saved, figures=figures))

    def _start(self) -> Report:
        architecture = self.network.architecture
        return Report(
            "start",
            {
                "run": self.run.name if self.run else None,
                "corpus": ", ".join(self.corpus["names"]),
                "network": str(architecture),
                "parameters": architecture.parameters(len(self.vocabulary)),
                "vocabulary": len(self.vocabulary),
                "labels": list(self.labels),
                "train_characters": len(self.train),
                "valid_characters": len(self.valid) if self.valid else 0,
                "step": self.counters.step,
                "seconds": round(self.counters.seconds, 3),
                "budget": self.settings.budget(),
                "settings": asdict(self.settings) | {"precision": self.precision},
                "device": self.device.type,
                "history": self.history,
            },
        )

    def _step_report(self, nats: float, norm: float, rate: float) -> Report:
        counters = self.counters
        return Report(
            "step",
            {
                "step": counters.step,
                "epoch": counters.epoch,
                "progress": min(1.0, self.progress()),
                "seconds": round(counters.seconds, 3),
                "characters_seen": counters.characters,
                "nats_per_char": nats,
                "smooth_nats_per_char": self.smooth,
                "gradient_norm": norm,
                "lr": rate,
            },
        )

    def _done(self, stopped: str) -> Report:
        run = self.run
        known = {*FIGURES, *GAP_FIGURES, *LABEL_FIGURES}
        valid = {key: value for key, value in self.figures.items() if key in known} or None
        return Report(
            "done",
            {
                "best": str(run.best) if run and self.figures else None,
                "last": str(run.last) if run else None,
                "valid": valid and valid | {"model": run.name if run else None},
                "seconds": round(self.counters.seconds, 3),
                "step": self.counters.step,
                "characters_seen": self.counters.characters,
                "stopped": stopped,
            },
        )


@dataclass
class Counters:
    """The numbers that a resumed run goes on from.

    Attributes:
        step: steps taken.
        epoch: whole passes over the training text.
        place: characters of each lane done in this pass.
        seconds: spent in steps; evaluations and saving do not count.
        characters: trained on, in all passes.
        evaluated, evaluated_at: evaluations due so far, and the step of the last one.
        best: the lowest held-out nats per character, once there is one.
        stale: evaluations since then.
        rate: factor on the learning rate; halved by each rollback.
        rollbacks: in a row.
        recent_nats, recent_characters: summed since the last evaluation.
    """

    step: int = 0
    epoch: int = 0
    place: int = 0
    seconds: float = 0.0
    characters: int = 0
    evaluated: int = 0
    evaluated_at: int = -1
    best: float | None = None
    stale: int = 0
    rate: float = 1.0
    rollbacks: int = 0
    recent_nats: float = 0.0
    recent_characters: int = 0

    def __post_init__(self) -> None:
        if min(self.step, self.epoch, self.place, self.characters, self.seconds) < 0:
            raise ValueError("counts below zero")


def pace(
    train: Span, vocabulary: Vocabulary, settings: Settings, labels: tuple[str, ...] = ()
) -> float:
    """Return characters a second that are trained on here, by trying for a second or two.

    Args:
        settings: with every choice made; the network tried is of the usual ``pace_width``.

    Raises:
        TrainingError: the device asked for is not there.
    """
    assert settings.minutes is not None
    until = min(TRIAL_SECONDS, TRIAL_SHARE * 60 * settings.minutes)
    tried = replace(
        settings,
        hidden=defaults(settings).pace_width,
        embed=None,
        heads=None,
        tied=False,
        minutes=None,
        steps=1 << 20,
    )
    chosen = choose(tried, len(train))
    trainer = Trainer(train, None, vocabulary, chosen, {"names": []}, labels=labels)
    counters = trainer.counters
    # The first step compiles, and meets memory that was never used.
    first: tuple[float, int] | None = None
    for report in trainer:
        if report.event == "step":
            first = first or (counters.seconds, counters.characters)
            if counters.step > TRIAL_STEPS and counters.seconds - first[0] > until:
                break
    assert first is not None
    return (counters.characters - first[1]) / (counters.seconds - first[0])
