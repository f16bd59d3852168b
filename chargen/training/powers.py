"""How much counts weigh beside the network: the powers of `chargen.text.ngrams`, fitted to text.

The nats of a text are convex in the powers: their slope at a character is what both together expect
of the two logits, less what the character that came has; their curvature is the covariance of the
two. So a few steps of Newton's method find the lowest place.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from chargen.ranks import ALONE, Ranks
from chargen.text.ngrams import CASES, LARGEST_POWER, USUAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chargen.kernels import Weighed

    Ids = NDArray[np.integer]
    Powers = NDArray[np.float32]

PLACES, NUMBERS = 1 << 15, 1 << 23
"""Places of a sample, and logits of each predictor in it (32 MiB): about so many at most."""

PRIOR = 100.0
"""The curvature that holds the powers at the usual ones, where a text has few characters."""

STEPS, LONGEST_STEP, CLOSE = 20, 0.5, 1e-3
"""Of Newton's method: how many, how long each is at most, and how short the last one is."""


class Sample:
    """Places of a text, with what network and counts say of the next character.

    Args:
        characters: of the vocabulary.
        expected: characters that will be offered; of these, about each n-th is kept.
    """

    def __init__(self, characters: int, expected: int) -> None:
        self.characters = characters
        places = max(1, min(PLACES, NUMBERS // characters))
        self.stride = max(1, -(-expected // places))
        self.offered = 0
        self.own, self.logs = [torch.zeros(0, characters)], [torch.zeros(0, characters)]
        self.cases, self.targets = [torch.zeros(0).long()], [torch.zeros(0).long()]

    def which(self, targets: Ids) -> NDArray[np.bool_]:
        """Return which places of targets (B, T) are kept."""
        # Texts lie side by side: if the stride shared a factor with them, some would never be seen.
        while math.gcd(self.stride, len(targets)) > 1:
            self.stride += 1
        flat = targets.T.ravel()
        known = np.flatnonzero((flat >= 0) & (flat < self.characters))
        kept = np.zeros(len(flat), np.bool_)
        kept[known[-self.offered % self.stride :: self.stride]] = True
        self.offered += len(known)
        return kept.reshape(targets.T.shape).T

    def add(self, weighed: Weighed, targets: Ids) -> None:
        """Keep what was made of these places."""
        kept = weighed.kept >= 0
        self.own.append(torch.from_numpy(weighed.own).log_softmax(-1))
        self.logs.append(torch.from_numpy(weighed.logs))
        self.cases.append(torch.from_numpy(weighed.cases[kept]).long())
        self.targets.append(torch.from_numpy(targets[kept]).long())

    def slopes(self, powers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sums for each case (`CASES`, 5) at these powers.

        They are the slope by α and by β, and the curvature: by α twice, by both, by β twice.
        """
        for parts in (self.own, self.logs, self.cases, self.targets):
            parts[:] = [torch.cat(parts)]
        logits = torch.stack((*self.own, *self.logs))
        (cases,), (targets,) = self.cases, self.targets
        raised = torch.from_numpy(powers).float()[cases].t()[..., None]
        likely = (raised * logits).sum(0).softmax(-1)
        right = logits.gather(-1, targets.expand(2, -1)[..., None])[..., 0]
        # Less the target's: what is squared is small then, and loses nothing.
        logits -= right[..., None]
        alpha, beta = (likely * logits).sum(-1)
        squares = [(likely * one * other).sum(-1) for one, other in _pairs(*logits)]
        means = [one * other for one, other in _pairs(alpha, beta)]
        each = torch.stack((alpha, beta, *(a - b for a, b in zip(squares, means, strict=True))))
        sums = torch.zeros(5, CASES, dtype=torch.float64)
        return sums.index_add_(1, cases, each.double()).t().numpy()


def _pairs(one: Tensor, other: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
    return (one, one), (one, other), (other, other)


def best_powers(sample: Sample, start: Powers, ranks: Ranks = ALONE) -> Powers:
    """Return the powers (`CASES`, 2) at which a sample costs least, or nearly.

    Args:
        start: where the search begins.
        ranks: that have samples of other places; all get the same powers.
    """
    powers = start.astype(np.float64)
    for _ in range(STEPS):
        sums = ranks.summed(sample.slopes(powers))
        slope = sums[:, :2] + PRIOR * (powers - USUAL)
        curvature = sums[:, [2, 3, 3, 4]].reshape(-1, 2, 2) + PRIOR * np.eye(2)
        step = np.linalg.solve(curvature, slope[..., None])[..., 0]
        lengths = np.linalg.norm(step, axis=1, keepdims=True)
        step *= np.minimum(1, LONGEST_STEP / np.maximum(lengths, CLOSE))
        powers = np.clip(powers - step, -LARGEST_POWER, LARGEST_POWER)
        if np.abs(step).max() < CLOSE:
            break
    return powers.astype(np.float32)
