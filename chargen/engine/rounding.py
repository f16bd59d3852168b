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


def packed(array: Floats) -> NDArray[np.int16] | Floats:
    """Return the upper halves of the bits as int16 where the rest is zero, else the array."""
    bits = array.view(np.uint32)
    if (bits & LOWER).any():
        return array
    return (bits >> 16).astype(np.uint16).view(np.int16)
