"""Lanes and windows: every character is a target exactly once, and follows its input."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.text import counting
from chargen.text.corpus import Span, open_text
from chargen.text.sources import spool
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import PAST, cuts, windows
from tests.conftest import any_text

texts = st.text("abcé漢", min_size=1, max_size=120)
sizes = st.integers(1, 9)


def span_of(text: str) -> tuple[Span, Vocabulary]:
    opened = open_text([spool("made", io.BytesIO(text.encode()))])
    return opened.span(), Vocabulary.of(opened)


@given(any_text(), sizes, st.integers(1, 30), st.integers(4, 60))
def test_every_character_is_a_target_once(text: str, lanes: int, bptt: int, block: int) -> None:
    """The targets of all lanes, one after the other, are the text, whatever the block size."""
    text = "x" + text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "BLOCK", block)
        span, vocabulary = span_of(text)
        made = list(windows(span, vocabulary, cuts(len(span), lanes), bptt))
    targets = np.concatenate([window.targets for window in made], axis=1)
    inputs = np.concatenate([window.inputs for window in made], axis=1)
    ids = np.concatenate([row[row != PAST] for row in targets])
    assert vocabulary.decode(ids) == text
    assert (inputs[:, 0] == vocabulary.bos).all()
    followed = targets[:, 1:] != PAST
    assert (inputs[:, 1:][followed] == targets[:, :-1][followed]).all()


@given(texts, sizes, st.integers(1, 30), st.integers(0, 5))
def test_a_pass_can_be_taken_up_where_it_was_left(
    text: str, lanes: int, bptt: int, done: int
) -> None:
    """Skipping whole windows gives the same windows as reading past them."""
    span, vocabulary = span_of(text)
    ranges = cuts(len(span), lanes)
    rest = list(windows(span, vocabulary, ranges, bptt))[done:]
    again = list(windows(span, vocabulary, ranges, bptt, skip=done * bptt))
    assert len(rest) == len(again)
    for one, other in zip(rest, again, strict=True):
        assert one.start == other.start
        assert np.array_equal(one.targets, other.targets)
        live = one.targets != PAST
        assert np.array_equal(one.inputs[live], other.inputs[live])


@given(st.integers(1, 500), st.integers(1, 12), st.integers(0, 9))
def test_overlapping_lanes_cover_the_text(length: int, lanes: int, overlap: int) -> None:
    """Each lane begins ``overlap`` characters before the previous one ends; lengths are alike."""
    made = cuts(length + lanes * overlap, lanes, overlap)
    assert made[0][0] == 0
    assert made[-1][1] == length + lanes * overlap
    for (_, before), (start, _) in itertools.pairwise(made):
        assert start == before - overlap
    widths = [stop - start for start, stop in made]
    assert max(widths) - min(widths) <= 1
