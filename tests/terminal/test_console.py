"""What reaches a terminal, and what does not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given

from chargen.terminal.console import Console
from chargen.terminal.streams import visible
from tests.conftest import any_text


@given(any_text())
def test_visible_text_cannot_command_a_terminal(text: str) -> None:
    """Control characters become pictures, and everything else stays as it is."""
    made = visible(text)
    assert len(made) == len(text)
    for before, after in zip(text, made, strict=True):
        harmless = before in "\n\t" or not (ord(before) < 32 or 127 <= ord(before) < 160)
        assert (after == before) == harmless
        assert after in "\n\t" or ord(after) >= 32


def test_a_name_cannot_command_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Files, runs and labels may be called anything."""
    Console().say("skipped \x1b]0;title\x07.txt: not text")
    assert capsys.readouterr().err == "skipped ␛]0;title␇.txt: not text\n"


def test_a_table_takes_every_cell_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Heads and cells may look like markup, or like what a terminal obeys."""
    Console().table([("fr[/b]", "\x1b]0;a\x07")], ("de[/b]", "\x1b]0;b\x07"))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["de[/b]", "␛]0;b␇"], ["fr[/b]", "␛]0;a␇"]]


def test_json_has_no_numbers_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not finite is null, wherever it stands; the rest is as it was."""
    Console().emit({"a": [math.nan, 1.5, {"b": -math.inf}], "c": (True, None, "NaN")})
    shown = capsys.readouterr().out
    assert shown == '{"a": [null, 1.5, {"b": null}], "c": [true, null, "NaN"]}\n'
