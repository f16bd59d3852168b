"""Damage: what is lost, how it is mended, and that nothing else can be changed."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import UsageError
from chargen.text.damage import (
    BEHIND,
    BREAK,
    KEEP,
    Damage,
    common,
    kinds_of,
    mended,
    parts,
)
from tests.conftest import STORY, any_text

LOSSES = ["accents", "case", "punctuation", "spaces", "accents,case,punctuation", "case,spaces"]


@pytest.mark.parametrize(
    ("undo", "damaged"),
    [
        ("accents", "“Deja,” said Soren — Lodz is far. It’s l’été nowhere"),
        ("case", "“déjà,” said søren — łódź is far. it’s l’été nowhere"),
        ("punctuation", "“Déjà said Søren  Łódź is far It’s l’été nowhere"),
        ("spaces", "“Déjà,”saidSøren—Łódźisfar.It’sl’éténowhere"),
    ],
)
def test_each_kind_takes_one_thing_away(undo: str, damaged: str) -> None:
    """Letters without their marks, no capitals, no punctuation, no blanks."""
    text = "“Déjà,” said Søren — Łódź is far. It’s l’été nowhere"
    if undo == "accents":
        damaged = damaged.replace("l’été", "l’ete")
    assert Damage(undo).done(text)[0] == damaged


@pytest.mark.parametrize("undo", LOSSES)
@given(text=any_text(min_size=1))
def test_the_right_marks_give_the_text_back(undo: str, text: str) -> None:
    """Whatever the text, and all of these marks fit."""
    damage = Damage(undo)
    damaged, marks = damage.done(text)
    assert len(damaged) == len(marks)
    assert mended(damaged, marks) == text
    assert all(map(damage.fits, damaged, marks))


@pytest.mark.parametrize("undo", LOSSES)
@given(data=st.data(), text=any_text(min_size=1, max_size=40))
def test_marks_that_fit_invent_nothing(undo: str, data: st.DataObject, text: str) -> None:
    """What a mark gives, damaged again, is the character, damaged: no more and no less."""
    damage = Damage(undo)
    damaged, _ = damage.done(text)
    known = sorted(set(damage.done(STORY + text)[1]) | {"=x", "^", BEHIND + "!", "="})
    marks = [
        data.draw(st.sampled_from([mark for mark in known if damage.fits(one, mark)]))
        for one in damaged
    ]
    left = "".join(map(damage.of, mended(damaged, marks)))
    assert left == "".join(map(damage.of, damaged))


def test_what_is_right_stays() -> None:
    """An accent or a capital that is there cannot be changed, only what is missing put in."""
    damage = Damage("accents,case,punctuation")
    assert not damage.fits("é", "=è")
    assert not damage.fits("E", "=É")
    assert not damage.fits("a", "=b")
    assert damage.fits("e", "=É")
    assert damage.fits("é", BEHIND + ",")
    assert not damage.fits("e", BEHIND + "x")


def test_sentences_lose_all_that_shows_where_they_end() -> None:
    """No capitals, no punctuation; a mark at the blank between two."""
    damaged, marks = Damage("sentences").done("Wait. “It comes!”  Dr. no one knew…\nBut it did")
    assert damaged == "wait it comes dr no one knew but it did"
    assert [at for at, mark in enumerate(marks) if mark == BREAK] == [4, 13, 28]
    assert mended(damaged, marks) == "wait\nit comes\ndr no one knew\nbut it did"


@given(any_text(min_size=1), st.integers(0, 99))
def test_noise_can_be_undone(text: str, seed: int) -> None:
    """Its marks give the text back, and the same seed the same noise."""
    damage = Damage("noise")
    damaged, marks = damage.done(text, seed)
    assert mended(damaged, marks) == text
    assert damage.done(text, seed) == (damaged, marks)


def test_noise_changes_about_one_character_in_seventeen() -> None:
    """In a text that is long enough to tell."""
    _, marks = Damage("noise").done(STORY * 20, 1)
    share = sum(mark != KEEP for mark in marks) / len(marks)
    assert 0.03 < share < 0.07


@pytest.mark.parametrize("undo", ["vowels", "", "accents,vowels"])
def test_unknown_damage_is_refused(undo: str) -> None:
    """With the kinds that there are."""
    with pytest.raises(UsageError, match="Choose accents, case"):
        kinds_of(undo)


def test_what_does_not_go_together_is_refused() -> None:
    """Sentences and noise stand alone."""
    with pytest.raises(UsageError, match="does not go with others"):
        kinds_of("case,noise")
    assert kinds_of("case, accents,case") == ("case", "accents")


def test_common_marks_are_learned() -> None:
    """The commonest first, after the one that means nothing; what occurs once is left."""
    counts = Counter({KEEP: 90, "=é": 3, "^": 7, "=ñ": 1})
    assert common(counts) == (KEEP, "^", "=é")
    assert parts("e", "=é" + BEHIND + ", ") == ("é", ", ")
