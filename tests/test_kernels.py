"""The compiled arithmetic is that of NumPy and PyTorch, to the last figures of float32."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chargen import kernels
from chargen.engine.rounding import packed, rounded
from chargen.networks.recurrence import array
from chargen.tasks import filters

NOTHING = np.zeros(1, np.float32)


def apply(function: object, value: float) -> float:
    """Return what a function of rows makes of one pre-activation."""
    out = np.empty(1, np.float32)
    function(np.array([value], np.float32), NOTHING, NOTHING, out)  # type: ignore[operator]  # compiled
    return float(out[0])


@given(st.floats(float(kernels.LEAST), 2.0**127, width=32))
def test_log_is_accurate(x: float) -> None:
    """Of every positive number that is as precise as a float32 can be."""
    assert kernels.log(np.float32(x)) == pytest.approx(np.log(x), abs=1e-7 * (1 + abs(np.log(x))))


@given(st.floats(-80, 80, width=32))
def test_exp_is_accurate(x: float) -> None:
    """e^x is right to 3e-7 of itself."""
    assert kernels.exp(np.float32(x)) == pytest.approx(np.exp(np.float64(np.float32(x))), rel=3e-7)


@given(st.floats(allow_nan=False, width=32))
def test_gates_are_accurate_for_every_number(x: float) -> None:
    """σ and tanh are right to 3e-7, of numbers too large for e^x as well."""
    assert apply(kernels.tanhs, x) == pytest.approx(np.tanh(x), abs=3e-7)
    exact = float(torch.sigmoid(torch.tensor(x, dtype=torch.float64)))
    assert apply(kernels.sigmoids, x) == pytest.approx(exact, abs=3e-7)


def test_what_is_not_a_number_stays_so() -> None:
    """A NaN is not cut to a gate's range: a loss that is not finite must be noticed."""
    assert np.isnan(apply(kernels.tanhs, np.nan))
    assert np.isnan(apply(kernels.sigmoids, np.nan))


@given(st.lists(st.floats(width=32), min_size=1, max_size=40))
def test_rounding_is_that_of_bfloat16(values: list[float]) -> None:
    """Rows are rounded as PyTorch rounds them, and widened to the same numbers."""
    row = np.array(values, np.float32)
    rounded = torch.empty(len(row), dtype=torch.bfloat16)
    widened = np.empty_like(row)
    kernels.convert(row, array(rounded))
    kernels.convert(array(rounded), widened)
    theirs = torch.from_numpy(row).bfloat16()
    torch.testing.assert_close(rounded, theirs, rtol=0, atol=0, equal_nan=True)
    np.testing.assert_array_equal(widened, theirs.float().numpy())


NUMBERS = st.lists(st.floats(allow_nan=False, width=32), min_size=1, max_size=40)


@given(NUMBERS)
def test_the_greatest_number_is_that_of_numpy(numbers: list[float]) -> None:
    """Of both signs, without end, and zero; its place is the first."""
    row = np.array(numbers, np.float32)
    highest = kernels.greatest(row)
    assert highest == row.max()
    assert kernels.place_of(row, highest) == row.argmax()


@given(st.lists(st.floats(-100, 100, width=32), max_size=40), st.floats(-100, 100, width=32))
def test_a_sum_from_an_edge_leaves_out_what_is_below(numbers: list[float], edge: float) -> None:
    """Every number that is not below counts once, in rows of any length; none is no number."""
    row = np.array(numbers, np.float32)
    wanted = float(row[row >= edge].sum(dtype=np.float64))
    assert kernels.sum_from(row, np.float32(edge)) == pytest.approx(wanted, abs=1e-9)
    assert np.isnan(kernels.sum_from(np.append(row, np.float32(np.nan)), np.float32(edge)))


# Their sums are exact, so both agree at the edges too.
WEIGHTS = st.lists(st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0]), max_size=12)


@given(WEIGHTS, st.integers(1, 14), st.integers(1, 64), st.floats(0, 1, exclude_max=True))
def test_filters_and_draw_are_those_of_numpy(
    rest: list[float], k: int, sixty_fourths: int, uniform: float
) -> None:
    """Top-k, top-p and the draw are those of `chargen.tasks.filters`, with equal weights too."""
    row = np.array([*rest, 1.0], np.float32)
    least = row.copy()
    if k < len(row):
        kernels.cut(least, kernels.edge_of(least, k, 0.0))
    np.testing.assert_array_equal(least, filters.top_k(row[None], k)[0])
    share = row.copy()
    p = sixty_fourths / 64
    kernels.cut_share(share, p)
    np.testing.assert_array_equal(share, filters.top_p(row[None], p)[0])
    assert kernels.draw(row, uniform) == filters.draw(row[None], np.array([uniform]))[0]


def test_what_was_cut_is_never_drawn() -> None:
    """Not even where the sum in order, which the draw goes along, ends below the sum in parts."""
    random, highest, ends_below = np.random.default_rng(0), 1 - 2**-53, 0
    for _ in range(2000):
        row = np.exp(random.normal(0, 6, 65)).astype(np.float32)
        row /= row.max()
        kernels.cut(row, kernels.edge_of(row, 20, 0.0))
        row[-1] = 0
        ends_below += row.cumsum(dtype=np.float64)[-1] < kernels.sum_from(row, np.float32(0))
        assert row[kernels.draw(row, highest)] > 0
    assert ends_below > 0


@given(st.integers(1, 9), st.integers(1, 40))
def test_products_are_those_of_numpy(inputs: int, outputs: int) -> None:
    """Every size has its whole fours of rows and the rest; of bfloat16, bit by bit the same."""
    random = np.random.default_rng(inputs * 100 + outputs)
    x = random.random(inputs, np.float32)
    weights = rounded({"w": random.normal(0, 1, (inputs, outputs)).astype(np.float32)})["w"]
    out, same = np.full((2, outputs), np.nan, np.float32)
    kernels.multiply(x, weights, out)
    np.testing.assert_allclose(out, x @ weights, rtol=1e-4, atol=1e-5)
    pairs = packed(weights)
    assert pairs.nbytes == 4 * outputs * -(-inputs // 2)
    kernels.multiply(x, pairs, same)
    np.testing.assert_array_equal(same, out)
