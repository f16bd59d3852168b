"""What of a text stands in a corpus."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.tasks import novelty as module
from chargen.tasks.novelty import novelty
from chargen.text import counting as texts
from chargen.text.corpus import Text, open_text
from tests.conftest import STORY, write


def opened(folder: Path, *written: str) -> Text:
    paths = [write(folder / f"{number}.txt", one) for number, one in enumerate(written)]
    return open_text(paths)


def test_copies_have_their_places(tmp_path: Path) -> None:
    """In the text, and by file and line in the corpus."""
    corpus = opened(tmp_path, "one\ntwo\nthree is here\n", "four\nfive is over there\n")
    found = novelty("He said: three is here\nand five is over", corpus, 10)
    places = [(copy.text, copy.start, copy.stop, copy.source, copy.line) for copy in found.copies]
    assert places == [
        ("three is here\n", 9, 23, "0.txt", 3),
        ("five is over", 27, 39, "1.txt", 2),
    ]
    assert found.json()["longest"] == 14
    assert found.json()["copied"] == 26


@given(
    text=st.text("ab", max_size=60), corpus=st.text("ab", min_size=1, max_size=200),
    size=st.integers(1, 8),
)  # fmt: skip
@settings(max_examples=80)
def test_each_character_is_judged_as_by_searching(
    tmp_path_factory: pytest.TempPathFactory, text: str, corpus: str, size: int
) -> None:
    """A character is copied if a stretch around it stands in the corpus; the longest is told."""
    found = novelty(text, opened(tmp_path_factory.mktemp("n"), corpus), size)
    for at, copied in enumerate(found.copied):
        starts = range(max(0, at - size + 1), min(at, len(text) - size) + 1)
        assert copied == any(text[start : start + size] in corpus for start in starts)
    longest = max(
        (stop - start for start in range(len(text)) for stop in range(start, len(text) + 1)
         if text[start:stop] in corpus), default=0,
    )  # fmt: skip
    told = max((copy.stop - copy.start for copy in found.copies), default=0)
    assert told == (longest if longest >= size else 0)
    for copy in found.copies:
        assert copy.text == text[copy.start : copy.stop]
        assert copy.text in corpus


def test_a_copy_may_lie_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The corpus is read in pieces, and a copy does not end where one ends."""
    monkeypatch.setattr(texts, "BLOCK", 64)
    found = novelty(STORY, opened(tmp_path, "x" + STORY), 20)
    assert [(copy.start, copy.stop, copy.line) for copy in found.copies] == [(0, len(STORY), 1)]


def test_texts_without_end_are_judged_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are too many pairs of places, all characters are still known to be copied."""
    monkeypatch.setattr(module, "MANY", 100)
    monkeypatch.setattr(module, "MOST_ALIKE", 2)
    found = novelty("ab" * 500, opened(tmp_path, "ab" * 400), 6)
    assert found.copied.all()
    assert found.copies


def test_an_empty_file_of_the_corpus_is_no_harm(tmp_path: Path) -> None:
    """It has no place in which anything could stand."""
    found = novelty("three is here", opened(tmp_path, "", "one\nthree is here\n", ""), 10)
    assert [(copy.source, copy.line) for copy in found.copies] == [("1.txt", 2)]
