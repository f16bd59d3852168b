"""Pairs: columns, features and symbols; what is no pair is named; what is held out."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import CorpusError, UsageError
from chargen.text.corpus import open_text
from chargen.text.pair_form import Form, Pair
from chargen.text.pairs import Paired, Pairs, Symbols, numbered, read_pairs
from tests.conftest import write

LINES = "".join(f"word{n}\tW O R D {n}\n" for n in range(40))


def read(path: Path, form: Form, fraction: float = 0.2) -> tuple[Paired, list[str]]:
    """Return what is read from a file, and what is said of it."""
    said: list[str] = []
    return read_pairs(open_text([path]), form, fraction, said.append), said


def everything(found: Paired) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs to learn from and those held out."""
    assert found.valid is not None
    train, valid = (Pairs(one.span(), found.form) for one in (found.train, found.valid))
    return train.read(0, len(train)), valid.read(0, len(valid))


def test_a_line_has_the_columns_that_are_named() -> None:
    """In any order, with columns to ignore, and with features between semicolons."""
    assert Form().pair("go\twent", "line 1") == Pair("go", (), tuple("went"))
    form = Form.of("source, target,features", "characters")
    assert form.pair("go\twent\tV;PST;V", "line 1") == Pair("go", ("V", "PST"), tuple("went"))
    assert Form.of("-,source,target", "space").pair("1\tgo\tɡ oʊ\textra", "") == Pair(
        "go", (), ("ɡ", "oʊ")
    )
    assert form.question("go\tV;PST", "line 1") == Pair("go", ("V", "PST"))
    assert Form().question("go\there", "line 1") == Pair("go\there")


@pytest.mark.parametrize("columns", ["source", "target", "source,target,source", "from,to", ""])
def test_columns_that_are_no_pair_are_refused(columns: str) -> None:
    """Source and target must be there, once each, and nothing else by another name."""
    with pytest.raises(UsageError, match="Name each column once"):
        Form.of(columns, "characters")


@pytest.mark.parametrize(
    ("line", "why"),
    [("go", "no tab"), ("go\t", "no target"), ("\twent", "no source"), (" \twent", "no source")],
)
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, line: str, why: str) -> None:
    """Counted in its own file, empty lines included."""
    first = write(tmp_path / "first.tsv", LINES.rstrip("\n"))
    second = write(tmp_path / "second.tsv", f"be\twas\n\n{line}\n")
    with pytest.raises(CorpusError, match=f"line 3 of second.tsv has {why}"):
        read_pairs(open_text([first, second]), Form(), 0.1, print)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    """Where features are promised and a line has two columns, it says what there should be."""
    with pytest.raises(CorpusError, match=r"only 2 columns\. Write source, features, target"):
        read(write(tmp_path / "a.tsv", LINES), Form.of("source,features,target", "characters"))


def test_what_cannot_be_learned_from_is_refused(tmp_path: Path) -> None:
    """One pair, or pairs whose targets are all equal."""
    with pytest.raises(CorpusError, match="fewer than two pairs"):
        read(write(tmp_path / "one.tsv", "a\tb\n"), Form())
    with pytest.raises(CorpusError, match=r"all targets of same\.tsv are equal"):
        read(write(tmp_path / "same.tsv", "a\tb\nb\tb\nc\tb\n"), Form())


def test_long_pairs_are_named_and_left_out_or_cut(tmp_path: Path) -> None:
    """By choice; either side may be too long."""
    path = write(tmp_path / "long.tsv", LINES + f"{'a' * 30}\tx\nb\t{'y' * 30}\n")
    found, said = read(path, Form(longest=20))
    assert said == ["left out, as longer than 20 symbols: line 41 of long.tsv, line 42 of long.tsv"]
    assert all(len(pair.source) < 30 for part in everything(found) for pair in part)
    found, said = read(path, Form(longest=20, cut=True))
    assert said[0].startswith("cut, as longer than 20")
    pairs = [pair for part in everything(found) for pair in part]
    assert Pair("a" * 20, (), ("x",)) in pairs
    assert Pair("b", (), ("y",) * 20) in pairs


def test_one_source_is_on_one_side(tmp_path: Path) -> None:
    """Whether a pair is held out follows from its source and its features, not from its target."""
    lines = "".join(f"word{n}\tX{k}\n" for n in range(60) for k in range(3))
    train, valid = everything(read(write(tmp_path / "a.tsv", lines), Form())[0])
    assert len(train) + len(valid) == 180
    assert valid
    assert not {pair.source for pair in train} & {pair.source for pair in valid}


def test_symbols_are_counted_apart(tmp_path: Path) -> None:
    """Characters of sources, features, and symbols of targets with their ends."""
    path = write(tmp_path / "a.tsv", "ab\tN;PL\ta b\nba\tN\tt͡ʃ\n")
    found, _ = read(path, Form.of("source,features,target", "space"), 0)
    counts = found.counts
    assert set(counts.characters) == set("ab")
    assert set(counts.features) == {"N", "PL"}
    assert set(counts.targets) == {"a", "b", "t͡ʃ"}
    assert found.learned == 3 + 2
    assert (found.usual, found.longest, found.valid) == (2, 2, None)


def test_pairs_are_read_from_compressed_files_and_with_other_line_ends(tmp_path: Path) -> None:
    """As all texts are."""
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(LINES.replace("\n", "\r\n").encode()))
    train, valid = everything(read(path, Form(spaced=True))[0])
    assert {pair.source for pair in train + valid} == {f"word{n}" for n in range(40)}
    assert all(pair.target and pair.target[:4] == tuple("WORD") for pair in train)


def test_lines_are_numbered_in_each_file(tmp_path: Path) -> None:
    """A file without an end of its last line does not run into the next."""
    paths = [write(tmp_path / "a", "one\ttwo"), write(tmp_path / "b", "\nthree\tfour")]
    found = [(where, line) for where, _, line in numbered(open_text(paths))]
    assert found == [("line 1 of a", "one\ttwo"), ("line 2 of b", "three\tfour")]


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip), min_size=1))
def test_targets_are_written_as_they_are_read(symbols: list[str]) -> None:
    """Symbols of a line, written again and read again, are the same symbols."""
    for form in (Form(), Form(spaced=True)):
        read_once = form.symbols("".join(symbols))
        assert form.symbols(form.written(read_once)) == read_once


def test_symbols_must_differ() -> None:
    """And there must be some."""
    with pytest.raises(ValueError, match="no targets"):
        Symbols(Form(), ())
    with pytest.raises(ValueError, match="must differ"):
        Symbols(Form(), ("a", "a"))
