"""AdamW: Loshchilov & Hutter 2019 (arXiv:1711.05101), computed by PyTorch's function for it.

PyTorch's class around the same function imports PyTorch's compiler before the first step, which
takes a second or more of every training's start.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adamw import adamw

EPSILON = 1e-8

FUSED = ("cpu", "cuda")
"""Devices on which one kernel does all the arithmetic of a step."""


class AdamW:
    """Steps of the length of the rate, more or less, whatever the gradient's length.

    Args:
        groups: weights, and their weight decay: a step takes rate × decay of a weight away.
        betas: what the means of gradients and of their squares keep at each step. Without decay
            and with betas of (0, β), this is RMSprop, corrected for its beginning.

    Attributes:
        state: of each weight that had a gradient: its number of steps, and both means.
    """

    def __init__(
        self, groups: Sequence[tuple[Sequence[Tensor], float]], betas: tuple[float, float]
    ) -> None:
        self.groups, self.betas = groups, betas
        self.state: dict[Tensor, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self, rate: float | Tensor, wrong: Tensor | None = None) -> None:
        """Make a step by the gradients that the weights have.

        Args:
            rate: a number; or a tensor where the weights are, read when the step is made.
            wrong: 1 if nothing shall be done, else 0; in float32, where the weights are.
        """
        for weights, decay in self.groups:
            given = [(one, one.grad) for one in weights if one.grad is not None]
            if not given:
                continue
            kept = [self._kept(weight) for weight, _ in given]
            device = given[0][0].device.type
            adamw(
                [weight for weight, _ in given],
                [gradient for _, gradient in given],
                [one["exp_avg"] for one in kept],
                [one["exp_avg_sq"] for one in kept],
                [],
                [one["step"] for one in kept],
                fused=device in FUSED,
                capturable=isinstance(rate, Tensor) and device == "cuda",
                found_inf=wrong,
                amsgrad=False,
                beta1=self.betas[0],
                beta2=self.betas[1],
                lr=rate,
                weight_decay=decay,
                eps=EPSILON,
                maximize=False,
            )

    def _kept(self, weight: Tensor) -> dict[str, Tensor]:
        if weight not in self.state:
            # Where one kernel does all, it also counts.
            device = weight.device if weight.device.type in FUSED else torch.device("cpu")
            self.state[weight] = {
                "step": torch.zeros((), device=device),
                "exp_avg": torch.zeros_like(weight),
                "exp_avg_sq": torch.zeros_like(weight),
            }
        return self.state[weight]
