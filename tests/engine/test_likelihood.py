"""What characters cost: from logits to nats, one by one, with and without the escape."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chargen.architecture import Architecture
from chargen.engine.causal import Causal
from chargen.engine.likelihood import (
    character_nats,
    charge,
    log_softmax,
    sequence_nats,
    with_escape,
)
from chargen.text.vocabulary import SCALARS, Vocabulary
from tests.conftest import probabilities, random_weights

VOCABULARY = Vocabulary("abc", escape=0.25)
LOGITS = arrays.arrays(np.float32, (4, 3), elements=st.floats(-30, 30, width=32))


@given(LOGITS)
def test_log_softmax_is_the_logarithm_of_a_distribution(logits: np.ndarray) -> None:
    """The exponentials of a row sum to one, and order and differences stay."""
    logs = log_softmax(logits)
    np.testing.assert_allclose(np.exp(logs.astype(np.float64)).sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.diff(logs), np.diff(logits), atol=1e-4)


@given(LOGITS, arrays.arrays(np.int32, 4, elements=st.integers(-1, 3)))
def test_a_charge_is_minus_the_logarithm_of_the_probability(
    logits: np.ndarray, ids: np.ndarray
) -> None:
    """Of each id that there is; a hit is an id that no other is above."""
    expected = -np.log(probabilities(logits))
    highest = logits.max(-1)
    nats, hits = charge(logits.copy(), ids)
    for row, index in enumerate(ids.tolist()):
        if 0 <= index < 3:
            assert nats[row] == pytest.approx(expected[row, index], abs=1e-4)
            assert hits[row] == (logits[row, index] == highest[row])


def test_all_of_unicode_has_probability_one() -> None:
    """Known characters share what the escape leaves, and unknown ones share the escape."""
    known = with_escape(VOCABULARY, np.arange(3, dtype=np.int32), np.full(3, math.log(3)))
    (unknown,) = with_escape(VOCABULARY, np.array([VOCABULARY.bos], np.int32), np.zeros(1))
    total = np.exp(-known).sum() + (SCALARS - 3) * math.exp(-unknown)
    assert total == pytest.approx(1)


@given(st.lists(st.tuples(st.text("abc€", max_size=6), st.text("abc€", max_size=9)), min_size=1))
def test_each_character_is_charged_after_what_was_given(pairs: list[tuple[str, str]]) -> None:
    """Side by side or alone, whatever stands before; an unknown character costs nothing here."""
    architecture = Architecture("lstm", 1, 5, 4)
    model = Causal(architecture, random_weights(architecture, 3))
    given_, charged = (
        [VOCABULARY.encode(text) for text in texts] for texts in zip(*pairs, strict=True)
    )
    found = character_nats(model, given_, charged)
    for before, text, nats in zip(given_, charged, found, strict=True):
        whole = np.concatenate(([3], before, text)).astype(np.int32)
        logits, _ = model.forward(whole[None, :-1], model.start(1))
        chances = probabilities(logits[0, len(before) :])
        expected = [
            0.0 if index == 3 else -math.log(chances[at, index]) for at, index in enumerate(text)
        ]
        np.testing.assert_allclose(nats, expected, atol=1e-4)
    np.testing.assert_allclose(
        sequence_nats(model, given_, charged), [nats.sum() for nats in found], atol=1e-9
    )
