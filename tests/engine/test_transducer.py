"""The network of pairs in both engines, and against its definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.architecture import ATTENTIONS, FAMILIES
from chargen.checkpoint import Checkpoint
from chargen.networks.base import build
from chargen.networks.transducer import Transducer, summed_paths
from chargen.tasks.translating import translator
from chargen.text.pair_form import Pair
from chargen.text.pair_windows import Coder
from tests.conftest import pair_checkpoint

EXAMPLES = [
    Pair("abca", ("F",), ("x", "a", "b")),
    Pair("dbq", ("G", "F"), ("b", "q")),
    Pair("ddddddb", (), ("b",)),
    Pair("c", (), ()),
]
"""Of different lengths; one has a character that nobody knows and that is copied."""


def torch_nats(saved: Checkpoint, pairs: list[Pair]) -> np.ndarray:
    """Return what PyTorch charges."""
    coder = Coder(saved.vocabulary)
    network = build(saved.architecture, len(saved.vocabulary)).eval()
    network.assign(saved.weights)
    assert isinstance(network, Transducer)
    window = coder.window([coder.encoded(pair) for pair in pairs])
    with torch.no_grad():
        nats: np.ndarray = network.nats(network.placed(window)).numpy()
    return nats


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("arch", sorted(FAMILIES))
def test_the_engines_agree(arch: str, attention: str, layers: int) -> None:
    """On what targets cost, whatever the lengths of those beside them."""
    saved = pair_checkpoint(arch, attention, layers)
    mine = np.array(translator([("m", saved)]).costs(EXAMPLES))
    theirs = torch_nats(saved, EXAMPLES)
    if attention == "none":
        # One vector has no place from which a character could be copied.
        assert mine[1] == np.inf
        mine, theirs = np.delete(mine, 1), np.delete(theirs, 1)
    np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)
    alone = [torch_nats(saved, [pair])[0] for pair in EXAMPLES]
    np.testing.assert_allclose(torch_nats(saved, EXAMPLES), alone, rtol=1e-4)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_the_probabilities_of_all_targets_sum_to_one(attention: str) -> None:
    """All targets up to a length, and all that are longer, by what their beginnings leave."""
    saved = pair_checkpoint("gru", attention, seed=3)
    turns = translator([("m", saved)])
    symbols = saved.vocabulary.symbols
    assert symbols is not None
    ended = [
        Pair("bd", ("F",), target)
        for length in range(3)
        for target in itertools.product("abxd", repeat=length)
    ]
    total = sum(np.exp(-np.array(turns.costs(ended))))
    going = 0.0
    writer, _ = turns.writer([Pair("bd", ("F",))])
    logs = writer.next()[0, 0]
    ids = [index for index in range(len(logs)) if index != symbols.end]
    for first in ids:
        writer, _ = turns.writer([Pair("bd", ("F",))])
        here = np.zeros((1, 1), dtype=np.intp)
        one = writer.next()[0, 0, first]
        if one < -600:
            continue
        writer.choose(here, here + first)
        two = writer.next()[0, 0]
        for second in ids:
            if two[second] < -600:
                continue
            again, _ = turns.writer([Pair("bd", ("F",))])
            for choice in (first, second):
                again.next()
                again.choose(here, here + choice)
            left = 1 - np.exp(again.next()[0, 0, symbols.end])
            going += np.exp(one + two[second]) * left
    assert total + going == pytest.approx(1, abs=1e-6)


@settings(max_examples=30)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 1 << 30))
def test_all_ways_through_a_source_are_summed(time: int, places: int, seed: int) -> None:
    """The dynamic programme gives the sum over all sequences of places that never go back."""
    random = np.random.default_rng(seed)
    scores, emitted = random.normal(0, 2, (2, time, places))
    total = 0.0
    for way in itertools.combinations_with_replacement(range(places), time):
        chance, last = 1.0, 0
        for t, place in enumerate(way):
            reach = np.exp(scores[t, last:])
            chance *= np.exp(scores[t, place]) / reach.sum() * np.exp(emitted[t, place])
            last = place
        total += chance
    found = summed_paths(
        torch.tensor(scores)[None],
        torch.tensor(emitted)[None],
        torch.ones(1, time, dtype=torch.bool),
    )
    assert float(found) == pytest.approx(np.log(total), abs=1e-9)


def test_attention_is_a_share_of_each_place() -> None:
    """Of each symbol, over the characters of the source; monotonic attention moves forward."""
    for attention in ("monotonic", "soft"):
        turns = translator([("m", pair_checkpoint("lstm", attention))])
        shares = turns.looked(Pair("abcd", (), ("x", "a", "b", "b")))
        assert shares.shape == (4, 4)
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)


def test_gradients_are_those_of_differences() -> None:
    """The gradient of a target's nats by some weights, in double precision."""
    for attention in ATTENTIONS:
        saved = pair_checkpoint("gru", attention)
        coder = Coder(saved.vocabulary)
        network = build(saved.architecture, len(saved.vocabulary))
        network.assign(saved.weights)
        assert isinstance(network, Transducer)
        window = coder.window([coder.encoded(pair) for pair in (EXAMPLES[0], EXAMPLES[2])])
        batch = network.placed(window)
        nats, _ = network.cost(batch, [])
        torch.autograd.backward(nats)
        for name in ("left.weight", "query.weight", "place.weight", "output.bias"):
            weight = dict(network.named_parameters())[name]
            assert weight.grad is not None
            flat, slope = weight.data.view(-1), weight.grad.view(-1)
            at = int(slope.abs().argmax())
            kept, values = float(flat[at]), []
            for step in (1e-2, -1e-2):
                flat[at] = kept + step
                with torch.no_grad():
                    values.append(float(network.cost(batch, [])[0]))
            flat[at] = kept
            slope_by_difference = (values[0] - values[1]) / 2e-2
            assert slope_by_difference == pytest.approx(float(slope[at]), rel=0.05, abs=0.02)
