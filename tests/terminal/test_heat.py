"""A text in colours or with bars."""

from __future__ import annotations

import pytest

from chargen.terminal import heat
from chargen.terminal.console import Console


def test_levels_begin_at_their_edges() -> None:
    """From nothing to see, below half a bit, to eight bits and more."""
    assert [heat.level(bits) for bits in (0, 0.49, 0.5, 1.5, 3, 7.9, 8, 30)] == [
        0, 0, 1, 2, 4, 6, 7, 7,
    ]  # fmt: skip


def test_bars_stand_below_their_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """A wide character has a wide bar; an accent adds its bits to its letter's."""
    text = "ab漢e\u0301\nc"
    heat.show(Console(), text, [0.1, 1.2, 9, 0.3, 0.9, 5, 2.5])
    _, *lines = capsys.readouterr().out.splitlines()
    assert lines == ["ab漢e\u0301⏎", " ▂██▂▅", "c", "▃"]


def test_long_lines_are_cut_at_the_width() -> None:
    """No line has more columns than there are, and nothing is lost."""
    text = "漢" * 7 + "abc"
    lines = list(heat.lines(text, [1.0] * 10, 5))
    assert ["".join(shown for shown, _ in line) for line in lines] == [
        "漢漢", "漢漢", "漢漢", "漢abc",
    ]  # fmt: skip


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """They are shown as pictures."""
    heat.show(Console(), "a\x1b[2J", [1, 1, 1, 1, 1])
    assert "\x1b" not in capsys.readouterr().out


def test_colours_have_a_legend(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Black letters on a background; what is hardly surprising has none."""
    monkeypatch.setattr(heat, "coloured", lambda: True)
    heat.show(Console(), "ab", [0.1, 9])
    legend, line = capsys.readouterr().out.splitlines()
    assert "<0.5" in legend
    assert "≥8" in legend
    assert line == "a\x1b[48;5;160m\x1b[38;5;16mb\x1b[0m"
