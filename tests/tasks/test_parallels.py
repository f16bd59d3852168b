"""Passages of a corpus that are like a text."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargen.tasks.parallels import PASSAGE, parallels
from chargen.text import counting as texts
from chargen.text.corpus import open_text
from tests.conftest import write

NOISE = "".join(f"Line {n} has nothing to say of it, {n * 7919 % 1009}.\n" for n in range(300))
TOLD = "The old heron waited for the tide beside the sunken boat.\n"


@pytest.mark.parametrize("block", [1 << 16, 500])
def test_the_passage_that_says_the_same_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    """With its file and line, wherever the corpus is cut; missing parts of the text do no harm."""
    monkeypatch.setattr(texts, "BLOCK", block)
    first = write(tmp_path / "first.txt", NOISE)
    second = write(tmp_path / "second.txt", NOISE[:9000] + TOLD + NOISE[9000:])
    corpus = open_text([first, second])
    for pieces in (["the old heron waited"], ["old her", " waited for the ti", "de beside"]):
        found = parallels(pieces, corpus)
        assert found[0].source == "second.txt"
        assert TOLD[4:] in found[0].text or TOLD[5:30] in found[0].text
        lines = NOISE[:9000].count("\n") + 1
        assert abs(found[0].line - lines) <= PASSAGE // 30
        assert all(one.likeness < found[0].likeness / 3 for one in found[1:])


def test_passages_do_not_overlap_and_may_be_none(tmp_path: Path) -> None:
    """What shares no stretch with the text is no parallel, nor is anything for a short text."""
    corpus = open_text([write(tmp_path / "c.txt", TOLD * 40)])
    found = parallels(["waited for the tide"], corpus)
    assert len({one.line for one in found}) == len(found) == 5
    assert parallels(["Quixotic zebras"], corpus) == []
    assert parallels(["tide"], corpus) == []
    assert parallels([], corpus) == []
