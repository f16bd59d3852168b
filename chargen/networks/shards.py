"""Weights of which each process has a part, seen as whole ones: PyTorch's distributed tensors.

Every function is a meeting of all processes, if the weights are divided; else plain PyTorch.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor


def divided(weight: Tensor) -> bool:
    """Return whether this process has only a part of a weight."""
    # Its class is not imported: that takes half a second.
    return hasattr(weight, "full_tensor")


def whole(weight: Tensor) -> Tensor:
    """Return all of a weight."""
    return cast("Tensor", cast("Any", weight).full_tensor()) if divided(weight) else weight


def part(weight: Tensor) -> Tensor:
    """Return the memory of what this process has of a weight."""
    return cast("Tensor", cast("Any", weight).to_local()) if divided(weight) else weight


def like(weight: Tensor, value: Tensor) -> Tensor:
    """Return a value, the same in every process, divided as a weight is."""
    if not divided(weight):
        return value
    from torch.distributed.tensor import distribute_tensor

    there = cast("Any", weight)
    return distribute_tensor(value, there.device_mesh, there.placements)


@torch.no_grad()
def fill(weight: Tensor, value: Tensor) -> None:
    """Set a weight to a value that is the same in every process."""
    weight.copy_(like(weight, value.to(weight.device)))
