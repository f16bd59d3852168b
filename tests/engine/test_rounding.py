"""Weights in half the bytes."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from chargen.engine.rounding import packed, rounded


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20))
def test_matrices_are_rounded_as_pytorch_rounds_them(values: list[float]) -> None:
    """A matrix becomes the nearest numbers of bfloat16, and a vector stays as it is."""
    matrix = np.array([values], np.float32)
    both = rounded({"weight": matrix, "bias": matrix[0]})
    theirs = torch.from_numpy(matrix).bfloat16()
    np.testing.assert_array_equal(both["weight"], theirs.float().numpy())
    np.testing.assert_array_equal(both["bias"], matrix[0])


@given(st.integers(1, 5), st.integers(1, 5))
def test_two_rows_are_packed_in_one(rows: int, columns: int) -> None:
    """Of each matrix: an even row has the lower halves of the bits, an odd one the upper ones."""
    random = np.random.default_rng(rows * 10 + columns)
    matrices = rounded({"w": random.normal(size=(3, rows, columns)).astype(np.float32)})["w"]
    halves = packed(matrices).view(np.uint32)
    assert halves.shape == (3, (rows + 1) // 2, columns)
    for row in range(rows):
        bits = halves[:, row // 2] & 0xFFFF0000 if row % 2 else halves[:, row // 2] << 16
        np.testing.assert_array_equal(bits.view(np.float32), matrices[:, row])


def test_nothing_is_lost_by_packing() -> None:
    """An array with a number that bfloat16 lacks stays as it is."""
    array = np.array([[1.0, 1 + 2**-20]], np.float32)
    assert packed(array) is array
