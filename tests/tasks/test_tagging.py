"""Spans of texts: whatever stands beside, however long a text is, and which labels there are."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.errors import KindError
from chargen.tasks.tagging import MARGIN, Tagger
from chargen.text.tagged import Tagged
from tests.conftest import tag_checkpoint, tiny_checkpoint


@settings(max_examples=20)
@given(st.lists(st.text("abcdé ", max_size=12), max_size=6))
def test_what_stands_beside_does_not_matter(texts: list[str]) -> None:
    """Each text gets the spans that it gets alone; a text without characters has none."""
    tagger = Tagger("m", tag_checkpoint(seed=2))
    for text, found in zip(texts, tagger.tag(texts), strict=True):
        (alone,) = tagger.tag([text])
        assert [(one.label, one.start, one.end) for one in found] == [
            (one.label, one.start, one.end) for one in alone
        ]
        for one in found:
            assert text[one.start : one.end] == one.text
            assert 0 < one.probability <= 1


def test_a_text_longer_than_any_learned_is_read_in_windows() -> None:
    """Spans far from the borders of windows are those of the text in one piece."""
    saved = tag_checkpoint(seed=2)
    marking = saved.vocabulary.marking
    assert marking is not None
    short = replace(marking, longest=300)
    windows = replace(saved, vocabulary=replace(saved.vocabulary, marking=short))
    text = "ab cad bacd " * 100
    whole, parts = (next(iter(Tagger("m", one).tag([text]))) for one in (saved, windows))
    assert len(text) > 2 * MARGIN + 300
    assert [(one.label, one.start, one.end) for one in whole] == [
        (one.label, one.start, one.end) for one in parts
    ]


def test_labels_that_a_model_lacks_have_no_price() -> None:
    """The spans are found all the same."""
    tagger = Tagger("m", tag_checkpoint())
    (_, known), (_, unknown) = tagger.compared(
        [Tagged("ab", ((0, 2, "X"),)), Tagged("ab", ((0, 2, "Z"),))]
    )
    assert math.isfinite(known)
    assert unknown == math.inf


def test_other_models_are_refused() -> None:
    """The error names the command for them."""
    with pytest.raises(KindError, match="tiny was not trained on tags"):
        Tagger("tiny", tiny_checkpoint())
