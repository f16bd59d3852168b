"""Outputs of a large vocabulary: rare characters share narrow ones, and nothing is approximate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from chargen.architecture import Architecture
from chargen.networks.base import Batch
from chargen.networks.causal import Causal
from chargen.text.windows import PAST
from tests.conftest import random_weights

V, COMMON = 17, 5
ARCHITECTURE = Architecture("gru", 1, 12, 6, common=COMMON)


def made(scale: float = 1.0) -> Causal:
    """Return a network; ``scale`` makes rare characters as a whole more or less likely."""
    network = Causal(ARCHITECTURE, V).eval()
    network.assign(random_weights(ARCHITECTURE, V))
    with torch.no_grad():
        network.output.bias[COMMON] += scale
    return network


def batch(seed: int = 0) -> Batch:
    random = np.random.default_rng(seed)
    ids = torch.from_numpy(random.integers(0, V, (4, 31)))
    return Batch(ids[:, :-1], ids[:, 1:].clone())


def test_probabilities_follow_from_the_definition() -> None:
    """p(rare r) = p(any rare) · p(r if rare), and all sum to one."""
    network, given = made(), batch()
    with torch.no_grad():
        logits, _ = network(given.inputs, network.start(4))
        x, wide, _ = network.wide(given.inputs, network.start(4))
    found = logits.softmax(-1)
    together = wide.softmax(-1).transpose(0, 1)
    which = network.rare(network.narrow(x)).softmax(-1).transpose(0, 1)
    torch.testing.assert_close(found[..., :COMMON], together[..., :COMMON])
    torch.testing.assert_close(found[..., COMMON:], together[..., COMMON:] * which)
    torch.testing.assert_close(found.sum(-1), torch.ones(4, 30))


@pytest.mark.parametrize("scale", [-3.0, 0.0, 2.0, 6.0])
def test_charges_are_those_of_all_logits(scale: float) -> None:
    """Nats and hits are the same, though logits are made only where they can matter."""
    network, given = made(scale), batch()
    with torch.no_grad():
        logits, _ = network(given.inputs, network.start(4))
        nats, hits, _ = network.charge(given, network.start(4))
    expected = functional.cross_entropy(
        logits.flatten(0, 1), given.targets.flatten(), reduction="none"
    )
    torch.testing.assert_close(nats.flatten(), expected)
    assert torch.equal(hits, logits.argmax(-1) == given.targets)


def test_the_likeliest_character_is_a_hit() -> None:
    """Where targets are the likeliest characters, all of them are hits, rare ones too."""
    given, seen = batch(), set()
    for scale in (2.0, 4.0):
        network = made(scale)
        with torch.no_grad():
            logits, _ = network(given.inputs, network.start(4))
            targets = logits.argmax(-1)
            _, hits, _ = network.charge(Batch(given.inputs, targets), network.start(4))
        assert hits.all()
        seen |= set((targets >= COMMON).flatten().tolist())
    assert seen == {False, True}


def test_the_cost_and_its_gradient_are_those_of_all_logits() -> None:
    """What training uses is the sum of the same charges; targets that are past cost nothing."""
    network, given = made(), batch()
    given.targets[0, 20:] = PAST
    cost, _ = network.cost(given, network.start(4))
    torch.autograd.backward(cost)
    gradients = {name: one.grad for name, one in network.named_parameters()}
    network.zero_grad(set_to_none=True)
    logits, _ = network(given.inputs, network.start(4))
    expected = functional.cross_entropy(
        logits.flatten(0, 1), given.targets.flatten(), ignore_index=PAST, reduction="sum"
    )
    torch.autograd.backward(expected)
    torch.testing.assert_close(cost, expected)
    for name, one in network.named_parameters():
        torch.testing.assert_close(gradients[name], one.grad, atol=1e-4, rtol=1e-3)
