"""From probabilities to a choice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chargen.tasks import filters as samplers

logits = arrays(np.float32, (3, 8), elements=st.floats(-20, 20, width=32))
P = np.array([[0.1, 0.4, 0.2, 0.3]])


def test_top_k_keeps_the_likeliest() -> None:
    """The k likeliest stay, the rest get nothing."""
    assert samplers.top_k(P, 2).tolist() == [[0, 0.4, 0, 0.3]]
    assert samplers.top_k(P, 9) is P


def test_top_p_keeps_the_fewest_that_reach_p() -> None:
    """The likeliest are kept until their sum reaches p; the first always."""
    assert samplers.top_p(P, 0.69).tolist() == [[0, 0.4, 0, 0.3]]
    assert samplers.top_p(P, 0.01).tolist() == [[0, 0.4, 0, 0]]
    assert samplers.top_p(P, 1.0).tolist() == P.tolist()


def test_min_p_is_relative_to_the_likeliest() -> None:
    """Characters with at least that share of the highest probability are kept."""
    assert samplers.min_p(P, 0.5).tolist() == [[0, 0.4, 0.2, 0.3]]
    assert samplers.min_p(P, 1.0).tolist() == [[0, 0.4, 0, 0]]


def shifted(values: np.ndarray) -> np.ndarray:
    made: np.ndarray = values - values.max(-1, keepdims=True)
    return made


@given(logits, st.floats(0.05, 20))
def test_weights_follow_the_logits(values: np.ndarray, temp: float) -> None:
    """Weights are exp(logit / temperature) up to a factor, the highest being one."""
    weights = samplers.weigh(shifted(values), temp)
    np.testing.assert_allclose(weights.max(-1), 1)
    expected = np.exp(shifted(values).astype(float) / temp)
    np.testing.assert_allclose(weights, expected, rtol=1e-3, atol=1e-30)


@given(logits)
def test_temperature_zero_is_the_likeliest(values: np.ndarray) -> None:
    """At temperature 0, and next to it, all the weight is on the highest logit."""
    weights = samplers.weigh(shifted(values), 0)
    assert (weights.argmax(-1) == values.argmax(-1)).all()
    assert (weights.sum(-1) == 1).all()
    assert np.isfinite(samplers.weigh(shifted(values), 5e-324)).all()


@given(logits, st.floats(0, 1, exclude_max=True), st.integers(1, 8), st.floats(0.01, 1))
def test_a_draw_has_a_weight(values: np.ndarray, u: float, k: int, p: float) -> None:
    """What is drawn was never ruled out, whatever the filters and the random number."""
    weights = samplers.weigh(shifted(values))
    kept = samplers.min_p(samplers.top_p(samplers.top_k(weights, k), p), p)
    ids = samplers.draw(kept, np.full(3, u))
    assert (np.take_along_axis(kept, ids[:, None], 1) > 0).all()


@pytest.mark.parametrize(("u", "expected"), [(0, 1), (0.39, 1), (0.41, 2), (0.999, 3)])
def test_drawing_inverts_the_distribution(u: float, expected: int) -> None:
    """A random number lands on the character whose stretch of [0, 1) holds it."""
    assert samplers.draw(np.array([[0.0, 0.4, 0.2, 0.4]]), np.array([u])).tolist() == [expected]


def test_frequencies_follow_the_probabilities() -> None:
    """Ten thousand draws come out as often as they should, within five standard errors."""
    uniform = np.random.default_rng(0).random(10_000)
    ids = samplers.draw(np.repeat(P, 10_000, axis=0), uniform)
    shares = np.bincount(ids, minlength=4) / 10_000
    assert (abs(shares - P[0]) < 5 * np.sqrt(P[0] * (1 - P[0]) / 10_000)).all()
