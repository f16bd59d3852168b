"""Tagged texts: tables of tokens, lines with offsets; what cannot be is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import CorpusError
from chargen.text.corpus import open_text
from chargen.text.tagged import (
    Tagged,
    TaggedTexts,
    in_words,
    marks_of,
    of_marks,
    parsed,
    read_tagged,
    tagged,
)
from tests.conftest import write

TABLE = """# sent_id = 1
# text = Ines bor i Ny Vesle, siger hun.
1\tInes\tB-PER\tO#O\ts
2\tbor\tO\tO#O\ts
3\ti\tO\tO#O\ts
4\tNy\tB-LOC\tO#O\ts
5\tVesle\tI-LOC\tO#O\ts
6\t,\tO\tO#O\ts
7\tsiger\tO\tO#O\ts
8\thun\tO\tO#O\ts
9\t.\tO\tO#O\ts

1\tVesle\tI-LOC\tO\ts
2\tInes\tI-PER\tO\ts
"""
EXAMPLES = [
    Tagged("Ines bor i Ny Vesle, siger hun.", ((0, 4, "PER"), (11, 19, "LOC"))),
    Tagged("Vesle Ines", ((0, 5, "LOC"), (6, 10, "PER"))),
]


def read(path: Path) -> list[Tagged]:
    """Return the examples of a file."""
    return [example for _, example in tagged(open_text([path]))]


def test_a_table_of_tokens_is_read(tmp_path: Path) -> None:
    """With the blanks of the sentence where they are known; a span may begin with I."""
    assert read(write(tmp_path / "a.iob2", TABLE)) == EXAMPLES


def test_two_columns_will_do(tmp_path: Path) -> None:
    """A token and its tag, with tabs or blanks, the tag in the last column."""
    path = write(tmp_path / "a.conll", "Ines NNP B-PER\nbor VB O\n\nVesle NNP B-LOC\n")
    assert read(path) == [
        Tagged("Ines bor", ((0, 4, "PER"),)),
        Tagged("Vesle", ((0, 5, "LOC"),)),
    ]


def test_numbers_and_hashes_can_be_tokens(tmp_path: Path) -> None:
    """A number is that of its token only where it counts them; a comment has no tag at its end."""
    table = "# a comment of five words\nIn IN I-PP O\n22 CD I-NP O\nVesle NNP I-NP B-LOC\n"
    assert read(write(tmp_path / "a", table)) == [Tagged("In 22 Vesle", ((6, 11, "LOC"),))]
    assert read(write(tmp_path / "b", "#Vesle\tB-LOC\n!\tO\n")) == [
        Tagged("#Vesle !", ((0, 6, "LOC"),))
    ]
    lines = "#1 fan of Vesle\t10-15:LOC\n# said nobody\n"
    with pytest.raises(CorpusError, match="line 2 of c has no tab"):
        read(write(tmp_path / "c", lines))


def test_marks_on_letters_belong_to_words() -> None:
    """Letters with marks of their own, composed or not, are one word; a sign is one alone."""
    words = ["हिन्दी", "e\u0301te\u0301", "!"]
    assert [word for word, _ in in_words(f"{words[0]} {words[1]}!", [])] == words


def test_lines_with_offsets_are_read(tmp_path: Path) -> None:
    """The other form; a line may have no spans."""
    lines = "".join(f"{example.line()}\n" for example in EXAMPLES) + "Intet her\t\n"
    assert read(write(tmp_path / "a.tsv", lines)) == [*EXAMPLES, Tagged("Intet her")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Ines\tB-PER\nbor\n", "line 2 of a has no tag"),
        ("Ines\tPERSON\n", "line 1 of a has the tag 'PERSON'"),
        ("Ines\t0-9:PER\n", r"line 1 of a has a span 0-9 outside the text or over another"),
        ("Ines bor\t0-4:PER,2-6:LOC\n", "has a span 2-6 outside the text or over another"),
        ("a\t0-1:X\nb\t0-1\n", "line 2 of a has no tab with spans"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, text: str, why: str) -> None:
    """By its line."""
    with pytest.raises(CorpusError, match=why):
        read(write(tmp_path / "a", text))


def test_texts_without_spans_are_refused(tmp_path: Path) -> None:
    """And a single text."""
    for text, why in (("a\tO\n\nb\tO\n", "no spans"), ("a\tB-X\n", "fewer than two texts")):
        with pytest.raises(CorpusError, match=why):
            read_tagged(open_text([write(tmp_path / "a", text)]), 0.1, 99, False, print)


def test_texts_are_held_out_by_their_fingerprints(tmp_path: Path) -> None:
    """Each is on one side; they are the same when they are read again."""
    lines = "".join(f"Ines nummer {n}\t0-4:PER\n" for n in range(60))
    path = write(tmp_path / "a.tsv", lines + "x" * 200 + "\t0-1:X\n")
    said: list[str] = []
    found = read_tagged(open_text([path]), 0.2, 100, False, said.append)
    assert said == ["left out: 1 texts of more than 100 characters, the first at line 61 of a.tsv"]
    assert found.labels == ("PER",)
    assert found.valid is not None
    parts = [TaggedTexts(one.span()) for one in (found.train, found.valid)]
    train, valid = ({one.text for one in part.read(0, len(part))} for part in parts)
    assert not train & valid
    assert len(train | valid) == 60
    cut = read_tagged(open_text([path]), 0.0, 100, True, said.append)
    assert cut.longest == 100


SPANNED = st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["A", "B", None])), max_size=8)


@given(SPANNED)
def test_marks_and_spans_say_the_same(stretches: list[tuple[int, str | None]]) -> None:
    """From spans to marks and back, and from an example to a line and back."""
    spans, at = [], 0
    for length, label in stretches:
        if label:
            spans.append((at, at + length, label))
        at += length
    example = Tagged("x" * at, tuple(spans))
    assert of_marks(example.text, marks_of(example)) == example
    if at:
        assert parsed(example.line(), "") == example


def test_words_have_tags_of_their_own() -> None:
    """Punctuation stands apart; two spans beside each other are two."""
    text, spans = "Ines O’Mar, Vesle", [(0, 4, "PER"), (5, 10, "PER"), (12, 17, "LOC")]
    assert in_words(text, spans) == [
        ("Ines", "B-PER"), ("O’Mar", "B-PER"), (",", "O"), ("Vesle", "B-LOC"),
    ]  # fmt: skip
