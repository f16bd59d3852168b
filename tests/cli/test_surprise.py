"""``chargen surprise`` as a process."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path

import pytest

from tests.conftest import STORY, Chargen, write

TEXT = "The tide went out.\nWhere is the Ω heron?\n"


def total(chargen: Chargen, path: Path, model: Path) -> float:
    found = json.loads(chargen("perplexity", path, "-m", model, "--exact", "--json").stdout)
    return float(found["nats_per_char"] * found["characters"] / math.log(2))


@pytest.mark.parametrize("per", ["char", "word", "sentence", "line", "document"])
def test_rows_sum_to_the_perplexity(
    chargen: Chargen, tmp_path: Path, model_file: Path, per: str
) -> None:
    """The same total as the one exact pass, to a millionth of a bit, in every form."""
    path = write(tmp_path / "text.txt", TEXT)
    given = ("surprise", path, "-m", model_file, "--per", per)
    commas = csv.DictReader(io.StringIO(chargen(*given, "--csv").stdout.decode()))
    tabs = csv.DictReader(io.StringIO(chargen(*given, "--tsv").stdout.decode()), delimiter="\t")
    lines = map(json.loads, chargen(*given, "--json").stdout.splitlines())
    for rows in (list(commas), list(tabs), list(lines)):
        found = sum(float(row["bits"]) for row in rows)
        assert found == pytest.approx(total(chargen, path, model_file), abs=1e-6)
        assert rows[0][per if per != "document" else "text"]


def test_each_line_may_be_a_text(chargen: Chargen, tmp_path: Path, model_file: Path) -> None:
    """Then it begins anew, and is named by its words."""
    path = write(tmp_path / "text.txt", "the tide\n\nthe tide\n")
    printed = chargen("surprise", path, "-m", model_file, "--lines", "--per", "line", "--json")
    rows = [json.loads(line) for line in printed.stdout.splitlines()]
    assert [(row["text_id"], row["text"]) for row in rows] == [(1, "the tide"), (2, "the tide")]
    assert rows[0]["bits"] == pytest.approx(rows[1]["bits"])


def test_a_text_in_quotes_is_shown_with_bars(chargen: Chargen, model_file: Path) -> None:
    """In a pipe there are no colours; the words that surprise most are listed."""
    shown = chargen("surprise", STORY[:100], "-m", model_file).stdout.decode()
    assert "\x1b" not in shown
    assert shown.splitlines()[1].startswith("The tide went out")
    assert "100 characters, " in shown
    assert "most surprising words" in shown


@pytest.mark.parametrize("base", ["2", "e", "10"])
def test_the_unit_follows_the_base(chargen: Chargen, model_file: Path, base: str) -> None:
    """Columns are called what they hold."""
    printed = chargen(
        "surprise", "the tide", "-m", model_file, "--per", "word", "--base", base, "--json"
    )
    row = json.loads(printed.stdout.splitlines()[0])
    unit = {"2": "bits", "e": "nats", "10": "bans"}[base]
    assert {unit, f"end_{unit}"} <= row.keys()


def test_a_page_is_written_once(chargen: Chargen, tmp_path: Path, model_file: Path) -> None:
    """A file that exists is kept; a page holds all texts."""
    path, out = write(tmp_path / "text.txt", TEXT), tmp_path / "page.html"
    given = ("surprise", path, "-m", model_file, "--html", out)
    assert chargen(*given).stdout == b""
    assert "<!doctype html>" in out.read_text(encoding="utf-8")
    refused = chargen(*given)
    assert refused.returncode == 1
    assert b"exists already" in refused.stderr
    assert chargen(*given, "--force", "--csv").stdout.startswith(b"text_id,")
    other = write(tmp_path / "other.txt", "the ebb")
    chargen(*given, other, "--force")
    held = re.search(r'json">(.*?)</script>', out.read_text(encoding="utf-8"))
    assert held is not None
    assert [one["text"] for one in json.loads(held[1])["texts"]] == [TEXT, "the ebb"]


@pytest.mark.parametrize("items", ["lines", "documents"])
def test_items_cost_what_perplexity_says(
    chargen: Chargen, tmp_path: Path, story: Path, items: str
) -> None:
    """A model of lines or documents reads each alone, with its end, by both commands."""
    small = ("--steps", "2", "--hidden", "8", "--evaluations", "1")
    assert chargen("train", story, f"--{items}", "--name", "m", *small).returncode == 0
    path = write(tmp_path / "text.txt", TEXT)
    scored = json.loads(chargen("perplexity", path, "-m", "m", "--json").stdout)["texts"]
    printed = chargen("surprise", path, "-m", "m", "--per", "document", "--base", "e", "--json")
    rows = [json.loads(line) for line in printed.stdout.splitlines()]
    assert [row["text"] for row in rows] == [one["text"] for one in scored]
    assert [row["nats"] for row in rows] == pytest.approx(
        [-one["log_probability"] for one in scored], rel=1e-5
    )


def test_stimuli_come_from_a_table(chargen: Chargen, tmp_path: Path, model_file: Path) -> None:
    """Each row is read alone; its words are marked, and a region costs what its characters do."""
    table = write(tmp_path / "s.csv", "kind,sentence,target\na,the tide went out,tide\nb,out,out\n")
    given = [
        "surprise", table, "-m", model_file, "--column", "sentence", "--group", "kind",
        "--region", "target", "--json",
    ]  # fmt: skip
    printed = {
        per: [json.loads(line) for line in chargen(*given, "--per", per).stdout.splitlines()]
        for per in ("char", "word", "region")
    }
    assert [(row["group"], row["word"], row["critical"]) for row in printed["word"]] == [
        ("a", "the", 0), ("a", "tide", 1), ("a", "went", 0), ("a", "out", 0), ("b", "out", 1),
    ]  # fmt: skip
    costs = [row["bits"] for row in printed["char"] if row["critical"]]
    regions = printed["region"]
    assert [row["region"] for row in regions] == ["tide", "out"]
    assert [row["bits"] for row in regions] == pytest.approx([sum(costs[:4]), sum(costs[4:])])
    assert (regions[0]["start"], regions[0]["end"]) == (4, 8)
