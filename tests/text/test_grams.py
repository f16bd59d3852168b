"""Fingerprints of stretches."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chargen.text.grams import prints


def points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


@given(text=st.text("ab\x00ä", max_size=80), size=st.integers(1, 9))
def test_equal_stretches_have_equal_prints_and_others_do_not(text: str, size: int) -> None:
    """Wherever they are, and whatever is before them."""
    found = prints(points(text), size)
    stretches = [text[at : at + size] for at in range(len(text) - size + 1)]
    assert len(found) == len(stretches)
    pairs = set(zip(stretches, found.tolist(), strict=True))
    assert len(pairs) == len(set(stretches)) == len(set(found.tolist()))


def test_prints_are_spread_evenly() -> None:
    """Each bit is set in half of those of a plain text."""
    found = prints(points("".join(map(chr, range(1, 5000)))), 3)
    for bit in range(64):
        assert 0.45 < ((found >> np.uint64(bit)) & np.uint64(1)).mean() < 0.55
