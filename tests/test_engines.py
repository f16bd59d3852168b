"""Two engines, one model: PyTorch, NumPy and torch.nn agree, and nobody sees the future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from chargen.architecture import Architecture
from chargen.engine.causal import Causal as Engine
from chargen.networks.causal import Causal as Network
from chargen.networks.layer import Layer
from tests.conftest import random_weights

V = 9


def ids_of(batch: int, time: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, V + 1, (batch, time)).astype(np.int32)


def pair(architecture: Architecture) -> tuple[Network, Engine]:
    weights = random_weights(architecture, V)
    network = Network(architecture, V).eval()
    network.assign(weights)
    return network, Engine(architecture, weights)


@pytest.mark.parametrize("output", ["wide", "tied", "narrow"])
def test_the_engines_agree(architecture: Architecture, output: str) -> None:
    """Logits of both engines are equal to 1e-4, over windows that carry the state on."""
    if output == "tied":
        architecture = replace(architecture, embed=architecture.hidden, tied=True)
    if output == "narrow":
        architecture = replace(architecture, common=4)
    network, engine = pair(architecture)
    ids = ids_of(3, 50)
    state, numpy_state = network.start(3), engine.start(3)
    for part in np.split(ids, [1, 20, 33], axis=1):
        with torch.no_grad():
            logits, state = network(torch.from_numpy(part), state)
        numpy_logits, numpy_state = engine.forward(part, numpy_state)
        np.testing.assert_allclose(logits.numpy(), numpy_logits, atol=1e-4)


def test_a_window_at_once_is_its_characters_one_by_one(architecture: Architecture) -> None:
    """The engine's window of T characters is T steps of one."""
    _, engine = pair(architecture)
    ids = ids_of(2, 12)
    together, _ = engine.forward(ids, engine.start(2))
    state = engine.start(2)
    for t in range(12):
        logits, state = engine.forward(ids[:, t : t + 1], state)
        np.testing.assert_allclose(logits[:, 0], together[:, t], atol=1e-5)


REFERENCES = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


def test_the_layers_are_those_of_torch(recurrent: Architecture) -> None:
    """The stack computes what torch.nn computes from the same weights, gradients included."""
    network, _ = pair(recurrent)
    reference = REFERENCES[recurrent.arch](
        recurrent.embed, recurrent.hidden, recurrent.layers, batch_first=True
    )
    for layer in range(recurrent.layers):
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            mine = dict(network.named_parameters())[f"layers.{layer}.{kind}"]
            getattr(reference, f"{kind}_l{layer}").data.copy_(mine.data)
    ids = torch.from_numpy(ids_of(4, 30))
    logits, _ = network(ids, network.start(4))
    outputs, _ = reference(network.embedding(ids).detach())
    expected = nn.functional.linear(outputs, network.output.weight, network.output.bias)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)
    logits.square().sum().backward()
    expected_gradients = torch.autograd.grad(expected.square().sum(), list(reference.parameters()))
    for (name, _), gradient in zip(reference.named_parameters(), expected_gradients, strict=True):
        kind, layer = name.rsplit("_l", 1)
        mine = dict(network.named_parameters())[f"layers.{layer}.{kind}"]
        torch.testing.assert_close(mine.grad, gradient, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("engine_name", ["torch", "numpy"])
def test_no_network_sees_the_future(architecture: Architecture, engine_name: str) -> None:
    """Changing character t changes no logit before t, and changes those after."""
    network, engine = pair(architecture)
    ids = ids_of(1, 20)
    changed = ids.copy()
    changed[0, 10] = (ids[0, 10] + 1) % V

    def logits(of: np.ndarray) -> np.ndarray:
        if engine_name == "numpy":
            return engine.forward(of, engine.start(1))[0]
        with torch.no_grad():
            made: np.ndarray = network(torch.from_numpy(of), network.start(1))[0].numpy()
            return made

    before, after = logits(ids), logits(changed)
    assert np.array_equal(before[:, :10], after[:, :10])
    assert (before[:, 10:] != after[:, 10:]).any(axis=(0, 2)).all()


def test_rows_of_a_batch_do_not_mix(architecture: Architecture) -> None:
    """A row's logits do not depend on its neighbours."""
    _, engine = pair(architecture)
    ids = ids_of(5, 9)
    together, _ = engine.forward(ids, engine.start(5))
    alone, _ = engine.forward(ids[2:3], engine.start(1))
    np.testing.assert_allclose(together[2:3], alone, atol=1e-5)


def test_no_character_is_no_input(architecture: Architecture) -> None:
    """The id that stands for "no character" has a zero vector and gets no gradient."""
    network, _ = pair(architecture)
    logits, _ = network(torch.full((1, 3), V), network.start(1))
    logits.sum().backward()
    assert network.embedding.weight.grad is not None
    assert not network.embedding.weight.grad[V].any()


def test_initial_recurrent_weights_are_orthogonal(recurrent: Architecture) -> None:
    """Each gate's recurrent weights begin as a rotation; an LSTM's forget gate begins open."""
    network = Network(recurrent, V, generator=torch.Generator().manual_seed(1))
    size = recurrent.hidden
    layer = network.layers[0]
    assert isinstance(layer, Layer)
    for gate in torch.split(layer.weight_hh, size):
        torch.testing.assert_close(gate @ gate.T, torch.eye(size), atol=1e-5, rtol=1e-5)
    assert layer.bias_ih.sum() == (size if recurrent.arch == "lstm" else 0)


def test_dropout_comes_from_the_generator(architecture: Architecture) -> None:
    """Dropout acts in training only, and is the same again from the same seed."""
    network = Network(architecture, V, dropout=0.5)
    network.assign(random_weights(architecture, V))
    ids = torch.from_numpy(ids_of(2, 6))

    def run(seed: int) -> torch.Tensor:
        network.generator = torch.Generator().manual_seed(seed)
        logits: torch.Tensor = network(ids, network.start(2))[0].detach()
        return logits

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))
    network.eval()
    assert torch.equal(run(1), run(2))


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(dropout: float) -> None:
    """The given share of units is zeroed, and the other units are scaled up to keep the mean."""
    network = Network(Architecture("gru", 1, 4, 4), V, dropout, torch.Generator().manual_seed(0))
    dropped = network.train().drop(torch.ones(100_000))
    assert float((dropped == 0).float().mean()) == pytest.approx(dropout, abs=0.01)
    assert float(dropped.mean()) == pytest.approx(1, abs=0.03)


def test_sizes_follow_from_the_architecture(architecture: Architecture) -> None:
    """The network has exactly the tensors that the architecture promises."""
    network = Network(architecture, V)
    shapes = {name: tuple(value.shape) for name, value in network.named_parameters()}
    assert shapes == architecture.shapes(V)
    assert sum(p.numel() for p in network.parameters()) == architecture.parameters(V)
