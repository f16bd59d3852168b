"""Contexts: the last characters before a target, hashed.

A context of n characters has a key: n, and a hash of them. Keys are in the order of the lengths,
and those of one length in the order of the hashes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Ids = NDArray[np.integer]
    Keys = NDArray[np.int64]

LONGEST = 8
"""Characters of the longest context; with the target, it makes an n-gram of nine."""

FACTOR, WORD = 1_103_515_245, 31
"""The hash is h' = (h + character) · factor, modulo 2^31.

Of two million contexts, one in a thousand has the key of another. Model files depend on these
numbers and on the codes of characters, and compiled code has them in it: they must not change.
"""


def hashes(ids: Ids, past: Ids, bos: int, ages: NDArray[np.int32] | None = None) -> Iterator[Keys]:
    """Yield the hashes (B, T) of the contexts that end with each of ``ids`` (B, T).

    First come those of one character, last those of `LONGEST`.

    Args:
        past: (B, P), the characters before them; `LONGEST` - 1 of them count. Before a shorter past
            is no character.
        bos: the id that stands for "no character".
        ages: (B, T), how many characters of the same text come before each target, see
            `chargen.text.windows.Window`. A context does not reach back into another text.
    """
    time = ids.shape[1]
    whole = np.concatenate((_padded(past, bos), ids), axis=1).astype(np.int64)
    # "No character" has the same code however many characters there are.
    codes = np.where(whole == bos, 1, whole + 2)
    hashed = np.zeros(ids.shape, np.int64)
    for back in range(LONGEST):
        code = codes[:, LONGEST - 1 - back :][:, :time]
        if ages is not None:
            code = np.where(ages >= back, code, 1)
        hashed = ((hashed + code) * FACTOR) & ((1 << WORD) - 1)
        yield hashed


def keys(ids: Ids, past: Ids, bos: int, ages: NDArray[np.int32] | None = None) -> Keys:
    """Return the keys (B, T, `LONGEST` + 1) of the contexts, from the empty one to the longest.

    Args: see `hashes`.
    """
    found = np.zeros((*ids.shape, LONGEST + 1), np.int64)
    for length, hashed in enumerate(hashes(ids, past, bos, ages), start=1):
        found[..., length] = (length << WORD) | hashed
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
    lacking = max(0, LONGEST - 1 - past.shape[1])
    return np.pad(past, ((0, 0), (lacking, 0)), constant_values=bos)[:, 1 - LONGEST :]
