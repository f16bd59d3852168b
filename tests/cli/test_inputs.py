"""What commands read: a text in quotes, or a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargen.cli.inputs import given
from chargen.errors import CorpusError
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


def test_files_are_files(tmp_path: Path) -> None:
    """And so is standard input."""
    assert not given(str(write(tmp_path / "tide", "sand")))
    assert not given("-")
