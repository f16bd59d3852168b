"""Two stacks that read whole texts, one from each end; what a place is remembered as.

With h_s and g_s what the stacks have read up to and from the place s, the place itself included,

    m_s = tanh(W_left h_s + W_right g_s)
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from chargen.networks.base import State
from chargen.networks.both_ways import BothWays


def settled(x: Tensor, stream: bool) -> Tensor:
    """Return a stack's outputs as they are read: a transformer's stream is standardized."""
    return functional.layer_norm(x, x.shape[-1:]) if stream else x


class Encoder(BothWays):
    """Reads texts that are whole: nothing is carried from one step to the next."""

    def _make(self) -> None:
        super()._make()
        self.stream = self.architecture.family.attends

    def start(self, batch: int) -> State:
        """Return nothing: a text does not go on from the one before it."""
        return []

    def begin(self, batch: int) -> State:
        """Return the state of a stack that has read nothing."""
        return super().start(batch)

    def sides(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return h and g (S, B, H) at each place.

        Args:
            x: (S, B, E), a vector for each place.
            lengths: (B,) places of each text.
        """
        places = torch.arange(len(x), device=x.device)[:, None]
        # From the right: each row is turned round, without what fills it up.
        turned = torch.where(places < lengths, lengths - 1 - places, places)[:, :, None]
        left, _ = self.run(self.layers, x, self.begin(len(lengths)))
        around = x.gather(0, turned.expand_as(x))
        back, _ = self.run(self.backward, around, self.begin(len(lengths)))
        left, back = settled(left, self.stream), settled(back, self.stream)
        return left, back.gather(0, turned.expand_as(back))

    def joined(self, left: Tensor, right: Tensor) -> Tensor:
        """Return what places are remembered as, (B, S, H)."""
        return torch.tanh(self.left(left) + self.right(right)).transpose(0, 1)
