"""How much counts weigh beside the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from chargen.networks.causal import Apart
from chargen.ranks import Ranks
from chargen.text.ngrams import CASES, USUAL
from chargen.training import powers
from chargen.training.powers import PRIOR, Sample, best_powers

V = 4
START = np.full((CASES, 2), USUAL, np.float32)


def part(places: int, seed: int = 1) -> tuple[Apart, torch.Tensor]:
    """Return what two predictors say, and targets that the first of them knows better."""
    random = np.random.default_rng(seed)
    own, logs = random.normal(0, 2, (2, places, 2, V)).astype(np.float32)
    targets = np.argmax(own + 0.3 * logs + random.gumbel(size=own.shape), axis=-1)
    cases = random.integers(0, 3, targets.shape).astype(np.uint8)
    said = Apart(slice(0, places), torch.from_numpy(own), torch.from_numpy(logs), cases, after=[])
    return said, torch.from_numpy(targets)


def cost(found: np.ndarray, said: Apart, targets: torch.Tensor) -> float:
    """Return the nats of targets at some powers, and what holds the powers at the usual ones."""
    raised = torch.from_numpy(found[said.cases].astype(np.float32))
    logits = raised[..., :1] * said.own + raised[..., 1:] * said.logs
    nats = -logits.log_softmax(-1).gather(-1, targets[..., None]).sum()
    return float(nats) + PRIOR / 2 * float(((found - USUAL) ** 2).sum())


def test_no_other_powers_are_better() -> None:
    """A step from the best powers in any direction, in any case, costs more."""
    said, targets = part(800)
    sample = Sample(V, 1600)
    sample.add(said, targets)
    found = best_powers(sample, START)
    least = cost(found, said, targets)
    assert least < cost(START, said, targets) - 10
    for case in range(3):
        for step in ((0.05, 0), (-0.05, 0), (0, 0.05), (0, -0.05), (0.05, -0.05), (-0.05, 0.05)):
            other = found.copy()
            other[case] += step
            assert cost(other, said, targets) > least
    np.testing.assert_allclose(found[3:], START[3:], atol=1e-6)


def test_the_search_may_begin_anywhere() -> None:
    """From far away it comes to the same powers."""
    said, targets = part(400)
    sample = Sample(V, 800)
    sample.add(said, targets)
    found = [best_powers(sample, np.full_like(START, start)) for start in (0.0, 0.5, 3.0)]
    np.testing.assert_allclose(found[0], found[1], atol=2e-3)
    np.testing.assert_allclose(found[2], found[1], atol=2e-3)


def test_a_long_text_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of known characters each n-th is kept, wherever windows end; others are passed over."""
    monkeypatch.setattr(powers, "PLACES", 34)
    said, targets = part(50)
    targets[3], targets[7, 0] = V, -100
    known = targets[(targets >= 0) & (targets < V)]
    whole, halves = Sample(V, 100), Sample(V, 100)
    whole.add(said, targets)
    for rows in (slice(0, 21), slice(21, 50)):
        cut = Apart(rows, said.own[rows], said.logs[rows], said.cases[rows], [])
        halves.add(cut, targets[rows])
    assert torch.equal(torch.cat(whole.targets), known[::3])
    assert torch.equal(torch.cat(halves.targets), known[::3])


@pytest.mark.parametrize("stride", [2, 4, 6, 8])
@pytest.mark.parametrize("lanes", [1, 4, 6])
def test_all_lanes_are_sampled_alike(stride: int, lanes: int) -> None:
    """However the stride and the number of lanes go together."""
    places = 720
    sample = Sample(lanes, places * lanes)
    sample.stride = stride
    numbers = torch.arange(lanes).expand(places, lanes)
    nothing = torch.zeros(places, lanes, lanes)
    sample.add(
        Apart(slice(0, places), nothing, nothing, np.zeros((places, lanes), np.uint8), []), numbers
    )
    kept = torch.cat(sample.targets).bincount(minlength=lanes)
    assert kept.min() >= kept.max() - 1 > 60


def test_ranks_find_them_together() -> None:
    """Two that have the same places find what one finds that has all places twice."""

    class Two(Ranks):
        def summed(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
            return 2 * array

    said, targets = part(200)
    mine, whole = Sample(V, 400), Sample(V, 800)
    for sample in (mine, whole, whole):
        sample.add(said, targets)
    found = best_powers(mine, START, Two())
    np.testing.assert_allclose(found, best_powers(whole, START), atol=1e-5)
