"""What every network in PyTorch is made of, and what the trainer asks of it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from chargen import kinds
from chargen.architecture import Architecture
from chargen.networks.elman import Elman
from chargen.networks.gru import GRU
from chargen.networks.layer import Layer
from chargen.networks.lstm import LSTM
from chargen.networks.recompute import Passed, recomputed
from chargen.networks.recurrence import array
from chargen.networks.shards import fill, whole
from chargen.networks.transformer import Block
from chargen.ranks import ALONE, Ranks
from chargen.text.ngrams import Ngrams
from chargen.text.told import Told
from chargen.text.windows import PAST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

LAYERS: dict[str, type[Layer] | type[Block]] = {
    "elman": Elman,
    "gru": GRU,
    "lstm": LSTM,
    "transformer": Block,
}

State = list[tuple[Tensor, ...]]
"""For each layer, the tensors it carries from character to character: a row for each text."""


@dataclass(frozen=True)
class Batch:
    """A window (`chargen.text.windows.Window`) where the network is.

    Attributes:
        inputs: (B, T) ids.
        targets: (B, T) ids; `chargen.text.windows.PAST` costs nothing.
        labels: (B, T), of a labelled text.
        ages: (B, T), of a text made of examples; not moved, because it steers the computation.
    """

    inputs: Tensor
    targets: Tensor
    labels: Tensor | None = None
    ages: NDArray[np.int32] | None = None


def layers(architecture: Architecture) -> nn.ModuleList:
    """Return the layers of one stack."""
    family = LAYERS[architecture.arch]
    return nn.ModuleList(
        family.above(architecture, architecture.hidden if number else architecture.embed)
        for number in range(architecture.layers)
    )


def build(
    architecture: Architecture,
    characters: int,
    dropout: float = 0.0,
    generator: torch.Generator | None = None,
) -> Trainable:
    """Return an untrained network of an architecture's kind; see `Trainable` for the arguments."""
    network: type[Trainable] = kinds.load(architecture.kind.network)
    return network(architecture, characters, dropout, generator)


