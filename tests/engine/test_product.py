"""A product with one matrix."""

from __future__ import annotations

import numpy as np
import pytest

from chargen.engine.product import product


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 5, 3), (2, 0, 3), (2, 1, 4, 3)])
def test_it_is_the_product_of_each_vector(shape: tuple[int, ...]) -> None:
    """Of whatever dimensions, none of them at all among them."""
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    weights = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_allclose(product(x, weights), x @ weights, rtol=1e-6)
