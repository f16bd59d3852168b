"""A network beside what was counted, in both engines and in training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from chargen.architecture import NGRAMS, Architecture, below
from chargen.engine.causal import Causal as Engine
from chargen.kernels import Weighed
from chargen.networks.base import Batch
from chargen.networks.causal import Causal as Network
from chargen.networks.causal import _slopes
from chargen.text.ngrams import Ngrams
from tests.conftest import random_weights, sized

V = 9


@pytest.mark.parametrize("common", [0, 4])
def test_the_engines_agree(architecture: Architecture, common: int) -> None:
    """Logits of both are equal to 1e-4, and are those of the network and of what was counted."""
    architecture = replace(architecture, ngrams=20, common=common)
    weights = random_weights(architecture, V)
    network, engine = Network(architecture, V).eval(), Engine(architecture, weights)
    network.assign(weights)
    assert engine.ngrams is not None
    alone = Engine(replace(architecture, ngrams=0), weights)
    ids = np.random.default_rng(1).integers(0, V + 1, (3, 50)).astype(np.int32)
    state, numpy_state, other = network.start(3), engine.start(3), alone.start(3)
    past = engine.ngrams.start(3)
    for part in np.split(ids, [1, 20, 33], axis=1):
        with torch.no_grad():
            logits, state = network(torch.from_numpy(part), state)
        numpy_logits, numpy_state = engine.forward(part, numpy_state)
        np.testing.assert_allclose(logits.numpy(), numpy_logits, atol=1e-4)
        plain, other = alone.forward(part, other)
        logs, cases, past = engine.ngrams.forward(part, *past)
        alpha, beta = np.moveaxis(weights["ngrams.powers"][cases], -1, 0)
        whole = alpha[..., None] * plain + beta[..., None] * logs
        np.testing.assert_allclose(numpy_logits, whole, atol=1e-4)


@pytest.mark.parametrize("common", [0, 4])
def test_a_charge_is_that_of_the_logits(
    architecture: Architecture, common: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nats, hits and state of a window, however many logits are made at once."""
    monkeypatch.setattr("chargen.networks.causal.LOGITS", 40)
    architecture = replace(architecture, ngrams=20, common=common)
    network = Network(architecture, V).eval()
    network.assign(random_weights(architecture, V))
    random = np.random.default_rng(2)
    ids, targets = (torch.from_numpy(random.integers(0, V, (2, 30))) for _ in range(2))
    with torch.no_grad():
        logits, after = network(ids, network.start(2))
        nats, hits, same = network.charge(Batch(ids, targets), network.start(2))
    wanted = -logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0]
    torch.testing.assert_close(nats, wanted, atol=1e-5, rtol=1e-4)
    assert torch.equal(hits, logits.argmax(-1) == targets)
    for mine, theirs in zip(after, same, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize("common", [0, 4])
def test_a_charge_has_the_slopes_of_both_together(
    common: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By all weights: those of the product of powers, written with PyTorch's operations."""
    monkeypatch.setattr("chargen.networks.causal.LOGITS", 40)
    architecture = Architecture("gru", 1, 8, 4, ngrams=20, common=common)
    network = Network(architecture, V)
    weights = random_weights(architecture, V)
    network.assign(weights)
    random = np.random.default_rng(3)
    ids, targets = random.integers(0, V, (2, 2, 30))
    batch = Batch(torch.from_numpy(ids), torch.from_numpy(targets))
    nats, _, _ = network.charge(batch, network.start(2))
    torch.autograd.backward(nats.sum())
    found = {name: one.grad for name, one in network.named_parameters()}
    network.zero_grad(set_to_none=True)
    x, own, _ = network.wide(batch.inputs, network.start(2))
    own = (network.joined(x, own) if common else own).transpose(0, 1)
    ngrams = Ngrams(below(weights, NGRAMS), V)
    logs, cases, _ = ngrams.forward(ids.astype(np.int32), *ngrams.start(2))
    alpha, beta = torch.from_numpy(ngrams.powers[cases]).unbind(-1)
    logits = alpha[..., None] * own + beta[..., None] * torch.from_numpy(logs)
    expected = -logits.log_softmax(-1).gather(-1, batch.targets[..., None])[..., 0]
    torch.testing.assert_close(nats, expected.float(), atol=1e-5, rtol=1e-4)
    torch.autograd.backward(expected.sum())
    for name, one in network.named_parameters():
        torch.testing.assert_close(found[name], one.grad, atol=1e-4, rtol=1e-3)


def test_slopes_are_rounded_once() -> None:
    """By logits in bfloat16, too: that of a character that was nearly certain is not lost."""
    own = torch.tensor([[[8.0, 1.0, 0.5, 0.25]]], dtype=torch.bfloat16, requires_grad=True)
    logits = np.array([[[9.0, 0.0, 1.0, 0.5]]], np.float32)
    nothing = np.zeros((1, 1))
    weighed = Weighed(
        nats=nothing,
        hits=nothing,
        cases=nothing,
        alpha=np.full((1, 1), 0.83, np.float32),
        logits=logits,
        kept=nothing,
        own=nothing,
        logs=nothing,
    )
    torch.autograd.backward(_slopes([weighed], own, torch.zeros(1, 1).long()).sum())
    likely = np.exp(logits) / np.exp(logits).sum()
    assert own.grad is not None
    expected = 0.83 * (likely - np.eye(4)[0])
    np.testing.assert_allclose(own.grad.float().numpy(), expected, rtol=2**-8)


def test_the_network_learns_alone() -> None:
    """What training makes lower is the cost of the network without what was counted."""
    architecture = Architecture("gru", 1, 8, 4, ngrams=20)
    weights = random_weights(architecture, V)
    both, alone = Network(architecture, V), Network(replace(architecture, ngrams=0), V)
    for network in (both, alone):
        network.eval().assign(weights)
    ids, targets = torch.randint(0, V, (2, 2, 30), generator=torch.Generator().manual_seed(2))
    costs = [one.cost(Batch(ids, targets), one.start(2))[0] for one in (both, alone)]
    assert costs[0] == costs[1]


def test_what_is_stored_is_what_was_counted() -> None:
    """A network made from the arrays of another one gives the same logits."""
    architecture = Architecture("gru", 1, 8, 4, ngrams=20)
    weights = random_weights(architecture, V)
    network = Network(architecture, V).eval()
    assert network.described().ngrams == 0
    network.assign(weights)
    assert network.described() == sized(architecture, weights)
    arrays = network.arrays()
    assert arrays.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(arrays[name], array)
