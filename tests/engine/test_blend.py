"""Several models as one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.engine.blend import WAYS, Blend, together
from chargen.engine.causal import Causal
from chargen.engine.language_model import read
from chargen.engine.likelihood import character_nats, log_softmax, with_escape
from chargen.text.vocabulary import SCALARS, Vocabulary
from tests.conftest import tiny_checkpoint

FIRST, SECOND = Vocabulary("abcd", 0.1), Vocabulary("cdeé", 0.02)
ENGINES = [
    Causal(saved.architecture, saved.weights)
    for saved in (tiny_checkpoint("abcd"), tiny_checkpoint("cdeé", arch="gru", layers=2))
]


def blended(share: float, way: str = "probabilities") -> tuple[Blend, Vocabulary]:
    """Return a blend of two models of other kinds, layers and vocabularies."""
    weights = [share, 1 - share]
    vocabulary = together([FIRST, SECOND], weights)
    parts = list(zip(ENGINES, [FIRST, SECOND], weights, strict=True))
    return Blend(parts, vocabulary, way), vocabulary


def probability(engine: Causal, vocabulary: Vocabulary, text: str, after: str) -> float:
    """Return what one model gives a character after a text."""
    logits, _ = read(engine, vocabulary.encode(text))
    if after not in vocabulary.characters:
        return math.exp(-vocabulary.unknown_nats)
    shares = np.exp(log_softmax(logits[0].astype(np.float64)))
    return float(shares[vocabulary.encode(after)[0]] * (1 - vocabulary.escape))


@given(
    text=st.text("abcdeéx", max_size=6),
    after=st.sampled_from("abcdeéx"),
    share=st.floats(0.05, 0.95),
)
def test_a_blend_is_the_mean_of_probabilities(text: str, after: str, share: float) -> None:
    """Of every character, also of those that one model lacks, or that both lack."""
    model, vocabulary = blended(share)
    ids = [vocabulary.encode(text)], [vocabulary.encode(after)]
    nats = with_escape(vocabulary, ids[1][0], character_nats(model, *ids)[0])
    parts = zip(ENGINES, [FIRST, SECOND], [share, 1 - share], strict=True)
    wanted = sum(weight * probability(engine, own, text, after) for engine, own, weight in parts)
    assert math.exp(-float(nats[0])) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("way", WAYS)
@given(text=st.text("abcdeé", max_size=6))
def test_probabilities_of_all_characters_sum_to_one(way: str, text: str) -> None:
    """Those that are known, and all others of Unicode with the escape."""
    model, vocabulary = blended(0.3, way)
    logits, _ = read(model, vocabulary.encode(text))
    shares = np.exp(log_softmax(logits[0].astype(np.float64))) * (1 - vocabulary.escape)
    others = (SCALARS - len(vocabulary)) * math.exp(-vocabulary.unknown_nats)
    assert shares.sum() + others == pytest.approx(1, abs=1e-9)


def test_logits_need_all_models_to_agree() -> None:
    """The geometric mean of the probabilities, up to a factor."""
    model, vocabulary = blended(0.3, "logits")
    logits, _ = read(model, vocabulary.encode("ab"))
    wanted = [
        probability(ENGINES[0], FIRST, "ab", one) ** 0.3
        * probability(ENGINES[1], SECOND, "ab", one) ** 0.7
        for one in vocabulary.characters
    ]
    shares = np.exp(log_softmax(logits[0].astype(np.float64)))
    np.testing.assert_allclose(shares, np.array(wanted) / sum(wanted), rtol=1e-5)


def test_a_blend_carries_the_state_of_each_model() -> None:
    """Step by step as in one call, and in rows that are picked."""
    model, vocabulary = blended(0.5)
    ids = np.array([vocabulary.encode("abcde"), vocabulary.encode("edcba")])
    whole, _ = model.forward(ids, model.start(2))
    state = model.start(2)
    for t in range(5):
        step, state = model.forward(ids[:, t : t + 1], state)
        np.testing.assert_allclose(step[:, 0], whole[:, t], rtol=1e-4, atol=1e-5)
