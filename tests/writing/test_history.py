"""A tree of versions: what was written stays, whatever is undone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.writing.history import MODEL, History, difference
from tests.conftest import any_text


def typed(history: History, text: str) -> None:
    """Type a text at the end, key by key."""
    for key in text:
        history.change(len(history.text), "", key)


@given(any_text(), any_text())
def test_a_difference_makes_one_text_of_the_other(old: str, new: str) -> None:
    """What is cut and put is all that differs, and it is short where both begin and end alike."""
    at, cut, put = difference(old, new)
    assert old[:at] + put + old[at + len(cut) :] == new
    assert old[at : at + len(cut)] == cut
    assert not (cut and put and (cut[0] == put[0] or cut[-1] == put[-1]))


def test_undo_takes_back_a_word_a_deletion_or_what_was_taken() -> None:
    """Not a key, and not all that was typed; redo does the same forward."""
    history = History()
    typed(history, "the red sea")
    history.change(11, "", " is calm and wide", MODEL)
    for _ in range(3):
        history.change(len(history.text) - 1, history.text[-1], "")
    versions = [history.text]
    while history.undo() is not None:
        versions.append(history.text)
    whole = "the red sea is calm and wide"
    assert versions == [whole[:-3], whole, "the red sea", "the red ", "the ", ""]
    again = [history.text]
    while history.redo() is not None:
        again.append(history.text)
    assert again == versions[::-1]


def test_what_is_written_after_undo_is_a_branch_beside_the_old_one() -> None:
    """The next branch is one key away; with one branch alone, nothing happens."""
    history = History("once ")
    assert history.other() is None
    typed(history, "more")
    history.undo()
    typed(history, "again")
    assert (history.text, history.branch) == ("once again", (2, 2))
    assert history.other() == len("once more")
    assert (history.text, history.branch) == ("once more", (1, 2))
    history.undo()
    assert history.branch == (1, 2)
    history.redo()
    assert history.text == "once more"


Step = tuple[str, int, int, str]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["change", "change", "undo", "redo", "other"]),
        st.integers(0, 20),
        st.integers(0, 3),
        any_text(max_size=3),
    ),
    max_size=30,
)


def applied(history: History, step: Step) -> None:
    name, at, size, put = step
    if name == "change":
        at = min(at, len(history.text))
        history.change(at, history.text[at : at + size], put)
    else:
        getattr(history, name)()


@given(STEPS)
def test_every_version_is_reached_again(steps: list[Step]) -> None:
    """Whatever is done, each version that there ever was can be shown; undo leads to the first."""
    history, seen = History("begun"), {0: "begun"}
    for step in steps:
        applied(history, step)
        assert seen.setdefault(history.here, history.text) == history.text
    for number, text in seen.items():
        history.go(number)
        assert history.text == text
        number_of, count = history.branch
        assert 1 <= number_of <= count
    while history.undo() is not None:
        pass
    assert (history.here, history.text) == (0, "begun")


def test_what_is_not_there_cannot_be_cut() -> None:
    """A change that does not fit the text is an error; a place behind its end is one, too."""
    history = History("abc")
    for at, cut in ((0, "x"), (4, "")):
        with pytest.raises(ValueError, match=r"not at|no place"):
            history.change(at, cut, "y")
        assert (history.text, history.changes[1:], history.tips) == ("abc", [], [0])
