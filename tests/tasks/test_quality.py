"""How well gaps are filled: edits, counts, and what is too short."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen import checkpoint
from chargen.architecture import Architecture
from chargen.errors import CorpusError
from chargen.kinds import GAPS
from chargen.tasks.quality import edits, restoration_quality
from chargen.tasks.restoring import both_sides
from chargen.text.corpus import open_text
from tests.conftest import prepared, write
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


def test_a_good_filler_is_told_from_a_bad_one(tmp_path: Path) -> None:
    """A model that has learned a simple text fills its gaps; an untrained one does not."""
    path = write(tmp_path / "text.txt", "abcd" * 500)
    options = {"hidden": 16, "embed": 8, "batch": 4, "bptt": 24, "steps": 150, "lr": 0.02}
    made = prepared(path, tmp_path, options | {"bidirectional": True, "precision": "fp32"})
    untrained = made.learner.model({})
    list(made)
    trained = checkpoint.read(made.run.best)  # type: ignore[union-attr]
    rates = {}
    for name, saved in (("trained", trained), ("untrained", untrained)):
        judged = restoration_quality(
            both_sides(saved), saved.vocabulary, open_text([path]).span(), gaps=20, beam=4
        )
        rates[name] = judged[-1].json()
    assert rates["trained"]["top_1"] > 0.9
    assert rates["trained"]["character_error_rate"] < 0.1
    assert rates["untrained"]["top_1"] < 0.5
    assert rates["untrained"]["character_error_rate"] > 0.3
    assert rates["trained"].keys() >= {"top_1", "top_4"}


def test_a_text_too_short_to_judge(tmp_path: Path) -> None:
    """Gaps need both their sides."""
    text = open_text([write(tmp_path / "text.txt", "abcd")])
    with pytest.raises(CorpusError, match="too short"):
        restoration_quality(reader_of(Architecture("gru", 1, 6, 5)), VOCABULARY, text.span())
