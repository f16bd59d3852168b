"""Keys of contexts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chargen.text.contexts import LONGEST, WORD, keys, latest, ordered

BOS = 9
IDS = st.lists(st.integers(0, BOS), min_size=1, max_size=30)


def beginning() -> np.ndarray:
    return np.full((1, LONGEST - 1), BOS, np.int32)


@given(IDS, st.integers(0, 30))
def test_a_window_is_its_parts(text: list[int], cut: int) -> None:
    """Wherever a window ends, the keys are the same, because the last characters are kept."""
    ids = np.array([text], np.int32)
    whole = keys(ids, beginning(), BOS)
    assert whole.shape == (1, len(text), LONGEST + 1)
    past = latest(ids[:, :cut], beginning(), BOS)
    parts = [keys(ids[:, :cut], beginning(), BOS), keys(ids[:, cut:], past, BOS)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


@given(IDS, IDS)
def test_a_context_does_not_reach_into_another_text(one: list[int], other: list[int]) -> None:
    """Two texts in one window, each after "no character", have the keys that each has alone."""
    texts = [[BOS, *one], [BOS, *other]]
    ages = np.concatenate([np.arange(len(text), dtype=np.int32) for text in texts])[None]
    together = keys(np.array([[*texts[0], *texts[1]]]), beginning(), BOS, ages)
    alone = [keys(np.array([text]), beginning(), BOS) for text in texts]
    np.testing.assert_array_equal(together, np.concatenate(alone, axis=1))


def test_each_context_has_a_key_of_its_own() -> None:
    """All contexts of two characters have different keys, in the order of the lengths."""
    ids = np.array([[first, second] for first in range(BOS) for second in range(BOS)])
    found = keys(ids, np.repeat(beginning(), len(ids), axis=0), BOS)[:, 1, :]
    assert (found >> WORD == np.arange(LONGEST + 1)).all()
    assert len(np.unique(found[:, 2])) == len(ids)
    assert len(np.unique(found[:, 1])) == BOS
    assert (found[:, 0] == 0).all()


def test_keys_are_put_together_from_lengths_and_hashes() -> None:
    """As many of each length as are said, the shortest first."""
    lengths = np.array([1, 2, *[0] * (LONGEST - 1)])
    assert ordered(lengths, np.array([0, 5, 7])).tolist() == [0, (1 << WORD) + 5, (1 << WORD) + 7]


@given(IDS, st.integers(0, LONGEST))
def test_a_short_past_has_no_character_before_it(text: list[int], kept: int) -> None:
    """As if "no character" stood there."""
    ids = np.array([text], np.int32)
    past = np.arange(kept, dtype=np.int32)[None]
    whole = np.concatenate([beginning(), past], axis=1)[:, 1 - LONGEST :]
    np.testing.assert_array_equal(keys(ids, past, BOS), keys(ids, whole, BOS))
    np.testing.assert_array_equal(latest(ids, past, BOS), latest(ids, whole, BOS))
