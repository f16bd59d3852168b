"""What all networks share that read a text from both ends: two stacks, and how they meet."""

from __future__ import annotations

import torch
from torch import nn

from chargen.networks.base import Trainable, layers


class BothWays(Trainable):
    """A stack that reads from the left, one that reads from the right, and a matrix for each."""

    def _make(self) -> None:
        wide = self.architecture.hidden
        self.backward = layers(self.architecture)
        self.left = nn.Linear(wide, wide, bias=False)
        self.right = nn.Linear(wide, wide, bias=False)

    @torch.no_grad()
    def _initialise(self) -> None:
        super()._initialise()
        for side in (self.left, self.right):
            nn.init.xavier_uniform_(side.weight, generator=self.generator)
