"""Stimuli of an experiment."""

from __future__ import annotations

import pytest

from chargen.errors import CorpusError
from chargen.text.stimuli import Stimulus, place, stimuli

TABLE = 'item,kind,text,target\n1,a,"A cat, a catalogue.",cat\n2,b,"He said ""no"".",no\n'


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_is_read_by_its_columns(delimiter: str) -> None:
    """Text, group and the places of the region; quotes as in CSV, whatever stands between."""
    table = "\n".join(
        delimiter.join(cells)
        for cells in (
            ["item", "kind", "text", "target"],
            ["1", "a", '"A cat, a; catalogue."', "cat"],
            ["2", "b", '"He said ""no""."', "no"],
        )
    )
    assert stimuli("t.csv", table, "text", "kind", "target") == [
        Stimulus("A cat, a; catalogue.", "a", (2, 5)),
        Stimulus('He said "no".', "b", (9, 11)),
    ]
    assert stimuli("t.csv", table, "text")[1] == Stimulus('He said "no".')


def test_a_region_is_whole_words_or_places() -> None:
    """A part of a word is none; places count characters, unless the text has them as words."""
    assert place("The catalogue of the cat.", "cat", "row") == (21, 24)
    assert place("The catalogue.", "4:7", "row") == (4, 7)
    assert place("It is 4:7 now.", "4:7", "row") == (6, 9)
    for text, region, said in (
        ("the cat, the dog", "the", "2 times in its text"),
        ("catalogue", "cat", "not in its text"),
        ("cat", "", "not in its text"),
        ("cat", "2:9", "not in its text"),
    ):
        with pytest.raises(CorpusError, match=f"the region '{region}' of row is {said}"):
            place(text, region, "row")


@pytest.mark.parametrize(
    ("table", "column", "said"),
    [
        (TABLE, "sentence", "no column 'sentence'. Its columns are item, kind, text, target"),
        ("text\n", "text", "t.csv has no rows"),
        ('text,target\n"",x\n', "text", "line 2 of t.csv has no text"),
        ("", "text", "Its columns are none"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(table: str, column: str, said: str) -> None:
    """The error names the table or its line, and what is missing."""
    with pytest.raises(CorpusError, match=said):
        stimuli("t.csv", table, column)
