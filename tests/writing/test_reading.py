"""Reading along: whatever is changed, the figures are those of a text that is read at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.architecture import FAMILIES
from chargen.engine.causal import Causal
from chargen.engine.language_model import read
from chargen.engine.likelihood import character_nats, with_escape
from chargen.writing import reading
from chargen.writing.reading import Reading
from tests.conftest import STORY, tiny_checkpoint

SAVED = {arch: tiny_checkpoint(arch=arch) for arch in FAMILIES}
MODELS = {arch: Causal(one.architecture, one.weights) for arch, one in SAVED.items()}
VOCABULARY = SAVED["gru"].vocabulary

TEXTS = st.lists(st.text(st.sampled_from([*STORY[:80], "ß"]), max_size=40), min_size=1, max_size=6)


def told(model: Causal, texts: Sequence[str]) -> np.ndarray:
    """Return what the characters of texts cost, each from its start."""
    ids = [VOCABULARY.encode(text) for text in texts]
    none = ids[0][:0]
    return np.concatenate(
        [
            with_escape(VOCABULARY, one, nats)
            for one, nats in zip(ids, character_nats(model, [none] * len(ids), ids), strict=True)
            if len(one)
        ]
        or [np.empty(0)]
    )


@pytest.mark.parametrize("arch", sorted(FAMILIES))
@given(texts=TEXTS, place=st.floats(0, 1), marks=st.integers(4, 8))
def test_after_each_change_all_is_as_if_read_at_once(
    arch: str, texts: list[str], place: float, marks: int
) -> None:
    """What each character costs, and what the model expects at any place; few marks or many."""
    model = MODELS[arch]
    one = Reading(model, VOCABULARY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "WINDOW", 3)
        patch.setattr(reading, "MARKS", marks)
        for text in texts:
            one.turn_to(text)
            here = round(place * len(text))
            *_, mark = one.to(here)
            expected, _ = read(model, VOCABULARY.encode(text[:here]))
            assert mark.place == here
            np.testing.assert_allclose(mark.logits, expected, atol=1e-4)
            for _ in one.whole():
                pass
            np.testing.assert_allclose(one.nats, told(model, [text]), atol=1e-4)


def test_what_is_read_already_is_not_read_again() -> None:
    """A character at the end of a long text costs one character's work."""
    model = MODELS["gru"]
    one = Reading(model, VOCABULARY)
    one.turn_to(STORY)
    for _ in one.whole():
        pass
    one.turn_to(STORY + "T")
    assert len(list(one.whole())) == 2
    assert np.isfinite(one.nats).all()
    middle = len(STORY) // 2
    one.turn_to(STORY[:middle] + "ß" + STORY[middle:])
    read_again = np.isnan(one.nats).sum()
    assert read_again == len(STORY) + 1 - middle


def test_in_a_long_text_the_writer_waits_for_its_end_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not read yet is passed over, and it is not taken for read."""
    monkeypatch.setattr(reading, "FAR", 300)
    model = MODELS["gru"]
    one = Reading(model, VOCABULARY)
    one.turn_to(STORY)
    *_, mark = one.to(len(STORY))
    expected, _ = read(model, VOCABULARY.encode(STORY[-300:]))
    np.testing.assert_allclose(mark.logits, expected, atol=1e-4)
    assert np.isnan(one.nats).all()
    for _ in one.whole():
        pass
    *_, mark = one.to(len(STORY))
    np.testing.assert_allclose(mark.logits, read(model, VOCABULARY.encode(STORY))[0], atol=1e-4)


@given(st.lists(st.text(st.sampled_from(STORY[:20]), max_size=8), min_size=1, max_size=6))
def test_lines_of_a_model_of_lines_are_texts_of_their_own(lines: list[str]) -> None:
    """Each begins anew after an end; the cursor's line is read without those before it."""
    model = MODELS["lstm"]
    end = int(VOCABULARY.encode("\n")[0])
    text = "\n".join(lines)
    one = Reading(model, VOCABULARY, end)
    one.turn_to(text)
    steps = list(one.to(len(text)))
    assert len(steps) <= 2
    expected, _ = read(model, VOCABULARY.encode(lines[-1]))
    np.testing.assert_allclose(steps[-1].logits, expected, atol=1e-4)
    for _ in one.whole():
        pass
    alone = told(model, [*(line + "\n" for line in lines[:-1]), lines[-1]])
    np.testing.assert_allclose(one.nats, alone, atol=1e-4)
