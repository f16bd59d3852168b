"""Tables as lines: how wide they are, and what is never broken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from chargen.terminal.grid import columns, pairs

HEAD = ("run", "state", "network")
ROWS = [("short", "finished", "lstm 1 × 512"), ("a-name-that-is-long", "interrupted", "gru 2 × 64")]


def test_columns_stand_side_by_side() -> None:
    """Text is aligned left, numbers right, and no line ends with blanks."""
    lines = columns([("a", "1"), ("bc", "20")], ("x", "number"), left=(0,))
    assert lines == ["x   number", "a        1", "bc      20"]
    assert columns([("a", ""), ("bc", "x")], ("one", "two"), left=(0, 1)) == [
        "one  two",
        "a",
        "bc   x",
    ]


def test_a_narrow_screen_loses_spare_columns_and_then_lifts_names() -> None:
    """No name is broken: rather, it has a line of its own."""
    assert columns(ROWS, HEAD, (0, 1, 2), 60, spare=1)[0].split() == list(HEAD)
    narrow = columns(ROWS, HEAD, (0, 1, 2), 40, spare=1)
    assert narrow[0].split() == ["run", "state"]
    lifted = columns(ROWS, HEAD, (0, 1, 2), 26, spare=1)
    assert lifted == [
        "run", "state        network", "short", "finished     lstm 1 × 512", "a-name-that-is-long",
        "interrupted  gru 2 × 64",
    ]  # fmt: skip


@given(
    st.lists(st.tuples(*[st.text("ab漢é", min_size=1, max_size=30)] * 3), min_size=1),
    st.integers(10, 90),
)
def test_every_cell_is_shown_whole(rows: list[tuple[str, str, str]], width: int) -> None:
    """Without spare columns nothing is lost, whatever the width, and no line ends with a blank."""
    lines = columns(rows, HEAD, (0, 1, 2), width)
    assert all(line == line.rstrip() for line in lines if line not in {row[0] for row in rows})
    text = "\n".join(lines)
    assert all(cell.strip() in text for row in rows for cell in row)
    tight = columns(rows, HEAD, (0, 1, 2))
    if max(map(cell_len, tight)) <= width:
        assert lines == tight


@given(st.lists(st.text("ab漢 ", min_size=1, max_size=60), min_size=1), st.integers(20, 80))
def test_values_are_broken_at_blanks_only(values: list[str], width: int) -> None:
    """A line is too long only if a single word is."""
    lines = pairs([("name", value) for value in values], width)
    words = {word for value in values for word in value.split(" ")}
    for line in lines:
        assert cell_len(line) <= width or line.strip() in words
    shown = " ".join(line.removeprefix("name").strip() for line in lines)
    assert shown.split() == " ".join(values).split()
