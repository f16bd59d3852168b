"""Places of n-grams in a table: the last characters before a target, hashed.

A table has 2^`BITS` places for the contexts of each length, from one character to `LONGEST`.
Contexts that fall on the same place share it; of a megabyte of text, few do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.integer]

LONGEST = 6
"""Characters of the longest context; with the target, it makes an n-gram of seven."""

COMPRESSED = 4
"""Characters of the longest context that a compressor learns from what it has read: with more of
them, a text like the model's own takes 2 % more bytes, and another text 1 % less."""

BITS = 17
PLACES = LONGEST << BITS
"""How many places there are in all."""

RATE, KNOWN = 0.1, 0.02
"""How the weights of a context learn (`chargen.networks.ngrams`): the first step is so long, in
root mean square; and the sum of squares that those have which learned from another text."""

MOST_COUNTED = 256
"""Characters of a vocabulary up to which contexts have weights of their own: a weight for each."""

FACTOR, WORD = 1_103_515_245, 31
"""The hash is h' = (h + character) · factor, modulo 2^31; its upper bits are used.

Model files depend on all these numbers, and compiled code has them in it: they must not change.
"""


def places(
    ids: Ids, past: Ids, bos: int, ages: NDArray[np.int32] | None = None
) -> NDArray[np.int64]:
    """Return the place (B, T, `LONGEST`) of each context that ends with one of ``ids`` (B, T).

    Args:
        past: (B, P), the characters before them; `LONGEST` - 1 of them count. Before a shorter past
            (of a run begun by an earlier chargen) is no character.
        bos: the id that stands for "no character".
        ages: (B, T), how many characters of the same text come before each target, see
            `chargen.text.windows.Window`. A context does not reach back into another text.
    """
    time = ids.shape[1]
    whole = np.concatenate((_padded(past, bos), ids), axis=1).astype(np.int64)
    # "No character" has the same code however many characters there are.
    codes = np.where(whole == bos, 1, whole + 2)
    found = np.empty((*ids.shape, LONGEST), np.int64)
    hashed = np.zeros(ids.shape, np.int64)
    for back in range(LONGEST):
        code = codes[:, LONGEST - 1 - back :][:, :time]
        if ages is not None:
            code = np.where(ages >= back, code, 1)
        hashed = ((hashed + code) * FACTOR) & ((1 << WORD) - 1)
        found[..., back] = (back << BITS) + (hashed >> (WORD - BITS))
    return found


def latest(ids: Ids, past: Ids, bos: int) -> Ids:
    """Return the characters before whatever follows ``ids`` (B, T), (B, `LONGEST` - 1)."""
    return np.concatenate((_padded(past, bos), ids), axis=1)[:, 1 - LONGEST :]


def _padded(past: Ids, bos: int) -> Ids:
    """Return the last `LONGEST` - 1 characters of a past; before a short one is no character."""
    lacking = max(0, LONGEST - 1 - past.shape[1])
    return np.pad(past, ((0, 0), (lacking, 0)), constant_values=bos)[:, 1 - LONGEST :]
