"""A tree of versions: what was written stays, whatever is undone, and a journal brings it back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.writing.history import ELSEWHERE, MODEL, History, Journal, difference
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


@given(STEPS)
def test_a_journal_brings_all_versions_back(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    """Opened anew after any step, it is the same tree, at the same place."""
    path = tmp_path_factory.mktemp("journal") / "a.history"
    journal = Journal.opened(path, "begun")
    for step in steps:
        applied(journal.history, step)
        journal.write()
        again = Journal.opened(path, journal.history.text)
        assert again.history.changes == journal.history.changes
        assert (again.history.here, again.history.tips) == (
            journal.history.here,
            journal.history.tips,
        )
        journal = again


def test_half_a_line_is_written_over(tmp_path: Path) -> None:
    """A kill or a full disk in the middle of a line costs that line only."""
    path = tmp_path / "a.history"
    journal = Journal.opened(path, "")
    typed(journal.history, "ab")
    journal.write()
    path.write_bytes(path.read_bytes() + b'{"on": 2, "at"')
    again = Journal.opened(path, "ab")
    typed(again.history, "c")
    again.write()
    last = Journal.opened(path, "abc").history
    assert (last.text, len(last.changes)) == ("abc", 4)


def test_a_kill_between_journal_and_text_loses_nothing(tmp_path: Path) -> None:
    """The journal is one change ahead then, and it is believed."""
    path = tmp_path / "a.history"
    journal = Journal.opened(path, "")
    typed(journal.history, "abc")
    journal.write()
    assert Journal.opened(path, "ab").history.text == "abc"


def test_what_another_program_has_written_is_a_version(tmp_path: Path) -> None:
    """The text on disk is shown; the one before it is one undo away."""
    path = tmp_path / "a.history"
    journal = Journal.opened(path, "the sea")
    typed(journal.history, "!")
    journal.write()
    history = Journal.opened(path, "the red sea").history
    assert (history.text, history.changes[-1].by) == ("the red sea", ELSEWHERE)
    history.undo()
    assert history.text == "the sea!"


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\n",
        b"",
        b'{"chargen": 99, "text": ""}\n',
        b'{"chargen": 1, "text": "a"}\n{"here": 7}\n',
        b'{"chargen": 1, "text": "a"}\n{"on": 0, "at": 0, "cut": "b", "put": "", "by": "typed"}\n',
        b'{"chargen": 1, "text": "a"}\n{"on": 0, "at": 2, "cut": "", "put": "b", "by": "typed"}\n',
        b'{"chargen": 1, "text": 7}\n',
        b"[]\n",
    ],
)
def test_a_damaged_journal_is_put_aside(tmp_path: Path, data: bytes) -> None:
    """It is kept under another name, and a new one begins."""
    path = tmp_path / "a.history"
    path.write_bytes(data)
    assert Journal.opened(path, "text").history.text == "text"
    assert (tmp_path / "a.history.damaged").read_bytes() == data
