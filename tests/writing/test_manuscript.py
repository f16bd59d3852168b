"""A text file that is saved at every change, and never at the cost of another's work."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from chargen import files
from chargen.errors import CorpusError, RunError
from chargen.writing import manuscript
from chargen.writing.journal import Journal
from chargen.writing.manuscript import Manuscript
from tests.conftest import posix_only


def put(one: Manuscript, text: str) -> None:
    """Write at the end, and save."""
    one.history.change(len(one.history.text), "", text)
    one.save()


def test_a_file_is_made_with_the_first_change(tmp_path: Path) -> None:
    """Whoever only looks leaves nothing behind."""
    path = tmp_path / "a.txt"
    one = Manuscript(path)
    one.save()
    assert not path.exists()
    put(one, "first")
    assert path.read_text() == "first"
    one.close()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.txt", "a.txt.history"]


def test_line_ends_and_the_mark_of_byte_order_stay(tmp_path: Path) -> None:
    """The writer sees plain lines; the file keeps its form."""
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone\r\ntwo".encode())
    one = Manuscript(path)
    assert one.history.text == "one\ntwo"
    put(one, "\nthree")
    assert path.read_bytes() == "\ufeffone\r\ntwo\r\nthree".encode()
    one.close()
    path.write_bytes(b"one\r\ntwo\n")
    one = Manuscript(path)
    assert one.history.text == "one\r\ntwo\n"
    one.close()


@posix_only
def test_links_and_permissions_stay(tmp_path: Path) -> None:
    """The file that a link leads to is written, and stays as private as it was."""
    path, link = tmp_path / "a.txt", tmp_path / "link.txt"
    path.write_text("one")
    path.chmod(0o600)
    link.symlink_to(path)
    one = Manuscript(link)
    put(one, " two")
    one.close()
    assert link.is_symlink()
    assert path.read_text() == "one two"
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_another_program_writes_meanwhile_is_kept(tmp_path: Path) -> None:
    """Under a name of its own, each time."""
    path = tmp_path / "a.txt"
    path.write_text("one")
    one = Manuscript(path)
    for number, name in enumerate(["a.other.txt", "a.other2.txt"]):
        path.write_text(f"theirs {number}")
        put(one, " more")
        assert (tmp_path / name).read_text() == f"theirs {number}"
        assert name in one.notice
    assert path.read_text() == "one more more"
    one.close()


def test_two_processes_do_not_write_one_text(tmp_path: Path) -> None:
    """The second is told; when the first has closed it, the second may."""
    first = Manuscript(tmp_path / "a.txt")
    with pytest.raises(RunError, match="is being written by another process"):
        Manuscript(tmp_path / "a.txt")
    first.close()
    Manuscript(tmp_path / "a.txt").close()


def test_trouble_is_told_and_ends(tmp_path: Path) -> None:
    """While the file cannot be written, it says why; with the next change, all is saved."""
    folder = tmp_path / "folder"
    folder.mkdir()
    one = Manuscript(folder / "a.txt")
    put(one, "one")
    folder.rename(tmp_path / "away")
    put(one, " two")
    assert "no such file or directory" in one.trouble
    (tmp_path / "away").rename(folder)
    put(one, " three")
    assert not one.trouble
    assert (folder / "a.txt").read_text() == "one two three"
    one.close()
    again = Manuscript(folder / "a.txt")
    assert len(again.history.changes) == 4
    again.close()


def test_what_is_no_text_is_refused_and_left(tmp_path: Path) -> None:
    """With the byte and its place; so is a folder, and a file in a folder that is not there."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"ab\xff")
    with pytest.raises(CorpusError, match="byte 0xff at offset 2"):
        Manuscript(path)
    assert path.read_bytes() == b"ab\xff"
    with pytest.raises(CorpusError, match="is no folder"):
        Manuscript(tmp_path / "nowhere" / "a.txt")
    for folder in (tmp_path, Path("/")):
        with pytest.raises(CorpusError, match="is a folder"):
            Manuscript(folder)
    assert [one.name for one in tmp_path.iterdir()] == ["a.bin"]


