"""Places of contexts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chargen.text.contexts import BITS, LONGEST, PLACES, latest, places

BOS = 9
IDS = st.lists(st.integers(0, BOS), min_size=1, max_size=30)


def beginning() -> np.ndarray:
    return np.full((1, LONGEST - 1), BOS, np.int32)


@given(IDS, st.integers(0, 30))
def test_a_window_is_its_parts(text: list[int], cut: int) -> None:
    """Wherever a window ends, the places are the same, because the last characters are kept."""
    ids = np.array([text], np.int32)
    whole = places(ids, beginning(), BOS)
    assert whole.shape == (1, len(text), LONGEST)
    assert 0 <= whole.min() <= whole.max() < PLACES
    past = latest(ids[:, :cut], beginning(), BOS)
    parts = [places(ids[:, :cut], beginning(), BOS), places(ids[:, cut:], past, BOS)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


@given(IDS, IDS)
def test_a_context_does_not_reach_into_another_text(one: list[int], other: list[int]) -> None:
    """Two texts in one window, each after "no character", have the places that each has alone."""
    texts = [[BOS, *one], [BOS, *other]]
    ages = np.concatenate([np.arange(len(text), dtype=np.int32) for text in texts])[None]
    together = places(np.array([[*texts[0], *texts[1]]]), beginning(), BOS, ages)
    alone = [places(np.array([text]), beginning(), BOS) for text in texts]
    np.testing.assert_array_equal(together, np.concatenate(alone, axis=1))


def test_contexts_of_a_length_have_places_of_their_own() -> None:
    """All contexts of two characters have different places, and each length its own part."""
    ids = np.array([[first, second] for first in range(BOS) for second in range(BOS)])
    found = places(ids, np.repeat(beginning(), len(ids), axis=0), BOS)[:, 1, :]
    assert (found >> BITS == np.arange(LONGEST)).all()
    assert len(np.unique(found[:, 1])) == len(ids)
    assert len(np.unique(found[:, 0])) == BOS


@given(IDS, st.integers(0, LONGEST))
def test_a_short_past_has_no_character_before_it(text: list[int], kept: int) -> None:
    """A state that an earlier chargen saved, with fewer characters, can be gone on from."""
    ids = np.array([text], np.int32)
    past = np.arange(kept, dtype=np.int32)[None]
    whole = np.concatenate([beginning(), past], axis=1)[:, 1 - LONGEST :]
    np.testing.assert_array_equal(places(ids, past, BOS), places(ids, whole, BOS))
    np.testing.assert_array_equal(latest(ids, past, BOS), latest(ids, whole, BOS))
