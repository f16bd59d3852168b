"""The writer's loop on a terminal of 80 by 24, through a pseudo-terminal, as a process."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

from tests.conftest import Chargen, command, one_line_error
from tests.writing.conftest import until

TAB, ENTER, ESCAPE = "\t", "\r", "\x1b"
UP, DOWN, RIGHT, HOME = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[H"
UNDO, REDO, BRANCH, OTHERS, WARMER, HELP, QUIT = "\x1a\x19\x0f\x12\x14\x07\x11"
READY = "Tab propose"
LEFT = b"\x1b[?1049l"
"""Shows the screen of before."""


class Terminal:
    """A process on a pseudo-terminal, and what it shows."""

    def __init__(
        self,
        arguments: list[str],
        environment: dict[str, str],
        folder: Path,
        size: tuple[int, int] = (80, 24),
    ) -> None:
        columns, lines = size
        self.raw = b""
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            command(arguments),
            stdin=theirs,
            stdout=subprocess.PIPE if "--json" in arguments else theirs,
            stderr=theirs,
            env=environment | {"TERM": "xterm-256color"},
            cwd=folder,
            start_new_session=True,
        )
        os.close(theirs)
        os.set_blocking(self.ours, False)

    def shown(self) -> str:
        """Return what is on the screen now."""
        with contextlib.suppress(BlockingIOError, OSError):
            while data := os.read(self.ours, 1 << 16):
                self.stream.feed(data)
                self.raw += data
                if b"\x1b[6n" in data:
                    # It asks where the cursor is.
                    cursor = self.screen.cursor
                    os.write(self.ours, f"\x1b[{cursor.y + 1};{cursor.x + 1}R".encode())
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait(self, come: Callable[[], object]) -> None:
        """Wait for something; read what is shown meanwhile, or the process could not go on."""
        until(lambda: (self.shown(), come())[1])

    def press(self, keys: str) -> None:
        """Send keys."""
        os.write(self.ours, keys.encode())

    def see(self, *texts: str) -> None:
        """Wait until all texts are on the screen."""
        try:
            self.wait(lambda: all(text in self.shown() for text in texts))
        except AssertionError:
            raise AssertionError(f"{texts} not in\n{self.shown()}") from None

    def ended(self) -> int:
        """Wait until the process has ended, and return its code."""
        self.wait(lambda: self.process.poll() is not None)
        return self.process.returncode


@pytest.fixture
def terminal(environment: dict[str, str], tmp_path: Path) -> Iterator[Terminal]:
    """``chargen write a.txt``, ready for keys; with the starter model, which writes words."""
    options = ["-m", "starter", "--seed", "1", "--length", "20"]
    made = Terminal(["write", "a.txt", *options], environment, tmp_path)
    made.see(READY, "0 words")
    yield made
    made.process.kill()
    made.process.wait()
    os.close(made.ours)


def text(folder: Path) -> str:
    """Return what is on disk."""
    path = folder / "a.txt"
    return path.read_text() if path.exists() else ""


def test_write_take_undo_and_quit(terminal: Terminal, tmp_path: Path) -> None:
    """All of the loop, at 80 by 24: each key does what the lines below say."""
    terminal.press("The tide")
    terminal.see("The tide", "2 words · 8 characters", "bits/char")
    assert text(tmp_path) == "The tide"
    terminal.press(TAB)
    terminal.see(">1  seed 1", "│ 2  seed 2", "│ 3  seed 3", "Enter take all")
    terminal.wait(lambda: "…" not in terminal.shown())
    terminal.press(TAB)
    terminal.see(">2  seed 2")
    terminal.press(DOWN)
    terminal.wait(lambda: len(text(tmp_path)) > 8)
    word = text(tmp_path)
    assert " " not in word.removeprefix("The tide").strip()
    terminal.press(RIGHT)
    terminal.wait(lambda: len(text(tmp_path)) == len(word) + 1)
    terminal.press(ENTER)
    terminal.see(READY)
    taken = text(tmp_path)
    assert len(taken) >= 8 + 20
    terminal.press(UNDO * 3)
    terminal.wait(lambda: text(tmp_path) == "The tide")
    terminal.press("!")
    terminal.see("branch 2/2")
    terminal.press(BRANCH)
    terminal.wait(lambda: text(tmp_path) == taken)
    terminal.press(WARMER)
    terminal.see("temp 0.9")
    terminal.press(QUIT)
    assert terminal.ended() == 0
    assert f"a.txt has {len(taken)} characters" in terminal.shown()
    assert sorted(one.name for one in tmp_path.glob("*a.txt*")) == ["a.txt", "a.txt.history"]


def test_a_killed_writer_loses_nothing(
    terminal: Terminal, environment: dict[str, str], tmp_path: Path
) -> None:
    """What was typed last is on disk, and what was undone is a branch the next time."""
    terminal.press("one two")
    terminal.see("one two")
    terminal.press(UNDO)
    terminal.wait(lambda: text(tmp_path) == "one ")
    terminal.press("three")
    terminal.wait(lambda: text(tmp_path) == "one three")
    terminal.process.send_signal(signal.SIGKILL)
    terminal.process.wait()
    again = Terminal(["write", "a.txt"], environment, tmp_path)
    again.see("one three", "branch 2/2")
    again.press(BRANCH)
    again.see("one two", "branch 1/2")
    again.press(QUIT)
    assert again.ended() == 0
    os.close(again.ours)


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_the_terminal_as_it_was(
    terminal: Terminal, tmp_path: Path, name: signal.Signals
) -> None:
    """The text is saved, and the screen of before is shown."""
    terminal.press("text")
    terminal.see("text")
    terminal.process.send_signal(name)
    assert terminal.ended() == 0
    assert LEFT in terminal.raw
    assert text(tmp_path) == "text"


def test_help_is_shown_and_put_away(terminal: Terminal, tmp_path: Path) -> None:
    """While it is shown, nothing is typed."""
    terminal.press(HELP)
    terminal.see("Type freely", "Ctrl-O")
    terminal.press("xyz" + TAB + ENTER)
    terminal.press(HELP)
    terminal.see(READY)
    assert "Type freely" not in terminal.shown()
    assert text(tmp_path) == ""


def test_escape_and_others(terminal: Terminal) -> None:
    """Other proposals have other seeds; Esc puts them away."""
    terminal.press("It" + TAB)
    terminal.see(">1  seed 1")
    terminal.press(OTHERS)
    terminal.see(">1  seed 4", "3  seed 6")
    terminal.press(ESCAPE)
    terminal.see(READY)
    assert "seed" not in terminal.shown()


def test_lines_are_broken_between_words(terminal: Terminal) -> None:
    """As in a book; the cursor stays with what is typed."""
    words = " ".join(["sailing"] * 15)
    terminal.press(words)
    terminal.see(" ".join(["sailing"] * 10) + "\n" + " ".join(["sailing"] * 5))
    terminal.press("!")
    terminal.see("sailing!")
    assert (terminal.screen.cursor.x, terminal.screen.cursor.y) == (5 * 8, 1)


def test_keys_move_by_rows_of_the_screen(terminal: Terminal, tmp_path: Path) -> None:
    """Not by paragraphs; and Esc makes no command of the letter behind it."""
    terminal.press(" ".join(["sailing"] * 25))
    terminal.see(" ".join(["sailing"] * 5))
    terminal.press(UP)
    terminal.wait(lambda: (terminal.shown(), terminal.screen.cursor.y)[1] == 1)
    assert terminal.screen.cursor.x == 5 * 8 - 1
    terminal.press(HOME + "A")
    terminal.see("Asailing")
    assert text(tmp_path).index("A") == 80
    terminal.press(ESCAPE)
    time.sleep(0.3)
    terminal.press("d")
    terminal.wait(lambda: text(tmp_path)[80:83] == "Ads")


def test_bytes_that_are_no_text_spoil_nothing(terminal: Terminal, tmp_path: Path) -> None:
    """A terminal of another encoding sends them; each is shown as one damaged character."""
    os.write(terminal.ours, b"a\xe9b")
    terminal.wait(lambda: text(tmp_path) == "a\ufffdb")
    terminal.press(UNDO)
    terminal.wait(lambda: text(tmp_path) == "")


def test_a_text_that_cannot_be_saved_is_said_and_saved_later(
    terminal: Terminal, tmp_path: Path
) -> None:
    """To leave without it takes two keys; when it can be saved again, it is, without a key."""
    terminal.press("one")
    terminal.wait(lambda: text(tmp_path) == "one")
    # Where half of it would be written is a folder.
    (tmp_path / ".a.txt.half").mkdir()
    terminal.press("!")
    terminal.see("NOT SAVED: is a directory")
    terminal.press(QUIT)
    terminal.see("^Q again leaves")
    assert terminal.process.poll() is None
    (tmp_path / ".a.txt.half").rmdir()
    terminal.wait(lambda: text(tmp_path) == "one!")
    terminal.see(READY)


def test_another_programs_text_is_kept_and_said(terminal: Terminal, tmp_path: Path) -> None:
    """Until Esc, in place of the keys."""
    terminal.press("one")
    terminal.wait(lambda: text(tmp_path) == "one")
    (tmp_path / "a.txt").write_text("theirs")
    terminal.press("!")
    terminal.see("another program changed the text; that is kept as a.other.txt (Esc)")
    assert (text(tmp_path), (tmp_path / "a.other.txt").read_text()) == ("one!", "theirs")
    terminal.press(ESCAPE)
    terminal.see(READY)


def test_json_and_a_narrow_screen(
    model_file: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """Figures go to standard output when all is done; a narrow screen shows one proposal."""
    small = Terminal(["write", "a.txt", "--json", "--seed", "1"], environment, tmp_path, (40, 12))
    small.see("Tab propose")
    small.press("The tide")
    small.see("2 words")
    small.press(TAB)
    small.see(">1  seed 1")
    assert "seed 2" not in small.shown()
    small.press(TAB)
    small.see(">2  seed 2")
    small.press("." + QUIT)
    assert small.ended() == 0
    assert small.process.stdout is not None
    found = json.loads(small.process.stdout.read())
    assert (found["file"], found["characters"]) == ("a.txt", 9)
    small.process.stdout.close()
    os.close(small.ours)


def test_the_page_begins_with_a_command_that_works(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """And what it says of the last line is there."""
    page = (Path(__file__).parents[2] / "docs" / "writing.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^chargen (write .*)$", page, re.MULTILINE)
    made = Terminal(shlex.split(line), environment, tmp_path)
    made.see("story.txt · 0 words · 0 characters", "starter", READY)
    made.press(HELP)
    keys = [
        key for row in re.findall(r"^\| (.*?) \|", page, re.MULTILINE) for key in row.split(", ")
    ]
    named = [key for key in keys if key.startswith("Ctrl-") and key not in ("Ctrl-G",)]
    assert len(named) >= 7
    made.see(*named)
    made.press(QUIT)
    assert made.ended() == 0
    os.close(made.ours)


def test_it_needs_a_terminal(chargen: Chargen, model_file: Path) -> None:
    """One line, with what to use instead."""
    assert "needs a terminal" in one_line_error(chargen("write", "a.txt"), 2)
