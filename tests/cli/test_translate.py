"""Pairs at the command line: trained, translated, measured, drawn."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Chargen, command, one_line_error, write

QUICK = ["--steps", "60", "--hidden", "24", "--evaluations", "3", "--precision", "fp32"]
WORDS = [a + b + c for a in "bdgkmn" for b in "aeio" for c in ("", "l", "st")]
PHONES = {"a": "ɑ", "e": "ɛ", "g": "ɡ"}


def phones(word: str) -> str:
    """Return a word's sounds in a language whose spelling is simple."""
    return " ".join(PHONES.get(character, character) for character in word)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pairs, and a model of them."""
    made = tmp_path_factory.mktemp("pairs")
    write(made / "words.tsv", "".join(f"{word}\t{phones(word)}\n" for word in WORDS))
    return made


@pytest.fixture
def trained(chargen: Chargen, tmp_path: Path, folder: Path) -> Chargen:
    """The command line in a folder with a model called words."""
    write(tmp_path / "words.tsv", (folder / "words.tsv").read_text(encoding="utf-8"))
    done = chargen(
        "train", "--pairs", "words.tsv", "--target-symbols", "space", "--lr", "0.02", *QUICK
    )
    assert done.returncode == 0, done.stderr
    said = done.stderr.decode()
    assert "chargen translate -m words" in said
    assert " → " in said
    assert "held-out exactly right" in said
    return chargen


def test_words_are_translated(
    trained: Chargen, tmp_path: Path, environment: dict[str, str]
) -> None:
    """In quotes, from a file, from standard input as it comes; a line each, in their order."""
    assert len(trained("translate", "bal", "gest").stdout.decode().splitlines()) == 2
    write(tmp_path / "list.txt", "bal\n\nkost\n")
    listed = trained("translate", "list.txt").stdout
    assert len(listed.decode().splitlines()) == 2
    assert trained("translate", "-", stdin=b"bal\r\nkost").stdout == listed
    asked = subprocess.Popen(
        command(["translate", "-", "-q"]), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        cwd=tmp_path, env=environment,
    )  # fmt: skip
    with asked:
        assert asked.stdin is not None
        assert asked.stdout is not None
        for word, answer in zip(("bal", "kost"), listed.splitlines(keepends=True), strict=True):
            asked.stdin.write(f"{word}\n".encode())
            asked.stdin.flush()
            assert asked.stdout.readline() == answer
    best = trained("translate", "bal", "-n", "3", "--json")
    (row,) = [json.loads(line) for line in best.stdout.splitlines()]
    assert row["source"] == "bal"
    assert row["model"] == "words"
    chances = [one["probability"] for one in row["targets"]]
    assert len(chances) == 3
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) <= 1
    table = trained("translate", "bal", "gi", "-n", "2", "--csv").stdout.decode()
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [one["source"] for one in rows] == ["bal", "bal", "gi", "gi"]
    several = trained("translate", "bal", "-n", "2").stdout.decode().splitlines()
    assert [line.count("\t") for line in several] == [2, 2]


def test_a_model_is_measured(trained: Chargen) -> None:
    """The figures that the contract names, and how many of the pairs were learned from."""
    measured = trained("translate", "--evaluate", "words.tsv", "--json")
    row = json.loads(measured.stdout)
    assert row["pairs"] == len(WORDS)
    assert row["exact"] == pytest.approx(1 - row["wer"])
    assert row["cer"] >= 0
    assert 0 < row["seen"] < len(WORDS)
    shown = trained("translate", "--evaluate", "words.tsv")
    assert "72 pairs: exactly right" in shown.stdout.decode()
    assert "were learned from" in shown.stderr.decode()


def test_what_it_looked_at_is_shown(trained: Chargen, tmp_path: Path) -> None:
    """As lines in the terminal, and as a picture."""
    aligned = trained("translate", "kost", "--align").stdout.decode().splitlines()
    assert aligned[1].strip() == "kost"
    assert len(aligned) == 2 + len(aligned[0].split())
    pytest.importorskip("matplotlib")
    assert trained("translate", "kost", "--plot", "kost.svg").returncode == 0
    picture = (tmp_path / "kost.svg").read_text(encoding="utf-8")
    assert "source" in picture or "<svg" in picture


def test_inflection_has_features(chargen: Chargen, tmp_path: Path) -> None:
    """They stand in a column of their own, or in an option."""
    rows = [
        f"{word}\t{word}{end}\t{tag}\n" for word in WORDS for tag, end in (("PL", "en"), ("SG", ""))
    ]
    write(tmp_path / "forms.tsv", "".join(rows))
    columns = ["--columns", "source,target,features"]
    assert chargen("train", "--pairs", "forms.tsv", *columns, *QUICK).returncode == 0
    by_option = chargen("translate", "bal", "--features", "PL").stdout
    write(tmp_path / "ask.tsv", "bal\tPL\n")
    assert chargen("translate", "ask.tsv").stdout == by_option
    assert json.loads(chargen("info", "--json").stdout)["architecture"]["features"] == 2


def test_other_commands_name_the_right_one(trained: Chargen) -> None:
    """What a model of pairs cannot do, and what can be done with it."""
    for arguments in (["sample"], ["restore", "b[...]l"], ["perplexity", "words.tsv"]):
        failed = trained(*arguments)
        assert "Use `chargen translate` with it" in one_line_error(failed)
