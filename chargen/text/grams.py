"""Fingerprints of all stretches of one length: of n-grams of characters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    CodePoints = NDArray[np.uint32]
    Prints = NDArray[np.uint64]

BASE = 0x9E3779B97F4A7C15
INVERSE = pow(BASE, -1, 1 << 64)


def prints(points: CodePoints, size: int) -> Prints:
    """Return a fingerprint for each stretch of ``size`` characters (T - size + 1,).

    A polynomial in the code points modulo 2⁶⁴ (Karp & Rabin 1987), from sums over the text, so that
    the cost does not grow with the size; then mixed (the finish of splitmix64, Steele et al. 2014),
    so that every bit of it depends on all characters.
    """
    count = len(points) - size + 1
    if count <= 0:
        return np.empty(0, np.uint64)
    powers = _powers(BASE, len(points))
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(_mixed(points) * powers)))
    found = (sums[size:] - sums[:count]) * _powers(INVERSE, count)
    return _mixed(found)


def _powers(base: int, count: int) -> Prints:
    """Return the first powers of a number, modulo 2⁶⁴."""
    steps = np.full(count, base, np.uint64)
    steps[0] = 1
    return np.cumprod(steps)


def _mixed(values: NDArray[np.unsignedinteger[Any]]) -> Prints:
    """Return numbers in which each bit depends on all bits of those given."""
    mixed = values.astype(np.uint64) + np.uint64(BASE)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
