"""Labelled texts: what is read, what is held out, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import CorpusError
from chargen.text import labelled as labels
from chargen.text.labelled import PIECE, examples, read_labelled
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import cuts, windows
from tests.conftest import write

ANIMALS = "".join(
    f"{'cat' if n % 3 else 'dog'}\t{'meow' if n % 3 else 'woof'} {n}\n" for n in range(60)
)


def test_every_line_is_an_example_once(tmp_path: Path) -> None:
    """Nothing is lost, nothing is doubled, labels stay with their texts, a share is held out."""
    found = read_labelled(str(write(tmp_path / "animals.tsv", ANIMALS)), 0.1)
    assert found.names == ("cat", "dog")
    assert found.valid is not None
    held_out, learned = examples(found.valid, 1000), examples(found.train, 1000)
    assert 2 <= len(held_out) <= 12
    assert {label for _, label in held_out} == {0, 1}
    made = sorted(f"{found.names[label]}\t{text}" for text, label in held_out + learned)
    assert made == sorted(ANIMALS.splitlines(keepends=True))


def test_the_same_file_gives_the_same_order(tmp_path: Path) -> None:
    """Order and fingerprint are the same each time; another label gives another fingerprint."""
    one = read_labelled(str(write(tmp_path / "one.tsv", ANIMALS)), 0.1)
    two = read_labelled(str(write(tmp_path / "two.tsv", ANIMALS)), 0.1)
    assert (one.train.sha256, one.sha256) == (two.train.sha256, two.sha256)
    changed = ANIMALS.replace("cat\tmeow 1\n", "dog\tmeow 1\n")
    other = read_labelled(str(write(tmp_path / "other.tsv", changed)), 0.1)
    assert other.sha256 != one.sha256


def test_line_ends_and_empty_lines(tmp_path: Path) -> None:
    """Windows line ends are taken off, empty lines passed over, a last line may end early."""
    found = read_labelled(str(write(tmp_path / "a.tsv", "a\tone\r\n\n b \ttwo\tthree")), 0)
    assert found.valid is None
    assert {(text, found.names[label]) for text, label in examples(found.train, 9)} == {
        ("one\n", "a"), ("two\tthree\n", "b"),
    }  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.text(min_size=1, max_size=9)), max_size=9))
def test_any_text_comes_through(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    """A text of any characters, except those that end a line, comes back unchanged."""
    rows = [(label, text) for label, text in rows if not set(text) & set("\n\r") and text.strip()]
    try:
        for _, text in rows:
            text.encode()
    except UnicodeEncodeError:
        return
    rows += [("x", "one"), ("y", "two")]
    path = tmp_path_factory.mktemp("labels") / "any.tsv"
    found = read_labelled(
        str(write(path, "".join(f"{label}\t{text}\n" for label, text in rows))), 0
    )
    assert sorted(
        (found.names[label], text) for text, label in examples(found.train, 99)
    ) == sorted((label, f"{text}\n") for label, text in rows)


def test_a_folder_for_each_label(tmp_path: Path) -> None:
    """Long texts are cut into pieces at line ends; the end of each label's text is held out."""
    for name in ("prose", "verse"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "text.txt", "".join(f"{name} line {n}\n" for n in range(1000)))
    write(tmp_path / "notes.txt", "no label")
    found = read_labelled(str(tmp_path), 0.2)
    assert found.names == ("prose", "verse")
    assert found.valid is not None
    for text, label in examples(found.train, 9999) + examples(found.valid, 9999):
        assert text.endswith("\n")
        assert all(line.startswith(found.names[label]) for line in text.splitlines())
        assert len(text) < PIECE + 20
    numbers = [
        int(line.split()[-1])
        for text, _ in examples(found.valid, 9999)
        for line in text.splitlines()
    ]
    assert min(numbers) > 780
    assert max(numbers) == 999


def test_a_line_longer_than_a_piece_is_cut(tmp_path: Path) -> None:
    """A text without line ends is cut where it must be, and nothing is lost."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "text.txt", name * 5000)
    found = read_labelled(str(tmp_path), 0)
    pieces = [text for text, _ in examples(found.train, 999)]
    assert max(map(len, pieces)) <= 2 * PIECE + 1
    assert sum(text.count("a") for text in pieces) == 5000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\tone\nb two\n", "line 2 .* has no tab"),
        ("a\tone\nb\t\n", "line 2 .* has no text"),
        ("a\tone\n\ttwo\n", "line 2 .* has no label"),
        ("a\tone\na\ttwo\n", "fewer than two labels: 'a'"),
        ("a\tone\n" + "b" * 101 + "\ttwo\n", "line 2 .* label of 101 characters"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    """A line without a tab, an empty side, one label only: the line or the label is named."""
    with pytest.raises(CorpusError, match=said):
        read_labelled(str(write(tmp_path / "bad.tsv", text)), 0.1)


def test_lines_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file's blocks are cut changes nothing."""
    whole = examples(read_labelled(str(write(tmp_path / "animals.tsv", ANIMALS)), 0.1).train, 99)
    monkeypatch.setattr("chargen.text.counting.BLOCK", 7)
    assert examples(read_labelled(str(tmp_path / "animals.tsv"), 0.1).train, 99) == whole


def test_too_many_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text with too many labels is refused."""
    write(tmp_path / "animals.tsv", ANIMALS)
    monkeypatch.setattr(labels, "LARGEST_LABEL_COUNT", 1)
    with pytest.raises(CorpusError, match="2 labels"):
        read_labelled(str(tmp_path / "animals.tsv"), 0.1)


def test_windows_know_labels_and_beginnings(tmp_path: Path) -> None:
    """Each target has its example's label, and an example's first input is "no character"."""
    text = read_labelled(str(write(tmp_path / "animals.tsv", ANIMALS)), 0).train
    vocabulary = Vocabulary.of(text)
    span = text.span()
    expected = "".join(str(label) * len(one) for one, label in examples(text, 99))
    begins = np.zeros(len(span), dtype=bool)
    assert text.marks is not None
    begins[text.marks.starts] = True
    lanes = cuts(len(span), 3)
    for window in windows(span, vocabulary, lanes, 16):
        assert window.labels is not None
        for row, (start, stop) in enumerate(lanes):
            for t in range(min(16, stop - start - window.start)):
                place = start + window.start + t
                assert str(window.labels[row, t]) == expected[place]
                if begins[place]:
                    assert window.inputs[row, t] == vocabulary.bos
                elif t:
                    assert window.inputs[row, t] == window.targets[row, t - 1]


def test_labels_of_bytes_are_text(tmp_path: Path) -> None:
    """A model of bytes has the labels that a model of characters would have, and the same texts."""
    path = str(write(tmp_path / "a.tsv", "Français\tété\nΕλληνικά\tκαλό\n"))
    found = read_labelled(path, 0, as_bytes=True)
    assert found.names == ("Français", "Ελληνικά")
    told = {found.names[label]: text for text, label in examples(found.train, 9)}
    assert told == {"Français": "été\n", "Ελληνικά": "καλό\n"}
