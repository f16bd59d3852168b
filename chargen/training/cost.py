"""What a step's batch costs, as a module, so that PyTorch can divide it among processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from chargen.networks.base import State, Trainable
from chargen.networks.layer import Layer
from chargen.networks.transformer import Block
from chargen.ranks import Ranks


class Cost(nn.Module):
    """The nats of a network's targets; the state after them is kept aside."""

    def __init__(self, network: Trainable) -> None:
        super().__init__()
        self.network = network
        self.sharded = False
        self._after: State = []

    def forward(self, batch: Any, state: State) -> Tensor:
        """Return the nats that all targets of a batch cost, summed."""
        nats, self._after = self.network.cost(batch, state)
        if self.sharded:
            # All ranks must have gradients of the same weights.
            for weight in self.network.idle():
                nats = nats + 0 * weight.sum()
        return nats

    def after(self) -> State:
        """Return the state after the last batch, once, without its gradient."""
        after, self._after = self._after, []
        return [tuple(tensor.detach() for tensor in carried) for carried in after]

    def divided(self, ranks: Ranks, device: torch.device, shard: bool = False) -> nn.Module:
        """Return the same for a rank's own rows: its gradients are the mean of all ranks'.

        They travel while the backward pass goes on (Li et al. 2020, arXiv:2006.15704).

        Args:
            shard: each rank keeps only a part of the weights, of their gradients, and of what the
                optimizer keeps of them. All ranks get a layer's weights just before it is computed
                (Zhao et al. 2023, arXiv:2304.11277).
        """
        if ranks.size == 1:
            return self
        if shard:
            # These imports take as long as the start of a small training.
            from torch.distributed.device_mesh import init_device_mesh
            from torch.distributed.fsdp import fully_shard

            mesh = init_device_mesh(device.type, (ranks.size,))
            for module in self.modules():
                if isinstance(module, Layer | Block):
                    fully_shard(module, mesh=mesh)
            self.sharded = True
            fully_shard(self, mesh=mesh)
            return self
        # What is no parameter is alike already, and large.
        ignored = [name for name, _ in self.named_buffers()]
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(self, ignored)  # type: ignore[no-untyped-call]  # PyTorch's
        return DistributedDataParallel(self, find_unused_parameters=bool(self.network.idle()))


def unsummed(divided: nn.Module) -> AbstractContextManager[None]:
    """Return the context in which gradients stay with their rank, until the next ones go along."""
    if isinstance(divided, DistributedDataParallel):
        return divided.no_sync()
    if isinstance(divided, Cost) and divided.sharded:
        return _kept(divided)
    return nullcontext()


@contextmanager
def _kept(sharded: Any) -> Iterator[None]:
    sharded.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        sharded.set_requires_gradient_sync(True)
