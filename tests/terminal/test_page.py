"""Samples on a page: what stands before, between and after them."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chargen.terminal.page import Page
from chargen.terminal.streams import visible
from tests.conftest import any_text

PLAIN: dict[str, Any] = {
    "model": "tale", "lines": False, "several": False, "temperatures": False, "kept": False,
    "prime": b"",
    "safe": False,
}  # fmt: skip


def page(samples: list[tuple[float, int, bytes]], begun: bytes = b"", **how: Any) -> str:
    """Return what a file has in the end, that had something at the beginning."""
    out = io.BytesIO(begun)
    out.seek(0, io.SEEK_END)
    made = Page(out, **PLAIN | how)
    for temp, seed, data in samples:
        made.begin(temp, seed)
        made.write(data)
        made.end()
    return out.getvalue().decode()


@given(any_text(), st.integers(1, 5), st.booleans())
def test_streamed_text_is_whole(text: str, size: int, safe: bool) -> None:
    """However the text is cut, a file gets the same bytes and a terminal gets visible text."""
    out = io.BytesIO()
    made = Page(out, **PLAIN | {"safe": safe})
    made.begin(1, 1)
    data = text.encode()
    for start in range(0, len(data), size):
        made.write(data[start : start + size])
    made.end()
    assert out.getvalue().decode() == (visible(text) if safe else text)


def test_one_sample_is_all_there_is() -> None:
    """It is written byte for byte, after its prime if that is wanted."""
    assert page([(0.8, 5, b"ab")]) == "ab"
    assert page([(0.8, 5, b"ab")], prime=b"x ") == "x ab"


def test_several_samples_are_told_apart() -> None:
    """Each has a heading that says how to write it again, and ends with a line end."""
    made = page([(0.8, 5, b"a\nb"), (0.8, 6, b"c\n")], several=True)
    assert made == "==> tale · temp 0.8 · seed 5 <==\na\nb\n\n==> tale · temp 0.8 · seed 6 <==\nc\n"


def test_samples_of_one_line_need_no_heading() -> None:
    """They stand below one another, so that they can be sorted; each temperature has a heading."""
    names = [(0.5, 1, b"Ann"), (0.5, 2, b""), (0.9, 1, b"Bo")]
    assert page(names, lines=True, several=True) == "Ann\n\nBo\n"
    made = page(names, lines=True, several=True, temperatures=True)
    assert made == (
        "==> tale · temp 0.5 · seed 1 <==\nAnn\n\n\n==> tale · temp 0.9 · seed 1 <==\nBo\n"
    )


def test_favourites_are_added_under_their_headings() -> None:
    """What the file has stays, and a blank line stands between."""
    made = page([(1, 7, b"c")], begun=b"mine\n", several=True)
    assert made == "mine\n\n==> tale · temp 1 · seed 7 <==\nc\n"
    made = page([(1, 7, b"Ann"), (1, 8, b"Bo")], lines=True, several=True, kept=True)
    assert made == "==> tale · temp 1 · seed 7 <==\nAnn\nBo\n"
