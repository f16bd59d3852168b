"""Damaged texts: what is mended, what is left alone, and how it is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.checkpoint import Checkpoint
from chargen.errors import KindError
from chargen.tasks.mending import MARGIN, WINDOW, Mender
from tests.conftest import mend_checkpoint, tiny_checkpoint

CAPITAL, ACCENT = 1, 2
"""The marks of the model, by their ids; 0 keeps a character."""


def always(mark: int) -> Checkpoint:
    """Return a model that gives each character the same mark, if it fits."""
    saved = mend_checkpoint()
    weights = {name: np.zeros_like(array) for name, array in saved.weights.items()}
    weights["output.bias"][mark] = 9
    return replace(saved, weights=weights)


def test_changes_are_those_that_one_sees() -> None:
    """A capital that becomes a capital is no change."""
    done = Mender("m", always(CAPITAL)).mend("Ab c")
    assert (done.text, done.changed, done.characters) == ("AB C", 2, 4)


def test_what_is_right_stays() -> None:
    """An accent goes only where there may be one, and one that is there stays."""
    done = Mender("m", always(ACCENT)).mend("abá")
    assert (done.text, done.changed) == ("ábá", 1)


def test_a_word_stands_between_blanks() -> None:
    """Blanks in a row are one border, and blanks alone are no words."""
    mender = Mender("m", always(0))
    assert mender.score("Ab  cd\n\n b \n").words == 3
    assert mender.score("Ab").right == 0
    assert mender.score("ab Cd").right == 1
    for nothing in ("", " \n"):
        score = mender.score(nothing)
        assert (score.words, score.exact, score.json()["words_right"]) == (0, 0, 0)


@given(st.text("abcd ÁáAB\n", max_size=30))
def test_damaged_or_not_a_text_is_read_alike(text: str) -> None:
    """What is mended does not depend on what was already right."""
    mender = Mender("m", mend_checkpoint(seed=3))
    damaged, _ = mender.damage.done(text)
    again, before = (mender.mend(one).text for one in (damaged, text))
    for one, other, given_ in zip(again, before, text, strict=True):
        assert other in (one, given_)


def test_long_texts_are_mended_in_windows() -> None:
    """A character far from an end is mended as in the whole text around it."""
    mender = Mender("m", mend_checkpoint(seed=1))
    text = "abcd dcba " * (WINDOW // 4)
    assert mender.mend(text).characters == len(text)
    start = WINDOW - MARGIN
    whole, part = mender.mend(text).text, mender.mend(text[start:]).text
    assert whole[WINDOW + MARGIN : 2 * WINDOW - MARGIN] == part[2 * MARGIN : WINDOW]


def test_marks_that_a_model_lacks_cost_nothing_else() -> None:
    """What a model cannot write is left out of the nats, and is counted as wrong."""
    score = Mender("m", mend_checkpoint()).score("ab é c")
    assert score.characters == 5
    assert np.isfinite(score.nats)


def test_other_models_are_refused() -> None:
    """The error names the command for them."""
    with pytest.raises(KindError, match=r"Use `chargen sample` with it alone"):
        Mender("tiny", tiny_checkpoint())
