"""Weights of n-grams in NumPy: the twin of `chargen.networks.ngrams`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from chargen.text.contexts import LONGEST, PLACES, latest, places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]


class Ngrams:
    """Vectors (V,) that are added to the logits, one for each context that was learned.

    Args:
        weights: ``place`` (R,) and ``weight`` (R, V).

    Attributes:
        index: (`PLACES`,), the row of each place in ``rows``.
        rows: (R + 1, V); the first is zero, for places where nothing was learned.
    """

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        vectors = weights["weight"]
        self.bos = vectors.shape[1]
        self.rows = np.concatenate((np.zeros((1, self.bos), np.float32), vectors))
        self.index = np.zeros(PLACES, np.int32)
        self.index[weights["place"].astype(np.int64)] = np.arange(1, len(self.rows))

    def start(self, batch: int) -> tuple[Ids]:
        """Return the characters before texts that have not begun, (B, `LONGEST` - 1)."""
        return (np.full((batch, LONGEST - 1), self.bos, np.int32),)

    def forward(self, ids: Ids, past: Ids) -> tuple[Floats, tuple[Ids]]:
        """Return what is added to the logits, (B, T, V) for ``ids`` (B, T), and their last ones."""
        rows = self.index[places(ids, past, self.bos)]
        added = self.rows[rows[..., 0]]
        for length in range(1, LONGEST):
            added += self.rows[rows[..., length]]
        return added, (latest(ids, past, self.bos).astype(np.int32),)
