"""From logits to a choice: small pure functions over (B, V) arrays of probabilities.

Each filter keeps some characters and gives the rest probability zero; `draw` normalises once. The
order is fixed: temperature, top-k, top-p, min-p.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Ids = NDArray[np.int32]


def softmax(logits: Floats, temp: float = 1.0) -> Floats:
    """Return exp(logits / temp), normalised; at temperature 0 all the weight is on the highest."""
    if temp == 0:
        probabilities = np.zeros(logits.shape)
        np.put_along_axis(probabilities, logits.argmax(axis=-1)[..., None], 1.0, axis=-1)
        return probabilities
    scaled = logits.astype(np.float64)
    scaled -= scaled.max(axis=-1, keepdims=True)
    # Divided after the shift, so that the smallest temperature cannot overflow upwards.
    with np.errstate(over="ignore"):
        scaled /= temp
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=-1, keepdims=True)
    return scaled


def top_k(probabilities: Floats, k: int) -> Floats:
    """Keep the ``k`` likeliest (Fan et al. 2018, arXiv:1805.04833); ties at the edge are kept."""
    if k >= probabilities.shape[-1]:
        return probabilities
    edge = np.partition(probabilities, -k, axis=-1)[..., -k, None]
    return np.where(probabilities >= edge, probabilities, 0.0)


def top_p(probabilities: Floats, p: float) -> Floats:
    """Keep the fewest likeliest that sum to ``p`` (Holtzman et al. 2020, arXiv:1904.09751)."""
    order = np.argsort(-probabilities, axis=-1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=-1)
    before = np.cumsum(ranked, axis=-1) - ranked
    ranked = np.where(before < p * probabilities.sum(axis=-1, keepdims=True), ranked, 0.0)
    kept = np.empty_like(probabilities)
    np.put_along_axis(kept, order, ranked, axis=-1)
    return kept


def min_p(probabilities: Floats, p: float) -> Floats:
    """Keep what is at least ``p`` times as likely as the likeliest (arXiv:2407.01082)."""
    edge = p * probabilities.max(axis=-1, keepdims=True)
    return np.where(probabilities >= edge, probabilities, 0.0)


def draw(probabilities: Floats, uniform: Floats) -> Ids:
    """Return an id a row, by inverting the distribution at ``uniform`` (B,) in [0, 1)."""
    sums = np.cumsum(probabilities, axis=-1)
    ids = (sums <= uniform[:, None] * sums[:, -1:]).sum(axis=-1)
    # Rounding can carry the product up to the last sum: stay on a character with a probability.
    last = probabilities.shape[-1] - 1 - (probabilities[:, ::-1] > 0).argmax(axis=-1)
    chosen: Ids = np.minimum(ids, last).astype(np.int32)
    return chosen
