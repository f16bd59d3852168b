"""Matrices as whole numbers of eight bits, with a factor for each row: a quarter of the size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALE = ".scale"
"""Behind the name of a tensor: the factors of its rows."""

LEVELS = 127


def quantized(weights: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
    """Return weights with each matrix as int8 and a factor for each of its rows.

    The largest weight of a row is at `LEVELS` (symmetric quantisation).
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name, array in weights.items():
        if array.ndim < 2:
            arrays[name] = array
            continue
        scale = np.abs(array).max(axis=1) / LEVELS
        levels = np.rint(array / np.where(scale > 0, scale, 1)[:, None])
        arrays |= {name: levels.astype(np.int8), name + SCALE: scale.astype(np.float32)}
    return arrays
