"""Tags and damage at the command line: trained, used, measured."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.conftest import STORY, Chargen, one_line_error, write

QUICK = [
    "--steps",
    "60",
    "--hidden",
    "24",
    "--evaluations",
    "3",
    "--precision",
    "fp32",
    "--lr",
    "0.02",
]
NAMES, PLACES = ("Ines", "Marta", "Otto", "Lena"), ("Vesle", "Lund", "Brok", "Sand")


def table() -> str:
    """Return a table of tokens: who went where."""
    rows = []
    for number in range(48):
        name, place = NAMES[number % 4], PLACES[number // 4 % 4]
        verb = ("went", "came", "sailed")[number % 3]
        rows.append(f"{name}\tB-PER\n{verb}\tO\nto\tO\n{place}\tB-LOC\nagain{number}\tO\n\n")
    return "".join(rows)


@pytest.fixture
def tagging(chargen: Chargen, tmp_path: Path) -> Chargen:
    """The command line in a folder with a model called who."""
    write(tmp_path / "who.iob", table())
    done = chargen("train", "--tags", "who.iob", *QUICK)
    assert done.returncode == 0, done.stderr
    said = done.stderr.decode()
    assert "chargen tag -m who" in said
    assert "F1 of spans" in said
    return chargen


def test_spans_are_marked(tagging: Chargen, tmp_path: Path) -> None:
    """As a table, as JSON, CSV and a word a line, and in the text itself."""
    text = "Otto went to Lund again7"
    rows = [line.split("\t") for line in tagging("tag", text).stdout.decode().splitlines()]
    assert ["PER", "0", "4", "Otto"] in [row[2:6] for row in rows]
    (found,) = [json.loads(line) for line in tagging("tag", text, "--json").stdout.splitlines()]
    assert found["text"] == text
    assert all(text[one["start"] : one["end"]] == one["span"] for one in found["spans"])
    assert all(0 < one["probability"] <= 1 for one in found["spans"])
    read = csv.DictReader(io.StringIO(tagging("tag", text, "--csv").stdout.decode()))
    assert [row["span"] for row in read] == [one["span"] for one in found["spans"]]
    conll = tagging("tag", text, "--conll").stdout.decode()
    assert conll.startswith("Otto\tB-PER\nwent\tO\n")
    assert conll.endswith("\n\n")
    assert "[PER Otto]" in tagging("tag", text, "--show").stdout.decode()
    write(tmp_path / "list.txt", f"{text}\n\n{text}\n")
    by_file = tagging("tag", "list.txt").stdout.decode().splitlines()
    assert {line.split("\t")[1] for line in by_file} == {"1", "3"}
    assert len(tagging("tag", "-", stdin=text.encode()).stdout.splitlines()) == len(rows)


def test_a_tagger_is_measured(tagging: Chargen) -> None:
    """The figures that the contract names, by label and in all."""
    row = json.loads(tagging("tag", "--evaluate", "who.iob", "--json").stdout)
    assert {"precision", "recall", "f1", "spans", "texts"} <= row.keys()
    assert set(row["labels"]) == {"LOC", "PER"}
    assert row["spans"] == 96
    shown = tagging("tag", "--evaluate", "who.iob")
    assert "all" in shown.stdout.decode()
    assert "were learned from" in shown.stderr.decode()


def test_damage_is_undone(chargen: Chargen, tmp_path: Path) -> None:
    """In running text; nothing but capitals changes, and the text keeps its characters."""
    write(tmp_path / "story.txt", STORY * 4)
    assert chargen("train", "story.txt", "--undo", "case", *QUICK).returncode == 0
    damaged = STORY.lower()
    write(tmp_path / "low.txt", damaged)
    done = chargen("translate", "low.txt")
    assert done.stdout.decode().lower() == damaged
    assert b"mended at" in done.stderr
    row = json.loads(chargen("translate", "--evaluate", "story.txt", "--json").stdout)
    assert row["before"] < 1
    assert 0 <= row["words_right"] <= 1
    told = json.loads(chargen("translate", "the heron", "--json").stdout)
    assert told["text"].lower() == "the heron"
    assert "words" in chargen("translate", "--evaluate", "story.txt").stdout.decode()


def test_models_of_other_kinds_name_the_right_command(tagging: Chargen) -> None:
    """What marks spans does not translate, and what writes marks no spans."""
    assert "Use `chargen tag` with it" in one_line_error(tagging("translate", "Otto"))
    assert "Use `chargen sample` with it" in one_line_error(tagging("tag", "Otto", "-m", "starter"))
    assert "Use `chargen tag` with it" in one_line_error(tagging("sample"))