class Trainable(nn.Module, ABC):
    """What the trainer asks of a network of any kind, beside `cost` and `start`.

    Args:
        architecture: kind and sizes.
        characters: V, the size of the vocabulary.
        dropout: probability of zeroing, in training only. In a recurrent layer, each output is
            zeroed on its way to the layer above or to the output, never on its way through time
            (Zaremba et al. 2014, arXiv:1409.2329). Each recurrent weight is zeroed for a whole
            window (Merity et al. 2018, arXiv:1708.02182). In a transformer, the numbers that a
            block adds are zeroed. The probability is rounded to 256ths.
        generator: the source of the initial weights and of all that is drawn in training; on the
            CPU, even if the network is on another device.

    Attributes:
        ranks: the processes that train this network together.
        rows: which rows of a step's batch the network is given: the first, and of how many; None
            if it is given all.
        recompute: whether layers are computed once more in the backward pass, to save memory.
        sources: gives the generator of each draw of a step that is recorded (see
            `chargen.training.recording`); None in a step that is only computed.
        counts: what was counted, as in a checkpoint; empty before, and where nothing is.
        ngrams: what tells of it.
        fitted: the powers (see `chargen.text.ngrams`) at which the text that was scored last costs
            least; None before one was.
    """

    ranks: Ranks = ALONE
    rows: tuple[int, int] | None = None
    recompute = False
    sources: Callable[[], torch.Generator] | None = None
    counts: Mapping[str, NDArray[Any]] = MappingProxyType({})
    ngrams: Told | None = None
    fitted: NDArray[np.float32] | None = None

    embedding: nn.Embedding
    output: nn.Linear

    def __init__(
        self,
        architecture: Architecture,
        characters: int,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.characters = characters
        self.dropout = dropout
        self.generator = generator
        self.embedding = nn.Embedding(characters + 1, architecture.embed, padding_idx=characters)
        self.layers = layers(architecture)
        self._make()
        self._initialise()

    @abstractmethod
    def _make(self) -> None:
        """Make what this kind of network has beside the embedding and its first stack."""

    @torch.no_grad()
    def _initialise(self) -> None:
        # A tied embedding is also the output's weights: with a scale of 1, the first logits would
        # be much too large.
        scale = self.architecture.embed**-0.5 if self.architecture.tied else 1.0
        self.embedding.weight.normal_(0, scale, generator=self.generator)
        self.embedding.weight[self.characters] = 0
        for module in self.modules():
            if isinstance(module, Layer | Block):
                module.initialise(self.generator)
        nn.init.xavier_uniform_(self.output.weight, generator=self.generator)
        nn.init.zeros_(self.output.bias)

    def start(self, batch: int) -> State:
        """Return the state of ``batch`` texts that have not begun."""
        return [layer.start(batch) for layer in cast("Iterable[Layer | Block]", self.layers)]

    def run(
        self, stack: nn.ModuleList, x: Tensor, state: State, ages: NDArray[np.int32] | None = None
    ) -> tuple[Tensor, State]:
        """Run x (T, B, E) through a stack; return the last layer's outputs (T, B, H) and the state.

        Time is the first axis, so that the data of one step lies together in memory. ``ages`` are
        those of `chargen.text.windows.Window`.
        """
        after: State = []
        for layer, before in zip(stack, state, strict=True):
            x, carried = self.through(layer, x, before, ages)
            after.append(carried)
        return x, after

    def through(
        self,
        layer: nn.Module,
        x: Tensor,
        before: tuple[Tensor, ...],
        ages: NDArray[np.int32] | None = None,
    ) -> Passed:
        """Run x (T, B, …) through one layer; return its outputs (T, B, H) and its state."""
        run = recomputed(self, layer) if self.recompute and self.training else layer
        passed: Passed = run(x, before, self.drop, ages)
        return passed

    def placed(self, window: Any) -> Any:
        """Return a window where the network is: of each kind its own windows and batches.

        Of running text, a `Window` as a `Batch`.
        """
        labels = None if window.labels is None else self.moved(window.labels).long()
        inputs, targets = self.moved(window.inputs), self.moved(window.targets)
        return Batch(inputs, targets.long(), labels, window.ages)

    def moved(self, array: NDArray[np.generic]) -> Tensor:
        """Return an array where the network is; nobody waits for a copy to a CUDA device."""
        tensor, device = torch.from_numpy(array), self.output.bias.device
        if device.type != "cuda":
            return tensor.to(device)
        # Only from pinned memory can a device copy by itself.
        return tensor.pin_memory().to(device, non_blocking=True)

    def fixed(self, window: Any) -> bool:  # noqa: ARG002 - `Causal` looks at it
        """Return whether the same kernels compute every window that has the shapes of this one."""
        return False

    def idle(self) -> list[nn.Parameter]:
        """Return the weights that may have nothing to do in a step."""
        return []

    @abstractmethod
    def cost(self, batch: Any, state: State) -> tuple[Tensor, State]:
        """Return the nats that all targets cost, summed, and the state."""

    @abstractmethod
    def heads(self, batch: Any, state: State) -> dict[nn.Linear, Tensor]:
        """Return the logits (…, V or more) of each output for characters."""

    def drop(self, x: Tensor, rows: int | None = None) -> Tensor:
        """Return x with dropout, in training.

        Args:
            rows: the axis that has a row for each text of the batch; None if none has.
        """
        if not (self.training and self.dropout):
            return x
        shape, first = list(x.shape), 0
        if rows is not None and self.rows is not None:
            # The mask of the whole batch is drawn, so that it does not depend on who computes what.
            first, shape[rows] = self.rows
        # We make our own mask because functional.dropout uses only the global generator. Each unit
        # needs eight random bits. A generator makes one word at a time, so we draw words of 64 bits
        # and cut each of them into eight parts.
        units = math.prod(shape)
        words = torch.empty(-(-units // 8), dtype=torch.int64, device=x.device)
        words.random_(-(1 << 63), None, generator=self.source(x.device))
        bits = words.view(torch.int8)[:units].view(shape)
        if rows is not None:
            bits = bits.narrow(rows, first, x.shape[rows])
        dropped = min(255, max(1, round(self.dropout * 256)))
        return x * (bits >= dropped - 128).to(x.dtype).mul_(256 / (256 - dropped))

    def source(self, device: torch.device) -> torch.Generator:
        """Return a generator for one draw, begun by the next number of the network's own.

        So all ranks stay in step, however much each of them draws.
        """
        if self.sources is not None:
            return self.sources()
        return torch.Generator(device).manual_seed(self.seed())

    def seed(self) -> int:
        """Return the next number of the network's own."""
        return int(torch.empty((), dtype=torch.int64).random_(generator=self.generator))

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return a copy of the weights as NumPy arrays, named as in a checkpoint."""
        return {
            name: whole(value.detach()).float().cpu().numpy().copy()
            for name, value in self.named_parameters()
        }

    def give(self, counts: Mapping[str, NDArray[Any]]) -> None:
        """Give the network what was counted, see `chargen.text.ngrams.Ngrams`; or nothing."""
        self.counts = dict(counts)
        self.ngrams = Told(Ngrams(counts, self.characters), self.characters) if counts else None

    def described(self) -> Architecture:
        """Return the architecture with the sizes of what is not decided before training."""
        return self.architecture

    @torch.no_grad()
    def assign(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Set the weights from NumPy arrays named as in a checkpoint."""
        for name, value in self.named_parameters():
            fill(value, torch.from_numpy(arrays[name]))


def numbers(tensor: Tensor) -> NDArray[Any]:
    """Return a tensor's numbers as a NumPy array, from any device; see `array`."""
    tensor = tensor.detach().cpu()
    made: NDArray[Any] = array(tensor.float() if tensor.dtype == torch.float16 else tensor)
    return made


def charged(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nats of targets (…) under logits (…, V), and the likeliest ids (…)."""
    logits = logits.float()
    nats = functional.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction="none")
    return nats.view(targets.shape), logits.argmax(-1)


def summed_nats(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the nats that targets (...) cost under logits (..., V), summed; PAST costs nothing."""
    return functional.cross_entropy(
        logits.float().flatten(0, -2), targets.flatten(), ignore_index=PAST, reduction="sum"
    )
