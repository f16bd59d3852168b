"""From logits to a choice: small pure functions over (B, V) arrays of weights.

Weights are probabilities up to a factor. Each filter keeps some characters and gives the rest the
weight zero; `draw` divides by the sum. The order is fixed: temperature, top-k, top-p, min-p.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Ids = NDArray[np.int32]

SMALLEST_TEMP = float(np.finfo(np.float32).tiny)


def weigh(shifted: Floats, temp: float = 1.0) -> Floats:
    """Return exp(shifted / temp), for logits less their row's highest.

    At temperature 0 all the weight is on the highest, the first of several.
    """
    if temp == 0:
        weights = np.zeros_like(shifted)
        weights[np.arange(len(shifted)), shifted.argmax(axis=-1)] = 1
        return weights
    if temp != 1:
        # No number is above zero, so dividing can only overflow to minus infinity: no harm.
        with np.errstate(over="ignore"):
            shifted = shifted / max(temp, SMALLEST_TEMP)
    return np.exp(shifted)


def top_k(weights: Floats, k: int) -> Floats:
    """Keep the ``k`` likeliest (Fan et al. 2018, arXiv:1805.04833); ties at the edge are kept."""
    if k >= weights.shape[-1]:
        return weights
    edge = np.partition(weights, -k, axis=-1)[..., -k, None]
    return np.where(weights >= edge, weights, 0)


def top_p(weights: Floats, p: float) -> Floats:
    """Keep the fewest likeliest that sum to ``p`` (Holtzman et al. 2020, arXiv:1904.09751)."""
    order = np.argsort(-weights, axis=-1, kind="stable")
    ranked = np.take_along_axis(weights, order, axis=-1)
    before = np.cumsum(ranked, axis=-1) - ranked
    inside = before < p * weights.sum(axis=-1, keepdims=True)
    # The likeliest always stays, however small the share: it may be rounded to zero.
    inside[..., 0] = True
    ranked = np.where(inside, ranked, 0)
    kept = np.empty_like(weights)
    np.put_along_axis(kept, order, ranked, axis=-1)
    return kept


def min_p(weights: Floats, p: float) -> Floats:
    """Keep what is at least ``p`` times as likely as the likeliest (arXiv:2407.01082)."""
    return np.where(weights >= p * weights.max(axis=-1, keepdims=True), weights, 0)


def draw(weights: Floats, uniform: Floats) -> Ids:
    """Return an id a row, by inverting the distribution at ``uniform`` (B,) in [0, 1)."""
    sums = np.cumsum(weights, axis=-1, dtype=np.float64)
    total = sums[:, -1]
    # Rounding may carry the product up to the total, beyond the last character with any weight.
    places = np.minimum(uniform * total, np.nextafter(total, 0))
    ids: Ids = (sums <= places[:, None]).sum(axis=-1, dtype=np.int32)
    return ids
