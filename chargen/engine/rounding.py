"""Numbers of bfloat16: the upper half of a float32's bits. NumPy has no such type.

One text is written as fast as the weights can be read from memory, so half the bytes are nearly
twice the speed. Training multiplies weights in bfloat16, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

LOWER = np.uint32(0xFFFF)
"""The bits of a float32 that bfloat16 lacks."""


def rounded(weights: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return weights with each matrix rounded to bfloat16, to nearest and ties to even."""
    return {name: _rounded(array) if array.ndim > 1 else array for name, array in weights.items()}


def _rounded(array: Floats) -> Floats:
    bits = np.ascontiguousarray(array).view(np.uint32)
    tie = (bits >> 16) & 1
    return ((bits + (LOWER >> 1) + tie) & ~LOWER).view(np.float32)


def packed(array: Floats) -> NDArray[np.int32] | Floats:
    """Return two rows of a matrix (…, I, N) in one where all are bfloat16, else the array.

    Each number of (…, I / 2, N) has the bits of an even row in its lower half, and those of the odd
    row that follows in its upper one. If I is odd, the last row is followed by zeros.
    """
    bits = array.view(np.uint32)
    if (bits & LOWER).any():
        return array
    pairs = bits[..., 0::2, :] >> 16
    pairs[..., : array.shape[-2] // 2, :] |= bits[..., 1::2, :]
    return pairs.view(np.int32)
