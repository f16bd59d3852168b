"""Counting the n-grams of a training text."""

from __future__ import annotations

import io
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.text.corpus import Span, open_text
from chargen.text.sources import spool
from chargen.text.vocabulary import Vocabulary
from chargen.training import counting
from chargen.training.counting import both, count
from tests.conftest import POWERS, counted

TEXTS = st.text("ab c", min_size=1, max_size=80)


def made(text: str) -> tuple[Span, Vocabulary]:
    whole = open_text([spool("made", io.BytesIO(text.encode()))])
    return whole.span(), Vocabulary.of(whole)


def alike(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    for name in ("lengths", "key", "followers", "character", "count"):
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
        assert one[name].dtype == other[name].dtype


def test_another_process_counts_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long text is counted there, a short one here, and what fails there is done here."""
    span, vocabulary = made("abracadabra " * 50)
    whole = count(span, vocabulary, 5)
    monkeypatch.setattr(counting, "SHORT", 1)
    with counting.counting(span, vocabulary, 5, 1000) as counted_there, monkeypatch.context() as no:
        no.setattr(counting, "_counted", None)
        alike(counted_there(), whole)
        assert counted_there() is counted_there()
    monkeypatch.setattr(counting, "working", lambda *_: nullcontext(iter(())))
    for least in (1, 1 << 20):
        monkeypatch.setattr(counting, "SHORT", least)
        with counting.counting(span, vocabulary, 5, 1000) as counted_here:
            alike(counted_here(), whole)
    monkeypatch.setattr(counting, "working", None)
    with counting.counting(span, vocabulary, 5, 1000) as counted_here:
        alike(counted_here(), whole)


@given(TEXTS, st.integers(2, 9))
@settings(max_examples=50, deadline=None)
def test_every_context_is_counted(text: str, order: int) -> None:
    """Short ones always, long ones if they came twice; none longer than was asked for."""
    span, vocabulary = made(text)
    ids = vocabulary.encode(text).tolist()
    plain = counted(ids, len(vocabulary), longest=order - 1, least=2)
    alike(count(span, vocabulary, order), plain)


@given(TEXTS, TEXTS)
@settings(max_examples=50, deadline=None)
def test_two_texts_are_counted_together(one: str, other: str) -> None:
    """The sums of both, and the powers of the first."""
    vocabulary = Vocabulary("ab c", 0.01)
    parts = [counted(vocabulary.encode(text).tolist(), 4) for text in (one, other)]
    parts[0]["powers"] = 2 * POWERS
    found = both(*parts)
    np.testing.assert_array_equal(found["powers"], 2 * POWERS)
    assert found["lengths"].sum() == len(found["key"]) == len(found["followers"])
    assert found["count"].sum() == sum(int(part["count"].sum()) for part in parts)
    alike(found, both(parts[1], parts[0]))


def test_a_character_that_the_vocabulary_lacks_is_no_follower() -> None:
    """It stands in contexts as "no character"."""
    span, _ = made("abxab")
    found = count(span, Vocabulary("ab", 0.01), 3)
    assert found["count"][: found["followers"][0]].tolist() == [2, 2]
    assert found["character"].max() < 2


def test_of_a_long_text_stretches_from_all_over_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many characters as are allowed, the last ones among them."""
    monkeypatch.setattr(counting, "STRETCH", 100)
    span, vocabulary = made("a" * 1000 + "b" * 1000)
    found = count(span, vocabulary, 2, most=450)
    assert found["count"][:2].tolist() == [200, 200]


def test_large_counts_are_made_smaller_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that their ratio stays; nothing that came becomes nothing."""
    monkeypatch.setattr(counting, "LARGEST_COUNT", 100)
    span, vocabulary = made("a" * 1000 + "b" * 500 + "c")
    assert count(span, vocabulary, 2)["count"][:3].tolist() == [100, 50, 1]
