"""What is no plain text is called by its name, and an encoding is suggested, never chosen."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given

from chargen.text.formats import KINDS, likely, refused, wide
from tests.conftest import STORY, any_text


@pytest.mark.parametrize("start", KINDS, ids=repr)
def test_other_files_are_named(start: bytes) -> None:
    """The message says what the file is and what to do."""
    error = refused("file", start + bytes(99))
    assert error is not None
    assert KINDS[start][0] in error.problem
    assert KINDS[start][1] in error.hint


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.docx", "a Word document"), ("B.EPUB", "an e-book"), ("c", "a zip archive")],
)
def test_archives_are_told_by_their_names(name: str, kind: str) -> None:
    """Many formats are zip archives."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("text", "abc")
    error = refused(name, file.getvalue())
    assert error is not None
    assert f"{name} is {kind}, not plain text" in error.problem


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_wide_encodings_are_recognised(encoding: str) -> None:
    """With a byte order mark or without; and the name given decodes the text."""
    data = STORY.encode(encoding)
    found = wide(data)
    assert found is not None
    assert data.decode(found) == STORY


@given(any_text())
def test_utf_8_is_never_refused(text: str) -> None:
    """Whatever a text in UTF-8 holds, it is one; unless it is mostly NUL."""
    data = text.encode()
    if data.count(0) < len(data) / 8:
        error = refused("file", data)
        assert error is None or data.startswith(tuple(KINDS))


def test_an_encoding_is_suggested() -> None:
    """Of few letters the commonest encoding; of many, one in which the text can be read."""
    assert likely("naïve “café”".encode("cp1252")) == "cp1252"
    german = "Über den Dächern lag früh am Morgen schöner Nebel, und größer wurde die Stille. " * 60
    assert likely(german.encode("latin-1")) == "cp1252"
    russian = "Всё смешалось в доме. Жена узнала, что муж был в связи с гувернанткой. " * 20
    found = likely(russian.encode("cp1251"))
    assert found is not None
    assert russian.encode("cp1251").decode(found) == russian
