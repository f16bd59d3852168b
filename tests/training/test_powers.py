"""How much counts weigh beside the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from chargen.kernels import Weighed
from chargen.ranks import Ranks
from chargen.text.ngrams import CASES, USUAL
from chargen.training import powers
from chargen.training.powers import PRIOR, Sample, best_powers

V = 4
START = np.full((CASES, 2), USUAL, np.float32)


Said = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Logits of two predictors (B, T, V), cases and targets (B, T)."""


def part(places: int, seed: int = 1) -> Said:
    """Return what two predictors say, and targets that the first of them knows better."""
    random = np.random.default_rng(seed)
    own, logs = random.normal(0, 2, (2, 2, places, V)).astype(np.float32)
    targets = np.argmax(own + 0.3 * logs + random.gumbel(size=own.shape), axis=-1)
    return own, logs, random.integers(0, 3, targets.shape).astype(np.uint8), targets


def offer(sample: Sample, said: Said) -> None:
    """Offer all places to a sample."""
    own, logs, cases, targets = said
    kept = sample.which(targets)
    nothing = np.zeros(0)
    sample.add(
        Weighed(
            nats=nothing,
            hits=nothing,
            cases=cases,
            alpha=nothing,
            logits=nothing,
            kept=np.where(kept, 0, -1),
            own=own[kept],
            logs=logs[kept],
        ),
        targets,
    )


def cost(found: np.ndarray, said: Said) -> float:
    """Return the nats of targets at some powers, and what holds the powers at the usual ones."""
    own, logs, cases, targets = (torch.from_numpy(one) for one in said)
    raised = torch.from_numpy(found.astype(np.float32))[cases.long()]
    logits = raised[..., :1] * own + raised[..., 1:] * logs
    nats = -logits.log_softmax(-1).gather(-1, targets[..., None]).sum()
    return float(nats) + PRIOR / 2 * float(((found - USUAL) ** 2).sum())


def test_no_other_powers_are_better() -> None:
    """A step from the best powers in any direction, in any case, costs more."""
    said = part(800)
    sample = Sample(V, 1600)
    offer(sample, said)
    found = best_powers(sample, START)
    least = cost(found, said)
    assert least < cost(START, said) - 10
    for case in range(3):
        for step in ((0.05, 0), (-0.05, 0), (0, 0.05), (0, -0.05), (0.05, -0.05), (-0.05, 0.05)):
            other = found.copy()
            other[case] += step
            assert cost(other, said) > least
    np.testing.assert_allclose(found[3:], START[3:], atol=1e-6)


def test_the_search_may_begin_anywhere() -> None:
    """From far away it comes to the same powers."""
    said = part(400)
    sample = Sample(V, 800)
    offer(sample, said)
    found = [best_powers(sample, np.full_like(START, start)) for start in (0.0, 0.5, 3.0)]
    np.testing.assert_allclose(found[0], found[1], atol=2e-3)
    np.testing.assert_allclose(found[2], found[1], atol=2e-3)


def test_a_long_text_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of known characters each n-th is kept, wherever windows end; others are passed over."""
    monkeypatch.setattr(powers, "PLACES", 34)
    own, logs, cases, targets = part(50)
    targets[0, 3], targets[1, 7] = V, -100
    whole, halves = Sample(V, 100), Sample(V, 100)
    kept = whole.which(targets)
    ends = [halves.which(targets[:, steps]) for steps in (slice(0, 21), slice(21, 50))]
    np.testing.assert_array_equal(np.concatenate(ends, axis=1), kept)
    known = (targets >= 0) & (targets < V)
    assert not kept[~known].any()
    np.testing.assert_array_equal(np.flatnonzero(kept.T[known.T]), np.arange(0, 98, 3))
    again = Sample(V, 100)
    offer(again, (own, logs, cases, targets))
    np.testing.assert_array_equal(torch.cat(again.targets), targets[kept])


@pytest.mark.parametrize("stride", [2, 4, 6, 8])
@pytest.mark.parametrize("lanes", [1, 4, 6])
def test_all_lanes_are_sampled_alike(stride: int, lanes: int) -> None:
    """However the stride and the number of lanes go together."""
    places = 720
    sample = Sample(lanes, places * lanes)
    sample.stride = stride
    kept = sample.which(np.tile(np.arange(lanes)[:, None], places)).sum(axis=1)
    assert kept.min() >= kept.max() - 1 > 60


def test_ranks_find_them_together() -> None:
    """Two that have the same places find what one finds that has all places twice."""

    class Two(Ranks):
        def summed(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
            return 2 * array

    said = part(200)
    mine, whole = Sample(V, 400), Sample(V, 800)
    for sample in (mine, whole, whole):
        offer(sample, said)
    found = best_powers(mine, START, Two())
    np.testing.assert_allclose(found, best_powers(whole, START), atol=1e-5)