def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the writer begins."""

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(manuscript, "Lock", refused)
    with pytest.raises(RunError, match="cannot be written"):
        Manuscript(tmp_path / "a.txt")


def test_the_text_is_saved_whatever_becomes_of_its_history(tmp_path: Path) -> None:
    """The writer is told that versions are not kept; when they can be again, all are."""
    one = Manuscript(tmp_path / "a.txt")
    put(one, "one")
    history = tmp_path / "a.txt.history"
    history.unlink()
    history.mkdir()
    put(one, " two")
    assert one.history_trouble
    assert not one.trouble
    assert (tmp_path / "a.txt").read_text() == "one two"
    history.rmdir()
    put(one, " three")
    assert not one.history_trouble
    one.close()
    again = Manuscript(tmp_path / "a.txt")
    assert len(again.history.changes) == 4
    again.close()


def test_what_changes_while_it_is_opened_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program may write between our reading and our first save."""
    path = tmp_path / "a.txt"
    path.write_text("one")
    opened = Journal.opened

    def slowly(history: Path, text: str) -> Journal:
        path.write_text("theirs")
        return opened(history, text)

    monkeypatch.setattr(Journal, "opened", slowly)
    one = Manuscript(path)
    put(one, " two")
    assert (tmp_path / "a.other.txt").read_text() == "theirs"
    one.close()


def test_what_changes_at_the_moment_of_saving_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program may write as soon as our text has taken its place."""
    path = tmp_path / "a.txt"
    one = Manuscript(path)
    monkeypatch.setattr(files, "_sync_folder", lambda _: path.write_text("theirs"))
    put(one, "one")
    monkeypatch.undo()
    put(one, " two")
    assert (tmp_path / "a.other.txt").read_text() == "theirs"
    assert path.read_text() == "one two"
    one.close()


def test_a_file_that_gets_another_number_is_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On some file systems it does when it takes its place: the text in it tells whose it is."""

    def copied(half: Path, path: Path) -> None:
        shutil.copyfile(half, path.with_name("new"))
        path.with_name("new").replace(path)
        half.unlink()

    monkeypatch.setattr(files, "_replace", copied)
    one = Manuscript(tmp_path / "a.txt")
    for _ in range(3):
        put(one, "one")
    assert not one.notice
    one.close()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.txt", "a.txt.history"]


def test_a_full_disk_leaves_no_heap_of_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another program wrote is kept once, however often the text itself cannot be saved."""
    path = tmp_path / "a.txt"
    path.write_text("one")
    one = Manuscript(path)
    path.write_text("theirs")
    write = files.write_whole

    def full(to: Path, data: bytes, **more: Any) -> os.stat_result:
        if to == path:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(to, data, **more)

    monkeypatch.setattr(manuscript, "write_whole", full)
    for _ in range(5):
        put(one, "!")
        assert one.trouble == "no space left on device"
    assert [each.name for each in tmp_path.glob("*other*")] == ["a.other.txt"]
    monkeypatch.undo()
    one.save()
    assert path.read_text() == "one!!!!!"
    one.close()


@posix_only
def test_all_files_are_as_private_as_the_text(tmp_path: Path) -> None:
    """The history has the whole text in it."""
    path = tmp_path / "a.txt"
    path.write_text("one")
    path.chmod(0o600)
    (tmp_path / "a.txt.tmp").write_text("mine")
    one = Manuscript(path)
    put(one, " two")
    path.write_text("theirs")
    put(one, " three")
    for name in ("a.txt", "a.txt.history", "a.other.txt"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a.txt.tmp").read_text() == "mine"
    one.close()


def test_what_may_not_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is protected; a link that leads round in a circle."""
    path = tmp_path / "a.txt"
    path.write_text("one")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(RunError, match="may not be written"):
        Manuscript(path)
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    with pytest.raises(CorpusError, match="leads nowhere"):
        Manuscript(circle)


def test_mixed_ends_of_lines_do_no_harm(tmp_path: Path) -> None:
    """A file that turns out to have Windows' ends only gets no end twice."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\r\nb\n")
    one = Manuscript(path)
    one.history.change(4, "\n", "")
    one.save()
    one.close()
    one = Manuscript(path)
    while one.history.undo() is not None:
        one.save()
    assert b"\r\r" not in path.read_bytes()
    one.close()
