"""Weights of n-grams, added straight to the logits: a fast learner beside a deep one.

Each context of one to six characters has a vector of V weights, in a table by its hash (Mikolov
et al. 2011, "Strategies for training large scale neural network language models"). A vector learns
whenever its context is read, at a rate of its own: Adagrad (Duchi et al. 2011, JMLR 12), with one
sum of squares a vector. What is common is learned in the first seconds, and the recurrent layers
learn what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from chargen.ranks import ALONE, Ranks
from chargen.text.contexts import KNOWN, LONGEST, PLACES, RATE, latest, places

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

UNTOUCHED = 0.0
"""The sum of squares of a vector that has not learned."""

PLACE, WEIGHT, SQUARES = "ngrams.place", "ngrams.weight", "ngrams.squares"
"""Names of what a file has of the table: the places that have learned, their vectors and sums."""


class Ngrams(nn.Module):
    """The table: `PLACES` vectors of V weights, all zero at first.

    Memory that nobody has touched takes no room, so only places that learned count.
    """

    table: Tensor
    squares: Tensor

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.characters = characters
        self.register_buffer("table", torch.from_numpy(np.zeros((PLACES, characters), np.float32)))
        self.register_buffer("squares", torch.zeros(PLACES))
        self.read: list[tuple[Tensor, Tensor]] = []

    def start(self, batch: int) -> tuple[Tensor]:
        """Return the characters before texts that have not begun, (B, `LONGEST` - 1)."""
        past = torch.full((batch, LONGEST - 1), self.characters)
        return (past.to(self.table.device),)

    def forward(
        self, ids: Tensor, past: Tensor, ages: NDArray[np.int32] | None
    ) -> tuple[Tensor, tuple[Tensor]]:
        """Return what is added to the logits, (T, B, V) for ``ids`` (B, T), and their last ones."""
        read, before = ids.cpu().numpy(), past.long().cpu().numpy()
        at = places(read, before, self.characters, ages).transpose(1, 0, 2)
        rows = torch.from_numpy(np.ascontiguousarray(at)).to(self.table.device).flatten(0, 1)
        added = functional.embedding_bag(rows, self.table, mode="sum")
        if self.training:
            self.read.append((rows, added.requires_grad_()))
        after = torch.from_numpy(np.ascontiguousarray(latest(read, before, self.characters))).to(
            past.device
        )
        return added.view(ids.shape[1], ids.shape[0], -1), (after,)

    @torch.no_grad()
    def learn(
        self, characters: float, share: float, longest: int = LONGEST, ranks: Ranks = ALONE
    ) -> None:
        """Learn from the gradient of the mean over so many characters, after its backward passes.

        Args:
            share: of the highest rate.
            longest: characters of the longest context that learns.
            ranks: who learn together; each learns what all have read.
        """
        places, gradients = [], []
        for rows, added in self.read:
            assert added.grad is not None
            places.append(rows[:, :longest])
            gradients.append(added.grad * characters)
        self.read.clear()
        flat = ranks.joined(torch.cat(places)).flatten()
        gradient = ranks.joined(torch.cat(gradients))
        self.squares.index_add_(0, flat, gradient.square().mean(1).repeat_interleave(longest))
        step = (-share * RATE) / self.squares[flat].sqrt().clamp_min(1e-8)
        self.table.index_add_(0, flat, gradient.repeat_interleave(longest, 0) * step[:, None])

    def learned(self) -> Tensor:
        """Return the places that have learned; the first place always is one."""
        known = self.squares > UNTOUCHED
        known[0] = True
        return known.nonzero()[:, 0]

    def arrays(self) -> dict[str, Floats]:
        """Return the places that have learned and their vectors, as in a checkpoint."""
        found = self.learned()
        return {
            PLACE: found.float().cpu().numpy().copy(),
            WEIGHT: self.table[found].float().cpu().numpy().copy(),
        }

    def moments(self) -> dict[str, Floats]:
        """Return the sums of squares of the places that have learned."""
        return {SQUARES: self.squares[self.learned()].cpu().numpy().copy()}

    def restore(self, moments: Mapping[str, Floats]) -> None:
        """Set the sums of squares of the places that were assigned."""
        self.squares[self.learned()] = torch.from_numpy(moments[SQUARES]).to(self.squares.device)

    @torch.no_grad()
    def assign(self, arrays: Mapping[str, Floats]) -> None:
        """Set all places from a checkpoint."""
        found = torch.from_numpy(arrays[PLACE]).long().to(self.table.device)
        # To set the rest to zero as well would touch all the memory.
        self.table[self.learned()] = 0
        self.table[found] = torch.from_numpy(arrays[WEIGHT]).to(self.table.device)
        self.squares.fill_(UNTOUCHED)
        self.squares[found] = KNOWN
