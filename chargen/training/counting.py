"""Counting the contexts of a training text.

A long context is kept only if it came twice: what came once is seldom of use, would make the model
file twice as large, and would let the model repeat what stands in its text once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.processes import working
from chargen.text.contexts import LONGEST, MASK, WORD, keys, latest, ordered
from chargen.text.ngrams import CASES, USUAL
from chargen.text.windows import Window, windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chargen.text.corpus import Span
    from chargen.text.vocabulary import Vocabulary

    Array = NDArray[Any]
    Pairs = NDArray[np.int64]

ALWAYS = 4
"""Characters of the longest context that is kept though it came once."""

MOST = 1 << 22
"""Characters that are counted, at most, in stretches from all over the text."""

STRETCH = 1 << 16
"""Characters of such a stretch."""

SHORT = 1 << 18
"""Characters that are counted in less time than it takes to start a process."""

PACE = 100_000
"""Characters that are counted for each second of the budget, at most: a tenth of it, about."""

BITS = 20
"""A pair of a context and a character is one number: the context's key, and so many bits."""

LARGEST_COUNT = (1 << 16) - 1


def affordable(seconds: float) -> int:
    """Return how many characters to count for a training of so many seconds."""
    return int(min(MOST, max(STRETCH, PACE * seconds)))


def count(span: Span, vocabulary: Vocabulary, order: int, most: int = MOST) -> dict[str, Array]:
    """Return what `chargen.text.ngrams.Ngrams` has of a text.

    Args:
        order: characters of the longest n-gram, the one predicted included.
        most: characters to count.
    """
    return next(_counted(_read(span, vocabulary, most), vocabulary.bos, order))


@contextmanager
def counting(
    span: Span, vocabulary: Vocabulary, order: int, most: int
) -> Iterator[Callable[[], dict[str, Array]]]:
    """Begin to count in another process; yield a function that waits for the end of that.

    The function returns what `count` returns. PyTorch can be imported meanwhile. A short text is
    counted sooner than another process starts, so it is counted here.
    """
    task = _read(span, vocabulary, most), vocabulary.bos, order
    with ExitStack() as over:
        found: Iterator[dict[str, Array]] = iter(())
        if min(len(span), most) >= SHORT:
            found = over.enter_context(working(_counted, *task))
        yield cache(lambda: next(found, None) or next(_counted(*task)))


def _counted(window: Window, bos: int, order: int) -> Iterator[dict[str, Array]]:
    """Yield what is counted in a window."""
    hashed = _hashes(window, bos)
    targets = window.targets.ravel().astype(np.int64)
    # Where all shorter contexts are kept: a longer one comes no more often than they do.
    live = np.flatnonzero((targets >= 0) & (targets < bos))
    parts = [np.unique(targets[live], return_counts=True)]
    for length in range(1, order):
        key = (length << WORD) | hashed[length][live].astype(np.int64)
        pairs = (key << BITS) | targets[live]
        found, place, counts = np.unique(pairs, return_inverse=True, return_counts=True)
        if length >= ALWAYS:
            begin, _ = _contexts(found)
            sizes = np.diff(begin, append=len(found))
            often = np.repeat(np.add.reduceat(counts, begin) > 1, sizes)
            live = live[often[place]]
            if length > ALWAYS:
                found, counts = found[often], counts[often]
        parts.append((found, counts))
    every, counts = (np.concatenate(part) for part in zip(*parts, strict=True))
    yield _weights(every, counts, np.full((CASES, 2), USUAL, np.float32))


def both(one: Mapping[str, Array], other: Mapping[str, Array]) -> dict[str, Array]:
    """Return what was counted in two texts together, with the powers of the first."""
    pairs = np.concatenate((_pairs(one), _pairs(other)))
    found, place = np.unique(pairs, return_inverse=True)
    counts = np.bincount(place, np.concatenate((one["count"], other["count"])))
    return _weights(found, counts, one["powers"])


def _read(span: Span, vocabulary: Vocabulary, most: int) -> Window:
    """Return a text in one window; of a long text, stretches from all over it side by side."""
    lanes = [(0, len(span))]
    if len(span) > most:
        size = min(STRETCH, most)
        number = most // size
        firsts = [lane * (len(span) - size) // max(1, number - 1) for lane in range(number)]
        lanes = [(first, first + size) for first in firsts]
    return next(windows(span, vocabulary, lanes, max(stop - start for start, stop in lanes)))


def _hashes(window: Window, bos: int) -> list[NDArray[np.uint32]]:
    """Return the hashes of the contexts of each length, (B · T,) each."""
    width = window.inputs.shape[1]
    past: NDArray[np.integer[Any]] = np.empty((len(window.inputs), 0), np.int32)
    parts = []
    for at in range(0, width, STRETCH):
        rows = slice(at, at + STRETCH)
        ids, ages = window.inputs[:, rows], window.ages
        found = keys(ids, past, bos, None if ages is None else ages[:, rows])
        parts.append((found & MASK).astype(np.uint32))
        past = latest(ids, past, bos)
    return [
        np.concatenate([part[..., n] for part in parts], axis=1).ravel() for n in range(LONGEST + 1)
    ]


def _contexts(pairs: Pairs) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return where each context begins among sorted pairs, and its key."""
    keys = pairs >> BITS
    begin = np.flatnonzero(np.diff(keys, prepend=-1))
    return begin, keys[begin]


def _weights(pairs: Pairs, counts: Array, powers: Array) -> dict[str, Array]:
    """Return what `chargen.text.ngrams.Ngrams` is made from, given sorted pairs."""
    begin, keys = _contexts(pairs)
    followers = np.diff(begin, append=len(pairs))
    # Counts that are too large are made smaller, and those that stand beside them by as much.
    excess = np.maximum.reduceat(counts, begin) / LARGEST_COUNT
    counts = counts / np.repeat(np.maximum(1, excess), followers)
    return {
        "lengths": np.bincount(keys >> WORD, minlength=LONGEST + 1).astype(np.int32),
        "key": (keys & MASK).astype(np.uint32),
        "followers": followers.astype(np.uint16),
        "character": (pairs & ((1 << BITS) - 1)).astype(np.uint16),
        "count": np.maximum(1, counts).astype(np.uint16),
        "powers": powers,
    }


def _pairs(weights: Mapping[str, Array]) -> Pairs:
    """Return the sorted pairs that weights were made from."""
    keys = np.repeat(ordered(weights["lengths"], weights["key"]), weights["followers"])
    return (keys << BITS) | weights["character"].astype(np.int64)
