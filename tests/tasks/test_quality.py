"""How well gaps are filled: edits, counts, and what is too short."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.architecture import Architecture
from chargen.errors import CorpusError
from chargen.kinds import GAPS
from chargen.tasks.quality import edits, restoration_quality
from chargen.text.corpus import open_text
from tests.conftest import write
from tests.tasks.test_restoring import VOCABULARY, reader_of


@given(st.text(max_size=12), st.text(max_size=12))
def test_edits_are_a_distance(mine: str, theirs: str) -> None:
    """It is symmetric, 0 only for equal texts; from the length difference to the longer length."""
    distance = edits(mine, theirs)
    assert distance == edits(theirs, mine)
    assert (distance == 0) == (mine == theirs)
    assert abs(len(mine) - len(theirs)) <= distance <= max(len(mine), len(theirs))


def test_judging(tmp_path: Path) -> None:
    """The lengths take turns, the last row is their sum, and the same seed gives the same gaps."""
    text = open_text([write(tmp_path / "text.txt", "abcd" * 120)])
    reader = reader_of(Architecture("gru", 1, 6, 5, kind=GAPS))
    judged = restoration_quality(reader, VOCABULARY, text.span(), gaps=12, beam=4)
    assert [row.length for row in judged] == [*range(1, 11), 0]
    assert judged[-1].gaps == sum(row.gaps for row in judged[:-1]) == 12
    assert judged[-1].characters == 55 + 3
    assert judged[-1].wrong == sum(row.wrong for row in judged[:-1])
    assert all(row.first <= row.listed <= row.gaps for row in judged)
    assert judged == restoration_quality(reader, VOCABULARY, text.span(), gaps=12, beam=4)


def test_a_text_too_short_to_judge(tmp_path: Path) -> None:
    """Gaps need both their sides."""
    text = open_text([write(tmp_path / "text.txt", "abcd")])
    with pytest.raises(CorpusError, match="too short"):
        restoration_quality(reader_of(Architecture("gru", 1, 6, 5)), VOCABULARY, text.span())
