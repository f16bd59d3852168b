"""From probabilities to a choice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chargen import samplers

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
    """Kept is what has at least that share of the highest probability."""
    assert samplers.min_p(P, 0.5).tolist() == [[0, 0.4, 0.2, 0.3]]
    assert samplers.min_p(P, 1.0).tolist() == [[0, 0.4, 0, 0]]


@given(logits, st.floats(0.05, 20))
def test_softmax_is_a_distribution(values: np.ndarray, temp: float) -> None:
    """Probabilities are not negative and sum to one at every temperature."""
    probabilities = samplers.softmax(values, temp)
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(-1), 1)


@given(logits)
def test_temperature_zero_is_the_likeliest(values: np.ndarray) -> None:
    """At temperature 0, and next to it, all the weight is on the highest logit."""
    np.testing.assert_array_equal(samplers.softmax(values, 0).argmax(-1), values.argmax(-1))
    assert np.isfinite(samplers.softmax(values, 5e-324)).all()


@given(logits, st.floats(0, 1, exclude_max=True), st.integers(1, 8), st.floats(0.01, 1))
def test_a_draw_has_a_probability(values: np.ndarray, u: float, k: int, p: float) -> None:
    """What is drawn was never ruled out, whatever the filters and the random number."""
    kept = samplers.min_p(samplers.top_p(samplers.top_k(samplers.softmax(values), k), p), p)
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
