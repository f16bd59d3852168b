"""What a writer does with proposals, without a terminal."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.writing.desk import HOTTEST, PROPOSALS, Desk
from chargen.writing.wrapping import edge, moved, rows, wrapped
from tests.conftest import any_text
from tests.writing.conftest import proposed, until


def saved(desk: Desk) -> str:
    """Return what is on disk."""
    return desk.manuscript.path.read_text()


def test_a_proposal_is_taken_whole(desk: Desk) -> None:
    """The chosen one goes where the cursor is, is saved, and one undo takes it back."""
    desk.edited("The tide\n\nIt came", len("The tide"))
    desk.propose()
    texts = proposed(desk)
    assert len(set(texts)) == PROPOSALS
    desk.propose()
    assert desk.chosen == 1
    desk.take()
    assert saved(desk) == desk.text == "The tide" + texts[1] + "\n\nIt came"
    assert desk.cursor == len("The tide" + texts[1])
    assert not desk.asked
    desk.undo()
    assert saved(desk) == "The tide\n\nIt came"


def test_a_proposal_is_taken_by_word_and_by_character(desk: Desk) -> None:
    """The rest stays to be taken; the others, which do not follow any more, are gone."""
    desk.propose()
    text = proposed(desk)[PROPOSALS - 1]
    desk.back()
    desk.take_word()
    word = desk.text.removeprefix("The tide")
    assert text.startswith(word)
    assert " " not in word.strip()
    desk.take_character()
    assert desk.text == "The tide" + text[: len(word) + 1] == saved(desk)
    assert proposed(desk) == [text[len(word) + 1 :]]
    desk.take()
    assert desk.text == "The tide" + text
    assert not desk.asked


def test_to_write_or_to_move_puts_proposals_away(desk: Desk) -> None:
    """They would not follow any more; the next ones have other seeds."""
    seeds = set()
    for text, cursor in [("The tide!", 9), ("The tide!", 4)]:
        desk.propose()
        proposed(desk)
        seeds |= {one.seed for one in desk.proposals}
        desk.edited(text, cursor)
        assert not desk.asked
    assert saved(desk) == "The tide!"
    assert len(seeds) == 2 * PROPOSALS


def test_others_have_other_seeds_and_warmer_ones_the_same(desk: Desk) -> None:
    """A warmer or cooler text can be compared with the one before."""
    desk.propose()
    texts = proposed(desk)
    desk.warmer()
    assert desk.temp == pytest.approx(0.9)
    assert [one.seed for one in desk.proposals or ()] in ([], [5, 6, 7])
    proposed(desk)
    desk.warmer(-1)
    assert proposed(desk) == texts
    desk.others()
    proposed(desk)
    assert [one.seed for one in desk.proposals] == [8, 9, 10]


def test_the_temperature_has_limits(desk: Desk) -> None:
    """From 0 to the hottest, in steps without rounding errors."""
    for _ in range(30):
        desk.warmer()
    assert desk.temp == HOTTEST
    for _ in range(30):
        desk.warmer(-1)
    assert desk.temp == 0


def test_branches_are_gone_through(desk: Desk) -> None:
    """What was undone and written anew is one of them."""
    desk.edited("The tide rose", 13)
    desk.undo()
    desk.edited("The tide fell", 13)
    assert desk.history.branch == (2, 2)
    desk.other_branch()
    assert saved(desk) == "The tide rose"
    assert desk.json()["branches"] == 2


def test_nothing_is_taken_where_nothing_is_proposed(desk: Desk) -> None:
    """All keys may be pressed at any time."""
    for act in (
        desk.take, desk.take_word, desk.take_character, desk.back, desk.redo, desk.undo,
        desk.other_branch, desk.dismiss,
    ):  # fmt: skip
        act()
    assert desk.text == "The tide"


def test_figures_come_with_the_text(desk: Desk) -> None:
    """Words, and bits for each character, once the model has read it."""
    desk.edited("The tide went out", 17)
    until(lambda: desk.json().get("words") == 4)
    found = desk.json()
    assert found["characters"] == 17
    assert found["nats_per_char"] == pytest.approx(found["bpc"] * 0.6931, rel=1e-3)


def test_only_whole_proposals_are_taken(desk: Desk) -> None:
    """Half a word would stand in the text; a moment later, it is whole."""
    desk.sampling = replace(desk.sampling, length=100_000)
    desk.propose()
    until(lambda: desk.proposals and desk.proposals[0].text)
    for act in (desk.take, desk.take_word, desk.take_character):
        act()
    assert desk.text == "The tide"


def test_the_cursor_goes_up_and_down_by_rows() -> None:
    """In its column, where the row is as long; not beyond the first and the last."""
    text = "the red sea\nab"
    assert rows("the red sea", 8) == ((0, 0), (8, 5))
    assert [moved(text, 2, 8, steps) for steps in (-1, 0, 1, 2, 3)] == [2, 2, 10, 14, 2]
    assert [edge(text, 9, 8, end=end) for end in (False, True)] == [8, 11]
    assert [edge(text, 2, 8, end=end) for end in (False, True)] == [0, 7]


@given(any_text(), st.integers(2, 40), st.floats(0, 1), st.integers(-3, 3))
def test_each_row_can_be_reached(text: str, width: int, share: float, steps: int) -> None:
    """A place stays in the text; there and back leads to the same row."""
    place = round(share * len(text))
    there = moved(text, place, width, steps)
    assert 0 <= there <= len(text)
    if there != place:
        back = moved(text, there, width, -steps)
        assert edge(text, back, width, end=False) == edge(text, place, width, end=False)


@given(any_text(), st.integers(2, 40))
def test_rows_are_broken_between_words(text: str, width: int) -> None:
    """Nothing is lost; a row is no wider than the screen; a word is broken only if it must be."""
    assert "".join(wrapped(text, width)) == text.replace("\n", "")
    for line in text.split("\n"):
        starts = [start for start, _ in rows(line, width)]
        assert starts[0] == 0
        assert starts == sorted(set(starts))
        assert all(0 <= free <= width for _, free in rows(line, width))
        for before, start in itertools.pairwise(starts):
            assert line[start - 1] == " " or " " not in line[before : start - 1]
