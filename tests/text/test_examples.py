"""Examples: lines and documents, what is held out of them, and how they are joined."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import CorpusError
from chargen.text.corpus import Text, open_text, read_all
from chargen.text.examples import (
    ENDS,
    divided,
    documents,
    fingerprint,
    held_out,
    is_list,
    lines,
    named_items,
    shuffled,
)
from chargen.text.labelled import examples
from chargen.text.sources import spool
from tests.conftest import STORY, write

NAMES = "".join(f"{a}{b}{c}\n" for a in "KLMNR" for b in "aeiou" for c in ("na", "ra", "bert"))


def items_of(text: Text) -> list[str]:
    return [one for one, _ in examples(text, 10_000)]


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5])
def test_every_line_is_on_one_side(tmp_path: Path, fraction: float) -> None:
    """Each line is trained on or held out, whole, with its end; equal lines go together."""
    text = open_text([write(tmp_path / "names.txt", NAMES + "\r\n" + NAMES + "last")])
    train, valid = divided(text, "lines", fraction)
    held = [] if valid is None else items_of(valid)
    wanted = sorted([*NAMES.splitlines(keepends=True) * 2, "last\n"])
    assert sorted(items_of(train) + held) == wanted
    assert not set(items_of(train)) & set(held)
    assert (len(held) > 0) == (fraction > 0)


def test_what_is_held_out_does_not_depend_on_the_neighbours(tmp_path: Path) -> None:
    """A line more, at the beginning, changes nothing for the others."""
    one, other = (
        divided(open_text([write(tmp_path / "names.txt", before + NAMES)]), "lines", 0.2)[1]
        for before in ("", "Zora\n")
    )
    assert one is not None
    assert other is not None
    assert set(items_of(other)) - {"Zora\n"} == set(items_of(one))


def test_each_file_is_a_document(tmp_path: Path) -> None:
    """Its end mark is its own; an empty file is no document."""
    texts = [STORY, "", "of one line", "a\nb\n" * 30_000]
    paths = [write(tmp_path / f"{number}.txt", text) for number, text in enumerate(texts)]
    text = open_text(paths)
    assert len(list(documents(text))) == 3
    train, valid = divided(text, "documents", 0)
    assert valid is None
    assert sorted(items_of(train)) == sorted(one + ENDS["documents"] for one in texts if one)
    assert [name for name, _ in named_items(text, "documents")] == ["0.txt", "2.txt", "3.txt"]


def test_empty_lines_are_no_items(tmp_path: Path) -> None:
    """A text without any item is refused."""
    with pytest.raises(CorpusError, match="has empty lines only"):
        divided(open_text([write(tmp_path / "hollow.txt", "\n \n\n")]), "lines", 0.1)


def test_lists_are_told_from_running_text(tmp_path: Path) -> None:
    """Names are a list; prose, verse with empty lines, a program and a short list are not."""
    program = "".join(f"def f{n}(x):\n    return x + {n}\n\n" for n in range(60))
    verse = "".join(f"The tide went out {n}\nand it came back\n\n" for n in range(60))
    for text, wanted in (
        (NAMES, True),
        (NAMES[:-1], True),
        (NAMES.replace("\n", "\r\n"), True),
        (NAMES[:100], False),
        (STORY * 10, False),
        (program, False),
        (verse, False),
    ):
        assert is_list(open_text([write(tmp_path / "text.txt", text)])) is wanted, text[:40]


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_lines_are_those_between_line_feeds(text: str) -> None:
    """Each starts where it says, and all together are the text."""
    if not text:
        return
    found = list(lines(open_text([spool("text", io.BytesIO(text.encode()))])))
    assert [line for _, line in found] == [one.removesuffix("\r") for one in text.split("\n")]
    assert all(text[at:].startswith(line) for at, line in found)


@given(
    st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 3)), min_size=1, max_size=50),
    st.floats(0, 0.9),
)
def test_every_label_keeps_something_to_learn(made: list[tuple[int, int]], fraction: float) -> None:
    """Whatever is held out, no label is without an example, and equal examples stay together."""
    prints = np.array([one for one, _ in made], dtype=np.uint64)
    ids = np.array([label for _, label in made])
    held = held_out(prints, ids, fraction)
    assert set(ids[~held]) == set(ids)
    assert not set(prints[held]) & set(prints[~held])


def test_a_fingerprint_is_that_of_the_whole() -> None:
    """It does not depend on how a text is cut into parts."""
    assert fingerprint(["abc", "dé"]) == fingerprint(["abcd", "é"]) != fingerprint(["abcde"])


@given(st.lists(st.text("ab\n", min_size=1, max_size=9), min_size=1, max_size=9), st.data())
def test_shuffled_documents_are_whole(files: list[str], data: st.DataObject) -> None:
    """Each document of a stretch is read once, from its start to its end; the seed says when."""
    text = Text([spool(str(n), io.BytesIO(file.encode())) for n, file in enumerate(files)])
    edge = data.draw(st.integers(1, text.characters))
    cut = "".join(files)[:edge]
    left, pieces = cut, []
    for file in files:
        pieces.append(left[: len(file)])
        left = left[len(file) :]
    span = shuffled(text.span(0, edge), 7)
    found = [read_all(text.blocks(*one)) for one in span.ranges]
    assert sorted(found) == sorted(piece for piece in pieces if piece)
    assert read_all(span.blocks()) == "".join(found)
    assert shuffled(text.span(0, edge), 7).ranges == span.ranges
