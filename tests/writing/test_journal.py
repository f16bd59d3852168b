"""A journal brings all versions back, after a kill, after damage, after another program's work."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from chargen.writing.history import ELSEWHERE, MODEL
from chargen.writing.journal import Journal
from tests.writing.test_history import STEPS, Step, applied, typed


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


def test_what_another_program_takes_back_stays_taken_back(tmp_path: Path) -> None:
    """Also if it is just the last change: the text on disk is what counts."""
    path = tmp_path / "a.history"
    journal = Journal.opened(path, "the sea")
    journal.history.change(7, "", " is calm", MODEL)
    journal.write()
    assert Journal.opened(path, "the sea").history.text == "the sea"


def test_a_journal_that_is_gone_is_written_anew(tmp_path: Path) -> None:
    """With all versions; so is one that somebody has cut."""
    path = tmp_path / "a.history"
    journal = Journal.opened(path, "the sea")
    typed(journal.history, "!")
    journal.write()
    for spoil in (path.unlink, lambda: path.write_bytes(b"")):
        spoil()
        typed(journal.history, "?")
        journal.write()
        again = Journal.opened(path, journal.history.text)
        assert again.history.changes == journal.history.changes
        assert again.damaged is None


def test_what_is_before_the_damage_counts(tmp_path: Path) -> None:
    """A power cut may leave anything at the end; the whole is kept beside, each time anew."""
    path = tmp_path / "a.history"
    journal = Journal.opened(path, "")
    typed(journal.history, "abc")
    journal.write()
    for name in ("a.history.damaged", "a.history2.damaged"):
        path.write_bytes(path.read_bytes() + b"\0\0\0\n")
        again = Journal.opened(path, "abc")
        assert len(again.history.changes) == len(journal.history.changes)
        assert again.damaged == tmp_path / name
        assert again.damaged.read_bytes() == path.read_bytes()
        typed(again.history, "d")
        again.history.undo()
        again.write()
        journal = Journal.opened(path, "abc")
        assert journal.damaged is None


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
    """It is kept under another name; the text on disk is shown, and goes on being written."""
    path = tmp_path / "a.history"
    path.write_bytes(data)
    journal = Journal.opened(path, "text")
    assert journal.history.text == "text"
    assert (tmp_path / "a.history.damaged").read_bytes() == data
    typed(journal.history, "!")
    journal.write()
    again = Journal.opened(path, "text!")
    assert (again.history.text, again.damaged) == ("text!", None)
