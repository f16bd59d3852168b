"""Weights of n-grams, in both engines and in training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from chargen.architecture import Architecture
from chargen.engine.causal import Causal as Engine
from chargen.networks.causal import Causal as Network
from chargen.networks.ngrams import Ngrams
from chargen.text.contexts import LONGEST, RATE, places
from tests.conftest import random_weights

V = 9


def test_the_engines_agree(architecture: Architecture) -> None:
    """Logits of both engines are equal to 1e-4, and the n-grams have a part in them."""
    architecture = replace(architecture, ngrams=200)
    weights = random_weights(architecture, V)
    network, engine = Network(architecture, V).eval(), Engine(architecture, weights)
    network.assign(weights)
    without = Engine(replace(architecture, ngrams=0), weights)
    ids = np.random.default_rng(1).integers(0, V + 1, (3, 50)).astype(np.int32)
    differences = []
    state, numpy_state, other = network.start(3), engine.start(3), without.start(3)
    for part in np.split(ids, [1, 20, 33], axis=1):
        with torch.no_grad():
            logits, state = network(torch.from_numpy(part), state)
        numpy_logits, numpy_state = engine.forward(part, numpy_state)
        np.testing.assert_allclose(logits.numpy(), numpy_logits, atol=1e-4)
        plain, other = without.forward(part, other)
        differences.append(np.abs(plain - numpy_logits).max())
    assert max(differences) > 0.1


def test_what_is_stored_is_what_was_learned() -> None:
    """A network made from the arrays of another one gives the same logits."""
    architecture = Architecture("gru", 1, 8, 4, ngrams=1)
    network = Network(architecture, V, generator=torch.Generator().manual_seed(1))
    ids = torch.randint(0, V, (2, 30), generator=torch.Generator().manual_seed(2))
    logits, _ = network(ids, network.start(2))
    torch.autograd.backward(functional.cross_entropy(logits.flatten(0, 1), ids.flatten()))
    network.learn(60, 1.0, LONGEST + 1)
    network.eval()
    arrays = network.arrays()
    assert network.grown().ngrams == len(arrays["ngrams.place"]) > 30
    copy = Network(network.grown(), V).eval()
    copy.assign(arrays)
    copy.restore(network.moments())
    with torch.no_grad():
        mine, theirs = (one(ids, one.start(2))[0] for one in (network, copy))
    torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    for name, moment in network.moments().items():
        np.testing.assert_array_equal(copy.moments()[name], moment)


@pytest.mark.parametrize("longest", [LONGEST, 4])
def test_a_step_is_adagrads(longest: int) -> None:
    """A vector moves against its gradient, by the rate over the root of the sum of squares.

    Those of longer contexts than the longest that is to learn stay as they are.
    """
    ngrams, targets = Ngrams(V), torch.tensor([[3, 5, 3]])
    ids = torch.tensor([[1, 1, 1]])
    start = ngrams.start(1)
    for _ in range(2):
        added, _ = ngrams(ids, *start, None)
        torch.autograd.backward(functional.cross_entropy(added[:, 0], targets[0]))
        ngrams.learn(3, 0.5, longest)
    table, squares = np.zeros((1 << 20, V)), np.zeros(1 << 20)
    at = places(ids.numpy(), start[0].numpy(), V)[0]
    assert at.shape == (3, LONGEST)
    at = at[:, :longest]
    for _ in range(2):
        logits = table[at].sum(1)
        powers = np.exp(logits)
        gradient = powers / powers.sum(1, keepdims=True) - np.eye(V)[targets[0].numpy()]
        np.add.at(squares, at, (gradient**2).mean(1)[:, None].repeat(longest, 1))
        step = 0.5 * RATE / np.sqrt(squares[at])
        np.add.at(table, at, -step[..., None] * gradient[:, None])
    arrays = ngrams.arrays()
    found = arrays["ngrams.place"].astype(int)
    assert set(at.flatten()) <= set(found)
    np.testing.assert_allclose(arrays["ngrams.weight"], table[found], atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_only_training_learns(training: bool) -> None:
    """A forward pass outside training leaves nothing to learn from."""
    ngrams = Ngrams(V).train(training)
    ngrams(torch.tensor([[1, 2]]), *ngrams.start(1), None)
    assert len(ngrams.read) == training
