"""A layer that keeps only what goes into it, and is computed once more in the backward pass.

Less memory for a third more work (Chen et al. 2016, arXiv:1604.06174), by `torch.utils.checkpoint`.
What is drawn at random in the layer is drawn alike both times, so the result is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from chargen.networks.base import Trainable

Passed = tuple[Tensor, tuple[Tensor, ...]]
"""A layer's outputs and its state."""


def recomputed(network: Trainable, layer: Callable[..., Passed]) -> Callable[..., Passed]:
    """Return a layer of a network that is computed once more, with the same arguments as itself."""
    generator = network.generator or torch.default_generator
    drawn, rows = generator.get_state(), network.rows

    def run(
        x: Tensor,
        before: tuple[Tensor, ...],
        drop: Callable[..., Tensor],
        ages: NDArray[np.int32] | None,
    ) -> Passed:
        begun = False

        def compute(x: Tensor, *before: Tensor) -> Passed:
            nonlocal begun
            if not begun:
                begun = True
                return layer(x, before, drop, ages)
            # The backward pass comes when other numbers have been drawn, perhaps for other rows.
            now = generator.get_state(), network.rows
            generator.set_state(drawn)
            network.rows = rows
            try:
                return layer(x, before, drop, ages)
            finally:
                generator.set_state(now[0])
                network.rows = now[1]

        passed: Passed = checkpoint(
            compute, x, *before, use_reentrant=False, preserve_rng_state=False
        )
        return passed

    return run
