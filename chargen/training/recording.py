"""A step's kernels, recorded once and played again: CUDA graphs.

A step is hundreds of small kernels. To start them one by one from Python takes longer than most of
them run. A CUDA graph starts them all at once, with the same memory each time: a batch is copied to
where the recorded one was, and the results are found where the recorded ones were left. All that
was drawn is drawn anew: before each play, each generator is begun by the next number of the
network's own, as in a step that is computed without a recording. So both give the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from chargen.networks.base import State, Trainable
from chargen.training.adamw import AdamW

log = logging.getLogger(__name__)

Pass = Callable[[Any, State, Tensor], tuple[Tensor, State]]
"""``(batch, state, divisor) -> loss, state``: forward and backward through a whole batch."""

Played = tuple[Tensor, Tensor, State]
"""The loss, the length of the gradient before it was clipped, and the state."""


class Tape(Protocol):
    """What records kernels."""

    def warm(self, kernels: Callable[[], object]) -> None:
        """Run such kernels without recording them, so that libraries allocate what they keep."""

    def record(
        self, kernels: Callable[[], list[Tensor]], sources: Sequence[torch.Generator]
    ) -> list[Tensor]:
        """Record kernels, and what they draw from; return where their results will be."""

    def play(self) -> None:
        """Run them."""


class Graph:
    """A CUDA graph as a `Tape`."""

    def __init__(self) -> None:
        self.graph = torch.cuda.CUDAGraph()
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # PyTorch's

    def warm(self, kernels: Callable[[], object]) -> None:
        """See `Tape.warm`: what libraries allocate is for one stream."""
        now = torch.cuda.current_stream()
        self.stream.wait_stream(now)
        with torch.cuda.stream(self.stream):
            kernels()
        now.wait_stream(self.stream)

    def record(
        self, kernels: Callable[[], list[Tensor]], sources: Sequence[torch.Generator]
    ) -> list[Tensor]:
        """See `Tape.record`."""
        for source in sources:
            self.graph.register_generator_state(source)
        # Other threads of a program may go on using the device.
        with torch.cuda.graph(self.graph, stream=self.stream, capture_error_mode="thread_local"):
            return kernels()

    def play(self) -> None:
        """See `Tape.play`."""
        self.graph.replay()


@dataclass(frozen=True)
class Learning:
    """What a step is made of.

    Attributes:
        network: that learns.
        optimizer: of its weights; it has made a step.
        through: computes the gradients; of each batch by the same kernels.
        clip: the longest gradient.
    """

    network: Trainable
    optimizer: AdamW
    through: Pass
    clip: float


class Recording:
    """Steps by batches of one shape.

    Args:
        learning: what is recorded.
        batch, state: of the shapes that are recorded.
        tape: to record on.
    """

    def __init__(self, learning: Learning, batch: Any, state: State, tape: Tape) -> None:
        self.network, self.tape = learning.network, tape
        self.inputs = [tensor.clone() for tensor in (*tensors(batch), *flat(state))]
        first = iter(self.inputs)
        batch = type(batch)(*(None if one is None else next(first) for one in parts(batch)))
        state = [tuple(next(first) for _ in carried) for carried in state]
        self.divisor, self.rate = torch.ones(2, device=self.network.output.bias.device)

        def gradients() -> Played:
            self.network.zero_grad(set_to_none=True)
            loss, after = learning.through(batch, state, self.divisor)
            return loss, clip_grad_norm_(self.network.parameters(), learning.clip), after

        def kernels() -> list[Tensor]:
            loss, norm, after = gradients()
            wrong = ~(loss.isfinite() & norm.isfinite())
            learning.optimizer.step(self.rate, wrong.float())
            both = zip(flat(state), flat(after), strict=True)
            return [loss, norm, *(torch.where(wrong, old, new) for old, new in both)]

        self.sources: list[torch.Generator] = []
        # Warming the tape shows how often something is drawn.
        self.network.sources = self._another
        try:
            tape.warm(gradients)
            self.network.sources = iter(self.sources).__next__
            self.loss, self.norm, *self.after = tape.record(kernels, self.sources)
        finally:
            self.network.sources = None

    def _another(self) -> torch.Generator:
        self.sources.append(torch.Generator(self.divisor.device))
        return self.sources[-1]

    def play(self, batch: Any, state: State, divisor: float, rate: float) -> Played:
        """Make a step; if the loss or the gradient is not finite, change nothing."""
        for source in self.sources:
            source.manual_seed(self.network.seed())
        for place, tensor in zip(self.inputs, (*tensors(batch), *flat(state)), strict=True):
            place.copy_(tensor)
        self.divisor.fill_(divisor)
        self.rate.fill_(rate)
        self.tape.play()
        # The next play writes over what this one leaves.
        after = iter([tensor.clone() for tensor in self.after])
        return self.loss, self.norm, [tuple(next(after) for _ in carried) for carried in state]


class Recorder:
    """Records a step as soon as two batches of one shape have followed one another.

    Args:
        learning: what a step is made of.
        tape: makes a new one.
    """

    def __init__(self, learning: Learning, tape: Callable[[], Tape] = Graph) -> None:
        self.learning, self.tape = learning, tape
        self.recording: Recording | None = None
        self.shapes: Any = None
        self.last: Any = None
        self.fails = False

    def forget(self) -> None:
        """Forget the recording, because the optimizer's means are in another memory now."""
        self.recording = self.last = None

    def spare(self) -> bool:
        """Record no more, because the memory is needed; return whether there was a recording."""
        given = self.recording is not None
        self.forget()
        self.fails = True
        return given

    def play(self, batch: Any, state: State, divisor: float, rate: float) -> Played | None:
        """Return what `Recording.play` does; None if this step has to be computed.

        Args:
            batch, state: see `Pass`; of any shape.
            divisor: characters of the batch.
            rate: at which the optimizer learns.
        """
        if self.fails:
            return None
        shapes = [tensor.shape for tensor in (*tensors(batch), *flat(state))]
        if self.recording is None and shapes == self.last and self.learning.optimizer.state:
            self._record(batch, state)
            self.shapes = shapes
        self.last = shapes
        if self.recording is None or shapes != self.shapes:
            return None
        return self.recording.play(batch, state, divisor, rate)

    def _record(self, batch: Any, state: State) -> None:
        try:
            self.recording = Recording(self.learning, batch, state, self.tape())
        except (AttributeError, RuntimeError) as error:
            # Steps are slower, and otherwise the same. There may be too little memory.
            self.fails = True
            log.warning("a step cannot be recorded here: %s", error)


def parts(batch: Any) -> list[Any]:
    """Return what a batch is made of, in the order in which it is made."""
    return [getattr(batch, field.name) for field in fields(batch)]


def tensors(batch: Any) -> list[Tensor]:
    """Return the tensors that a batch is made of."""
    return [part for part in parts(batch) if part is not None]


def flat(state: State) -> list[Tensor]:
    """Return the tensors of a state, layer by layer."""
    return [tensor for carried in state for tensor in carried]
