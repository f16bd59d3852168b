"""The state of a training: everything that the next step depends on, and that step.

`Learner.capture` copies the state, and `Learner.restore` goes back to it: that one pair serves
resuming after an interruption and rolling back after a loss that is not finite.
"""

from __future__ import annotations

import math
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from chargen.checkpoint import LARGEST_WEIGHT, Checkpoint
from chargen.errors import RunError
from chargen.networks.base import State, Trainable, build
from chargen.networks.shards import like, part, whole
from chargen.options import Plan
from chargen.ranks import ALONE, Ranks
from chargen.records import typed
from chargen.text.ngrams import believable
from chargen.text.vocabulary import Vocabulary
from chargen.training.adamw import AdamW
from chargen.training.cost import Cost, unsummed
from chargen.training.counters import RETIRED, Counters
from chargen.training.devices import autocast, keep_freed_memory, pick_device, pick_precision
from chargen.training.evaluate import Scored
from chargen.training.feeds import Portion
from chargen.training.held_out import HeldOut
from chargen.training.recording import Learning, Recorder
from chargen.training.room import room_for_step, room_for_weights, sparing
from chargen.training.suits import suits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps of each weight."""

POWERS = "powers"
"""The name of the powers for the next evaluation."""

BETAS = (0.9, 0.99)
"""What its means keep at each step."""


class Learner:
    """A network that learns: its weights, its optimizer, its random numbers, what it has read.

    Args:
        plan: every choice.
        vocabulary: of the text.
        labels: the names of a labelled text's labels.
        seen: fingerprints, sorted, of the examples that the text is made of.
        ranks: the processes that learn together. Each has the whole network, and of the state that
            is carried from step to step only its own rows.

    Raises:
        TrainingError: the device asked for is not there.
    """

    def __init__(
        self,
        plan: Plan,
        vocabulary: Vocabulary,
        labels: tuple[str, ...] = (),
        seen: NDArray[np.uint64] | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.plan = plan
        self.ranks = ranks
        self.vocabulary = vocabulary
        self.labels = labels
        self.seen = seen
        self.device = pick_device(plan.device, self._suits)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.precision = pick_precision(plan.precision, self.device)
        weights_generator = torch.Generator().manual_seed(plan.seed)
        self.generator = torch.Generator().manual_seed(plan.seed)
        with room_for_weights(plan):
            self.network = build(
                plan.architecture, len(vocabulary), plan.dropout, weights_generator
            ).to(self.device)
        self.network.generator = self.generator
        self.network.ranks = ranks
        self.network.recompute = plan.recompute
        self.cost = Cost(self.network)
        self.divided = self.cost.divided(ranks, self.device, plan.shard)
        self.optimizer = self._optimizer()
        whole_steps = ranks.size == plan.accumulate == 1 and not plan.recompute
        self.recorder = (
            Recorder(Learning(self.network, self.optimizer, self._passed, plan.clip))
            if whole_steps and self.device.type == "cuda"
            else None
        )
        self.ready: tuple[Any, Any] | None = None
        self.mine = ranks.share(plan.batch)
        self.state: State = self._start()
        self.counters = Counters()
        # Of what was counted, for the next evaluation; None before the first.
        self.powers: NDArray[np.float32] | None = None
        self.figures: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []

    def _suits(self, device: torch.device) -> bool:
        plan = self.plan
        # Several processes exchange tensors between processors or between CUDA devices only.
        return self.ranks.size == 1 and suits(device, plan.architecture, plan.batch, plan.bptt)

    def _optimizer(self) -> AdamW:
        named = list(self.network.named_parameters())
        matrices = [p for name, p in named if p.ndim > 1 and not name.startswith("embedding")]
        others = [p for name, p in named if p.ndim == 1 or name.startswith("embedding")]
        return AdamW([(matrices, self.plan.weight_decay), (others, 0.0)], BETAS)

    def _start(self) -> State:
        """Return the state of this rank's rows of a text that has not begun."""
        return self.network.start(self.mine.stop - self.mine.start)

    def step(
        self, portion: Portion, rate: float, look: Callable[[], Portion | None] = lambda: None
    ) -> tuple[float, float]:
        """Learn from a step's batch at a rate; return nats per character and the gradient's norm.

        A loss or gradient that is not finite is returned and not applied.

        Args:
            portion: the rows that this rank computes.
            look: returns the next portion; called while a device is busy with this one.

        Raises:
            TrainingError: there is not enough memory.
        """
        self.network.train()
        with room_for_step(self.plan, self.ranks.size):
            return self._played(portion, rate, look) or sparing(
                self.recorder, self.generator, lambda: self._computed(portion, rate)
            )

    def _played(
        self, portion: Portion, rate: float, look: Callable[[], Portion | None]
    ) -> tuple[float, float] | None:
        """Learn by a step that was recorded; return None if this one has to be computed."""
        if self.recorder is None or not self.network.fixed(portion.window):
            return None
        played = self.recorder.play(self._ready(portion), self.state, portion.characters, rate)
        if played is None:
            return None
        loss, norm, self.state = played
        following = look()
        if following is not None:
            self._ready(following)
        # Here the device is waited for.
        return float(loss), float(norm)

    def _ready(self, portion: Portion) -> Any:
        """Return a portion's batch where the network is; moved there once."""
        if self.ready is None or self.ready[0] is not portion.window:
            self.ready = portion.window, self.network.placed(portion.window)
        return self.ready[1]

    def _computed(self, portion: Portion, rate: float) -> tuple[float, float]:
        """Learn from a batch in as many pieces as are wished."""
        self.network.zero_grad(set_to_none=True)
        # Of the ranks' gradients the mean is taken.
        divisor = portion.characters / self.ranks.size
        drawn = self.generator.get_state()
        # As many on each rank: each piece may be a meeting.
        most = max(1, portion.rows // self.ranks.size)
        pieces = portion.pieces(min(self.plan.accumulate, most))
        after, loss = [], 0.0
        for number, (piece, rows) in enumerate(pieces):
            # All pieces are given the masks of the whole batch.
            self.generator.set_state(drawn)
            last = number + 1 == len(pieces)
            before = [tuple(one[rows] for one in carried) for carried in self.state]
            with nullcontext() if last else unsummed(self.divided):
                with self._computing(piece):
                    nats = self.divided(self._ready(piece), before)
                if not piece.window.characters:
                    # What a row without targets costs is no loss.
                    nats = nats * 0
                torch.autograd.backward(nats / divisor)
            loss += float(nats.detach()) / divisor
            after.append(self.cost.after())
        norm = clip_grad_norm_(self.network.parameters(), self.plan.clip)
        mean = float(self.ranks.summed(np.array([loss]))[0]) / self.ranks.size
        size = float(whole(norm))
        if math.isfinite(mean) and math.isfinite(size):
            self.optimizer.step(rate)
            self.state = [
                tuple(torch.cat(parts) for parts in zip(*carried, strict=True))
                for carried in zip(*after, strict=True)
            ]
        return mean, size

    def _passed(self, batch: Any, state: State, divisor: Tensor) -> tuple[Tensor, State]:
        """Go forward and backward through a whole batch, to record it; see `Recording`."""
        with autocast(self.device, self.precision):
            loss = self.cost(batch, state) / divisor
        torch.autograd.backward(loss)
        return loss.detach(), self.cost.after()

    @contextmanager
    def _computing(self, portion: Portion) -> Iterator[None]:
        """Let the network know which rows it is given, and in what precision."""
        self.network.rows = portion.first, portion.rows
        try:
            with autocast(self.device, self.precision):
                yield
        finally:
            self.network.rows = None

    def sound(self, portion: Portion | None) -> bool:
        """Return whether a file with this state can be read, and training can go on from it.

        Args:
            portion: of the next step.
        """
        bad = 0.0 if self._sound(portion) else 1.0
        return not self.ranks.summed(np.array([bad])).any()

    def _sound(self, portion: Portion | None) -> bool:
        carried = [tensor for parts in self.state for tensor in parts]
        moments = [value for kept in self.optimizer.state.values() for value in kept.values()]
        network = self.whole()
        if not all(
            bool((tensor.detach().abs() <= LARGEST_WEIGHT).all())
            for tensor in (*network.parameters(), *carried)
        ) or not all(bool(part(tensor).isfinite().all()) for tensor in moments):
            return False
        if portion is None:
            return True
        drawn = self.generator.get_state()
        network.eval()

        def cost() -> Tensor:
            with torch.no_grad(), self._computing(portion):
                return network.cost(network.placed(portion.window), self.state)[0]

        nats = sparing(self.recorder, self.generator, cost)
        # Looking must not change what is drawn next.
        self.generator.set_state(drawn)
        return bool(nats.isfinite())

    def whole(self) -> Trainable:
        """Return the network if this rank has all of it, else a whole copy."""
        if not self.cost.sharded:
            return self.network
        network = build(self.plan.architecture, len(self.vocabulary), self.plan.dropout)
        network.generator = self.generator
        network.assign(self.network.arrays())
        return network.to(self.device)

    def scored(self, held_out: HeldOut, most: int) -> Scored:
        """Score about ``most`` characters of held-out text.

        What was counted has the powers that fitted this text best at the evaluation before. At the
        first evaluation, the text is read twice: to find powers, and to score with them.
        """
        if not self.network.counts:
            return self._scored(self.whole(), held_out, most)
        for _ in range(2 if self.powers is None else 1):
            if self.powers is not None:
                self.network.give({**self.network.counts, "powers": self.powers})
            network = self.whole()
            found = self._scored(network, held_out, most)
            self.powers = network.fitted
        return found

    def _scored(self, network: Trainable, held_out: HeldOut, most: int) -> Scored:
        with room_for_step(self.plan, self.ranks.size):
            return sparing(
                self.recorder,
                self.generator,
                lambda: held_out.score(network, self.precision, most),
            )

    def forget(self) -> None:
        """Begin the text anew: no lane has been read yet."""
        self.state = self._start()

    def model(self, corpus: dict[str, Any]) -> Checkpoint:
        """Return the network as a model to use, copied.

        Args:
            corpus: what the checkpoint says of the text.
        """
        return Checkpoint(
            self.network.described(),
            self.vocabulary,
            self.network.arrays(),
            settings=self.plan.settings() | {"precision": self.precision},
            corpus=corpus,
            figures=dict(self.figures),
            history=list(self.history),
            labels=self.labels,
            seen=self.seen,
        )

    def capture(self, corpus: dict[str, Any]) -> Checkpoint:
        """Return everything that the next step depends on, copied."""
        tensors: dict[str, NDArray[Any]] = {"generator": self.generator.get_state().numpy().copy()}
        for layer, carried in enumerate(self.state):
            for number, tensor in enumerate(carried):
                rows = self.ranks.joined(tensor.float())
                tensors[f"state.{layer}.{number}"] = rows.cpu().numpy().copy()
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{name}.{key}"] = whole(value).cpu().numpy().copy()
        if self.powers is not None:
            tensors[POWERS] = self.powers.copy()
        return replace(self.model(corpus), training=asdict(self.counters), tensors=tensors)

    def restore(self, saved: Checkpoint) -> None:
        """Go back to a captured state.

        Raises:
            RunError: the checkpoint lacks something that resuming needs.
        """
        try:
            known = {key: one for key, one in saved.training.items() if key not in RETIRED}
            self.counters = typed(Counters, known)
            for name in self.network.architecture.kind.metric.figures:
                if not isinstance(saved.figures.get(name, 0.0), int | float):
                    raise ValueError(f"the figure {name}")
            self.network.assign(saved.weights)
            self._restore_generator(saved.tensors["generator"])
            self.powers = self._restored_powers(saved)
            self.state = [
                tuple(
                    torch.tensor(
                        saved.tensors[f"state.{layer}.{number}"][self.mine], device=self.device
                    )
                    for number in range(len(carried))
                )
                for layer, carried in enumerate(self._start())
            ]
            self.optimizer.state.clear()
            if self.recorder is not None:
                self.recorder.forget()
            if self.counters.step:
                self._restore_optimizer(saved)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise RunError(
                f"this run cannot be resumed: its checkpoint lacks or mistakes {error}",
                "Train anew",
            ) from error
        self.history = list(saved.history)
        self.figures = dict(saved.figures)

    def _restored_powers(self, saved: Checkpoint) -> NDArray[np.float32] | None:
        powers = saved.tensors.get(POWERS)
        if powers is not None and not believable(powers):
            raise ValueError(POWERS)
        return powers

    def _restore_generator(self, saved: NDArray[np.uint8]) -> None:
        state = self.generator.get_state()
        if state.numel() == saved.size:
            self.generator.set_state(torch.from_numpy(saved.copy()))
        else:
            # An earlier chargen drew on the graphics card: the same numbers cannot come again.
            self.generator.manual_seed(self.plan.seed + self.counters.step)

    def _restore_optimizer(self, saved: Checkpoint) -> None:
        for name, parameter in self.network.named_parameters():
            slot = self.optimizer.state.setdefault(parameter, {})
            for key in MOMENTS:
                value = torch.tensor(saved.tensors[f"optimizer.{name}.{key}"], device=self.device)
                if value.shape not in (parameter.shape, ()):
                    raise ValueError(f"the shape of optimizer.{name}.{key}")
                slot[key] = like(parameter, value) if value.shape else value
