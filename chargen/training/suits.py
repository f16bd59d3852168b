"""Whether a device computes what the CPU computes, and sooner: a step on both, compared.

A kernel of a device that few have tried can be wrong or slow (PyTorch's LSTM for Apple's devices
has been both), so a device of such a kind is chosen only after it has been tried here.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from chargen.architecture import Architecture
from chargen.networks.base import Batch
from chargen.networks.causal import Causal

APART = 1e-3
"""How far two gradients may be apart, as a share of the longer one. Products in float32 that are
added in another order differ by a hundredth of that."""

CHARACTERS = 64
STEPS = 3
"""Characters of the vocabulary, and steps of which the fastest counts: the first one compiles."""


def suits(device: torch.device, architecture: Architecture, batch: int, bptt: int) -> bool:
    """Return whether a step of a network is right on a device, and faster than on the CPU.

    Args:
        architecture: whose layers are tried, in a network that predicts each next character.
        batch, bptt: B and T, the size of a step.
    """
    plain = Architecture(
        architecture.arch,
        architecture.layers,
        architecture.hidden,
        architecture.embed,
        heads=architecture.heads,
        context=architecture.context,
    )
    try:
        found, seconds = _gradient(device, plain, batch, bptt)
        # With dropout, numbers are drawn on the device; they only have to be numbers.
        drawn, _ = _gradient(device, plain, batch, bptt, dropout=0.2)
    except (RuntimeError, TypeError, NotImplementedError):
        return False
    right, usual = _gradient(torch.device("cpu"), plain, batch, bptt)
    near = float((found - right).norm()) <= APART * float(right.norm())
    return near and bool(drawn.isfinite().all()) and seconds < usual


def _gradient(
    device: torch.device, architecture: Architecture, batch: int, bptt: int, dropout: float = 0.0
) -> tuple[torch.Tensor, float]:
    """Return the gradient of a step's cost, and how many seconds it took."""
    generator = torch.Generator().manual_seed(1)
    network = Causal(architecture, CHARACTERS, dropout, generator).to(device)
    drawn = np.random.default_rng(1).integers(CHARACTERS, size=(batch, bptt + 1))
    ids = torch.from_numpy(drawn).to(device)
    window = Batch(ids[:, :-1], ids[:, 1:])
    took = []
    for _ in range(STEPS):
        began = time.perf_counter()
        network.zero_grad()
        nats, _ = network.cost(window, network.start(batch))
        torch.autograd.backward(nats)
        # To copy the gradient is to wait for it.
        gradient = torch.cat([weight.grad.flatten().cpu() for weight in network.parameters()])  # type: ignore[union-attr]  # each has one
        took.append(time.perf_counter() - began)
    return gradient, min(took)
