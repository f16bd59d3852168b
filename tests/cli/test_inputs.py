"""What commands read: a text in quotes, or a file."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from chargen.cli.inputs import given, grouped
from chargen.errors import ChargenError, CorpusError
from chargen.terminal.console import Console
from tests.conftest import write


@pytest.mark.parametrize("text", ["tide", "24/12/1999", "the tide/the sand", "3.14", "the end."])
def test_what_no_file_is_called_is_a_text(text: str) -> None:
    """Words, sentences, dates and numbers."""
    assert given(text)


@pytest.mark.parametrize("name", ["no/file", "notes.txt", "~/notes", r"C:\notes", " "])
def test_a_file_that_is_not_there_is_no_text(name: str) -> None:
    """A name with a mistake in it is not used as a text in silence."""
    with pytest.raises(CorpusError, match="neither a file nor a text"):
        given(name)


@pytest.fixture
def odd_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lines on standard input, the first with a byte that is no UTF-8."""
    stream = io.TextIOWrapper(io.BytesIO(b"fo\xff\nba\n"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stream)


@pytest.mark.usefixtures("odd_bytes")
@pytest.mark.parametrize(
    ("errors", "said"), [("strict", "line 1 of - is not utf-8"), ("odd", "unknown `errors` 'odd'")]
)
def test_bytes_that_are_no_text_are_refused(errors: str, said: str) -> None:
    """By line; and a wish that there is not is refused by name."""
    with pytest.raises(ChargenError, match=said):
        list(grouped(Console(quiet=True), "-", "utf-8", errors))


@pytest.mark.usefixtures("odd_bytes")
def test_bytes_that_are_no_text_are_replaced() -> None:
    """On standard input as in a file."""
    assert list(grouped(Console(quiet=True), "-", "utf-8", "replace")) == [
        [(1, "fo\ufffd"), (2, "ba")]
    ]


def test_files_are_files(tmp_path: Path) -> None:
    """And so is standard input."""
    assert not given(str(write(tmp_path / "tide", "sand")))
    assert not given("-")
