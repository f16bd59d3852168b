"""Contexts: the last characters before a target, hashed.

A context of n characters has a key: n, and a hash of them. Keys are in the order of the lengths,
and those of one length in the order of the hashes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.integer]
    Keys = NDArray[np.int64]

LONGEST = 8
"""Characters of the longest context; with the target, it makes an n-gram of nine."""

FACTOR, WORD = 1_103_515_245, 31
"""The hash of the last n characters, c₁ the latest, is the sum of cᵢ · factorⁿ⁺¹⁻ⁱ, modulo 2^31.

So h' = (h + c) · factor has one character more. Of two million contexts, one in a thousand has the
key of another. Model files depend on these numbers and on the codes of characters, and compiled
code has them in it: they must not change.
"""

MASK = (1 << WORD) - 1
LENGTHS = np.arange(LONGEST + 1, dtype=np.int64)
POWERS = np.array([pow(FACTOR, n, 1 << WORD) for n in LENGTHS.tolist()], np.int64)
INVERSES = np.array([pow(FACTOR, -n, 1 << WORD) for n in range(LONGEST)], np.int64)
"""Of the factor: its powers, and those of what it is multiplied by to give 1."""


def keys(ids: Ids, past: Ids, bos: int, ages: NDArray[np.int32] | None = None) -> Keys:
    """Return the keys (B, T, `LONGEST` + 1) of the contexts that end with each of ``ids`` (B, T).

    The first is that of the empty context, the last that of the longest.

    Args:
        past: (B, P), the characters before them; `LONGEST` - 1 of them count. Before a shorter past
            is no character.
        bos: the id that stands for "no character".
        ages: (B, T), how many characters of the same text come before each target, see
            `chargen.text.windows.Window`. A context does not reach back into another text.
    """
    whole = np.concatenate((_padded(past, bos), ids), axis=1).astype(np.int64)
    # "No character" has the same code however many characters there are.
    codes = np.ones((len(whole), 1 + whole.shape[1]), np.int64)
    np.copyto(codes[:, 1:], whole + 2, where=whole != bos)
    # The latest character first.
    back = sliding_window_view(codes, LONGEST, axis=1)[:, 1:, ::-1]
    if ages is not None:
        back = np.where(ages[..., None] >= LENGTHS[:-1], back, 1)
    found = np.zeros((*ids.shape, LONGEST + 1), np.int64)
    np.cumsum(back * INVERSES & MASK, axis=-1, out=found[..., 1:])
    # What runs over has lower bits that are right.
    found *= POWERS
    found &= MASK
    found |= LENGTHS << WORD
    return found


def ordered(lengths: NDArray[np.integer], hashed: NDArray[np.integer]) -> Keys:
    """Return the keys (R,) of contexts, given how many have each length, and their hashes."""
    length = np.repeat(np.arange(LONGEST + 1), lengths.astype(np.int64))
    return (length << WORD) | hashed.astype(np.int64)


def latest(ids: Ids, past: Ids, bos: int) -> Ids:
    """Return the characters before whatever follows ``ids`` (B, T), (B, `LONGEST` - 1)."""
    return np.concatenate((_padded(past, bos), ids), axis=1)[:, 1 - LONGEST :]


def _padded(past: Ids, bos: int) -> Ids:
    """Return the last `LONGEST` - 1 characters of a past; before a short one is no character."""
    lacking = LONGEST - 1 - past.shape[1]
    if lacking > 0:
        past = np.concatenate((np.full((len(past), lacking), bos, past.dtype), past), axis=1)
    return past[:, 1 - LONGEST :]
