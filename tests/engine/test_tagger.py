"""The networks that mark texts: both engines, and the chain against all its sequences."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.architecture import FAMILIES
from chargen.engine.tagger import Chain, totals, viterbi
from chargen.networks.base import build
from chargen.networks.tagger import Marker, chain_nats
from chargen.tasks.mending import Mender
from chargen.tasks.tagging import Tagger
from chargen.text.mark_windows import MendCoder, TagCoder
from chargen.text.marking import BEGIN, INSIDE, OUTSIDE
from chargen.text.tagged import Tagged
from chargen.text.windows import PAST
from tests.conftest import mend_checkpoint, tag_checkpoint

TEXTS = [
    Tagged("abc dé", ((0, 2, "X"), (4, 6, "Y"))),
    Tagged("d"),
    Tagged("ab abca", ((3, 7, "Y"),)),
]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("arch", sorted(FAMILIES))
def test_the_engines_agree(arch: str, layers: int) -> None:
    """On what marks cost, whatever the lengths of the texts beside."""
    saved = tag_checkpoint(arch, layers)
    network = build(saved.architecture, len(saved.vocabulary)).eval()
    network.assign(saved.weights)
    assert isinstance(network, Marker)
    coder = TagCoder(saved.vocabulary)
    window = coder.window([coder.encoded(text) for text in TEXTS])
    with torch.no_grad():
        nats, _ = network.cost(network.placed(window), [])
    total = sum(cost for _, cost in Tagger("m", saved).compared(TEXTS))
    assert total == pytest.approx(float(nats), rel=1e-4)


def test_the_engines_agree_on_mending() -> None:
    """Here each character is marked alone."""
    saved = mend_checkpoint()
    network = build(saved.architecture, len(saved.vocabulary)).eval()
    network.assign(saved.weights)
    coder = MendCoder(saved.vocabulary)
    right = "Abc dá Ab"
    with torch.no_grad():
        nats, _ = network.cost(network.placed(coder.window([coder.encoded(right)])), [])
    score = Mender("m", saved).score(right)
    assert score.nats == pytest.approx(float(nats), rel=1e-4)


@settings(max_examples=40)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1 << 30))
def test_a_chain_is_what_its_sequences_are(time: int, marks: int, seed: int) -> None:
    """Sum, costs, best and spans, against all sequences one by one."""
    random = np.random.default_rng(seed)
    scores, transition = random.normal(0, 2, (time, marks)), random.normal(0, 2, (marks + 1, marks))
    chain = Chain(scores, transition)
    logs = {}
    for way in itertools.product(range(marks), repeat=time):
        first = transition[-1, way[0]] + scores[0, way[0]]
        steps = sum(transition[a, b] for a, b in itertools.pairwise(way))
        logs[way] = first + steps + sum(scores[t, way[t]] for t in range(1, time))
    total = np.logaddexp.reduce(list(logs.values()))
    assert chain.total == pytest.approx(total)
    best = max(logs, key=lambda way: logs[way])
    assert tuple(viterbi([scores], transition)[0].tolist()) == best
    assert chain.nats(best) == pytest.approx(total - logs[best])
    assert totals([scores], transition)[0] == pytest.approx(total)
    ways = torch.tensor(list(logs))
    nats = chain_nats(
        torch.tensor(scores).expand(len(ways), -1, -1), torch.tensor(transition), ways
    )
    np.testing.assert_allclose(nats.numpy(), [total - one for one in logs.values()], atol=1e-9)
    if marks < 3:
        return
    begin, inside = 1, 2
    for start in range(time):
        for end in range(start + 1, time + 1):
            body = (begin, *[inside] * (end - start - 1))
            share = sum(
                np.exp(one - total)
                for way, one in logs.items()
                if way[start:end] == body and (end == time or way[end] != inside)
            )
            assert chain.span(start, end, begin, inside) == pytest.approx(share)


def test_what_fills_up_a_chain_costs_nothing() -> None:
    """A short sequence beside a long one costs what it costs alone."""
    random = np.random.default_rng(0)
    scores, transition = (
        torch.tensor(random.normal(size=(2, 5, 3))),
        torch.tensor(random.normal(size=(4, 3))),
    )
    targets = torch.tensor([[0, 1, 2, 0, 1], [2, 1, PAST, PAST, PAST]])
    both = chain_nats(scores, transition, targets)
    alone = chain_nats(scores[1:, :2], transition, targets[1:, :2])
    assert float(both[1]) == pytest.approx(float(alone))
    rows = [scores[0].numpy(), scores[1, :2].numpy()]
    for number, row in enumerate(rows):
        mine = transition.numpy()
        assert totals(rows, mine)[number] == pytest.approx(totals([row], mine)[0])
        assert viterbi(rows, mine)[number].tolist() == viterbi([row], mine)[0].tolist()


def test_spans_have_probabilities() -> None:
    """Between 0 and 1, at the places where they stand, in texts of any number."""
    tagger = Tagger("m", tag_checkpoint(seed=4))
    texts = ["abcd" * 5, "", "dcba abc"]
    found = list(tagger.tag(texts))
    assert found[1] == []
    for text, spans in zip(texts, found, strict=True):
        for one in spans:
            assert text[one.start : one.end] == one.text
            assert 0 < one.probability <= 1
    for text, spans in zip(texts, found, strict=True):
        alone = next(tagger.tag([text]))
        assert [replace(one, probability=0) for one in alone] == [
            replace(one, probability=0) for one in spans
        ]
        np.testing.assert_allclose(
            [one.probability for one in alone], [one.probability for one in spans], rtol=1e-4
        )
    assert {OUTSIDE, BEGIN + "X", INSIDE + "Y"} <= set(tagger.marking.marks)
