"""What a step's batch costs, as a module, so that PyTorch can divide it among processes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from chargen.networks.base import State, Trainable
from chargen.ranks import Ranks


class Cost(nn.Module):
    """The nats of a network's targets; the state after them is kept aside."""

    def __init__(self, network: Trainable) -> None:
        super().__init__()
        self.network = network
        self._after: State = []

    def forward(self, batch: Any, state: State) -> Tensor:
        """Return the nats that all targets of a batch cost, summed."""
        nats, self._after = self.network.cost(batch, state)
        return nats

    def after(self) -> State:
        """Return the state after the last batch, without its gradient."""
        return [tuple(tensor.detach() for tensor in carried) for carried in self._after]

    def divided(self, ranks: Ranks) -> nn.Module:
        """Return the same for a rank's own rows: its gradients are the mean of all ranks'.

        They travel while the backward pass goes on (Li et al. 2020, arXiv:2006.15704).
        """
        if ranks.size == 1:
            return self
        # What is no parameter is alike already, and large.
        ignored = [name for name, _ in self.named_buffers()]
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(self, ignored)  # type: ignore[no-untyped-call]  # PyTorch's
        return DistributedDataParallel(self, find_unused_parameters=self.network.idles)


def unsummed(divided: nn.Module) -> AbstractContextManager[None]:
    """Return the context in which gradients stay with their rank, until the next ones go along."""
    if isinstance(divided, DistributedDataParallel):
        return divided.no_sync()
    return nullcontext()
