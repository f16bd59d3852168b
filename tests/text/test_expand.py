"""Names that stand for several sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargen.errors import CorpusError
from chargen.text import catalog
from chargen.text.corpus import open_text, read_all
from chargen.text.expand import expanded
from tests.conftest import write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three files, one of them with an odd name, and a list; the current folder."""
    for name, text in {"a.txt": "a", "b.txt": "b", "c:2": "c"}.items():
        write(tmp_path / name, text)
    write(tmp_path / "list", "# those to read\na.txt\n\n  b.txt:2 \n@list\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a.txt", "-"], ["a.txt", "-"]),
        (["*.txt"], ["a.txt", "b.txt"]),
        (["b.txt:3"], ["b.txt"] * 3),
        (["*.txt:2"], ["a.txt", "a.txt", "b.txt", "b.txt"]),
        (["@list"], ["a.txt", "b.txt", "b.txt"]),
        (["@list:2"], ["a.txt", "a.txt", "b.txt", "b.txt", "b.txt", "b.txt"]),
        # What exists is what was meant; what does not is named later, when it is opened.
        (["c:2"], ["c:2"]),
        (["nowhere", "a.txt:0", "@"], ["nowhere", "a.txt:0", "@"]),
        (["https://host:8080/*.txt", "s3://a/b:2"], ["https://host:8080/*.txt", "s3://a/b", "s3://a/b"]),
    ],
)  # fmt: skip
def test_names_are_expanded(folder: Path, names: list[str], found: list[str]) -> None:
    """Patterns in the order of the alphabet, lists in theirs, weights by repetition."""
    assert list(expanded(names)) == found


@pytest.mark.parametrize(
    ("name", "says"), [("*.md", r"no file is called \*\.md"), ("@none", "none does not exist")]
)
def test_what_names_nothing_is_refused(folder: Path, name: str, says: str) -> None:
    """By its own name."""
    with pytest.raises(CorpusError, match=says):
        list(expanded([name]))


def test_a_corpus_is_read_as_often_as_it_weighs(folder: Path) -> None:
    """A name from the catalog, too."""
    assert read_all(open_text(catalog.resolved(["@list"])).span().blocks()) == "abb"
    once, twice = (open_text(catalog.resolved([name])) for name in ("harbour", "harbour:2"))
    assert twice.characters == 2 * once.characters
