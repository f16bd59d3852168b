"""What is said of a text before it is trained on."""

from __future__ import annotations

import io

import pytest
from hypothesis import given

from chargen.text.corpus import Text, open_text
from chargen.text.remarks import by_code, invisible, remarks
from chargen.text.sources import spool
from tests.conftest import ODD, STORY, any_text

LONG = STORY * 30


def text(content: str) -> Text:
    return open_text([spool("made", io.BytesIO(content.encode()))])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (STORY[:900], "900 characters are few"),
        (LONG.replace("\n", "\r\n"), "lines end in CR LF"),
        (LONG.replace("\n", "\r"), "lines end in CR alone"),
        (LONG.replace("\n", "\r\n", 3), "line ends are mixed: 3 CR among"),
        (LONG.replace("\n", " "), "the whole text is one line"),
        (LONG + "".join(map(chr, range(0x4E00, 0x4E80))), "128 of"),
        (LONG.replace("tide", "ti\ufffde", 3), "3 × U+FFFD"),
        (LONG + "é naïve à ".encode().decode("latin-1") * 9, "read as Latin-1"),
        (LONG + "e\u0301é", "composed in some places"),
        (LONG + "\xad\xad\u200b", "2 × U+00AD SOFT HYPHEN, 1 × U+200B ZERO WIDTH SPACE"),
    ],
    ids=lambda value: value[-20:] if len(value) < 60 else "",
)
def test_what_is_odd_is_said(content: str, said: str) -> None:
    """One line says it, and nothing else is said."""
    (line,) = [one for one in remarks(text(content)) if said in one]
    assert "\n" not in line


def test_nothing_is_said_of_plain_prose() -> None:
    """Quotation marks, dashes and accents are expected."""
    assert remarks(text(LONG + "naïve café, déjà vu")) == []


# A byte order mark is taken off, and nothing may be left.
@given(any_text(min_size=1).filter(lambda content: content != "\ufeff"))
def test_every_text_can_be_remarked_on(content: str) -> None:
    """No text breaks it, and what it says can be shown."""
    said = remarks(text(content))
    assert not any(invisible(one) for line in said for one in line)


def test_invisible_characters_are_shown_by_their_code() -> None:
    """A letter is itself, a mark of direction is not."""
    shown = [by_code(one) for one in ODD]
    assert not any(invisible(one) for each in shown for one in each)
    assert by_code("\u202e") == "<U+202E>"
    assert by_code("א") == "א"
