"""What a transformer attends to, from the equations."""

from __future__ import annotations

import numpy as np

from chargen.architecture import Architecture
from chargen.engine.causal import Causal
from chargen.tasks.units import reach
from tests.conftest import random_weights

SIZE, HEADS, CONTEXT = 12, 3, 8
LAYER = "layers.0"


def turned(x: np.ndarray) -> np.ndarray:
    """Turn pairs of x (T, heads, d) as complex numbers, by angles that grow with the place."""
    half = x.shape[-1] // 2
    places = np.arange(len(x))[:, None, None]
    numbers: np.ndarray = x[..., :half] + 1j * x[..., half:]
    turns: np.ndarray = np.exp(1j * places * 10_000.0 ** (-np.arange(half) / half))
    found: np.ndarray = numbers * turns
    return found


def test_attention_is_what_the_equations_say() -> None:
    """The first layer's shares are the softmax of the products of queries and turned keys."""
    architecture = Architecture(
        "transformer", layers=2, hidden=SIZE, embed=SIZE, heads=HEADS, context=CONTEXT
    )
    weights = random_weights(architecture, 5)
    ids = np.random.default_rng(1).integers(0, 5, 20).astype(np.int32)
    shares = Causal(architecture, weights).attention(ids)
    assert shares.shape == (2, HEADS, 21, 21)
    x = weights["embedding.weight"][np.concatenate([[5], ids])].astype(np.float64)
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    x = x * weights[f"{LAYER}.before_attention.weight"]
    qkv = (x @ weights[f"{LAYER}.attention.weight"].T).reshape(21, 3, HEADS, -1)
    query, key = turned(qkv[:, 0]), turned(qkv[:, 1])
    fit = np.einsum("thd,shd->hts", query, key.conj()).real * (SIZE // HEADS) ** -0.5
    away = np.arange(21)[:, None] - np.arange(21)
    powers = np.where((away >= 0) & (away < CONTEXT), np.exp(fit), 0)
    assert np.allclose(shares[0], powers / powers.sum(-1, keepdims=True), atol=1e-5)


def test_a_head_that_looks_back_is_found() -> None:
    """The reach of a head is the mean distance of what it attends to."""
    shares = np.stack([np.eye(4), np.eye(4, k=-1)])[None].astype(np.float32)
    assert reach(shares).tolist() == [[0, 0.75]]
