"""The page of JSON keys: it has every key that a command prints, and no other."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import STORY, Chargen, write

PAGE = Path(__file__).parent.parent / "docs" / "json.md"

OPEN = ("settings", "architecture", "counts")
"""Objects whose keys are names of something else: of options, of sizes, characters."""


@dataclass(frozen=True)
class Shape:
    """What the page says of a command.

    Attributes:
        event: of ``train``, else nothing.
        keys: with dots between an object and its keys, and [] for a list of objects.
    """

    line: str
    event: str
    keys: frozenset[str]


def shapes() -> list[Shape]:
    """Return what the page says: commands, and the keys below each."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        first, *rest = block.splitlines()
        line, _, event = first.removeprefix("$ chargen ").partition("  # ")
        found.append(Shape(line, event, frozenset(" ".join(rest).split())))
    return found


def paths(value: Any, above: str = "") -> set[str]:
    """Return the keys of a document."""
    if isinstance(value, dict) and above.rpartition(".")[2] not in OPEN and value:
        dot = f"{above}." if above else ""
        return set().union(*(paths(one, dot + key) for key, one in value.items()))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return set().union(*(paths(one, above + "[]") for one in value))
    return {above}


@pytest.fixture
def files(tmp_path: Path) -> None:
    """A folder with what the page's commands need."""
    write(tmp_path / "story.txt", STORY * 3)
    write(tmp_path / "stimuli.csv", "kind,sentence,target\na,the tide went,tide\n")
    lines = [
        f"{one}\t{text} {n}\n"
        for n in range(30)
        for one, text in (("en", "low tide"), ("de", "ebbe"))
    ]
    write(tmp_path / "kinds.tsv", "".join(lines))
    pairs = "".join(f"low tide {n}\tLOW TIDE {n % 7}\n" for n in range(40))
    write(tmp_path / "pairs.tsv", pairs)
    tags = "".join(f"tide\tO\nVesle\tB-LOC\n{n % 9}\tO\n\n" for n in range(60))
    write(tmp_path / "tags.iob", tags)


def said(chargen: Chargen, line: str) -> list[dict[str, Any]]:
    """Return the documents that a command prints."""
    result = chargen(*shlex.split(line))
    assert result.returncode == 0, result.stderr.decode()
    return [json.loads(row) for row in result.stdout.splitlines()]


@pytest.mark.usefixtures("files")
def test_every_key_is_on_the_page(chargen: Chargen) -> None:
    """The page's commands, in its order, print the keys that stand below them."""
    before: dict[str, list[dict[str, Any]]] = {}
    for shape in shapes():
        if shape.line not in before:
            before[shape.line] = said(chargen, shape.line)
        rows = [row for row in before[shape.line] if not shape.event or row["event"] == shape.event]
        assert rows, shape
        assert set().union(*map(paths, rows)) == shape.keys, shape.line
    # Every event has a block, but those that come about by chance.
    for line, rows in before.items():
        events = {row["event"] for row in rows if isinstance(row, dict) and "event" in row}
        assert events <= {shape.event for shape in shapes() if shape.line == line} | {""}


def test_every_key_has_a_meaning() -> None:
    """And every meaning belongs to a key."""
    text = PAGE.read_text(encoding="utf-8")
    meant = {
        key
        for cell in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
        for key in re.findall(r"`(.*?)`", cell)
    }
    keys = {
        part.removesuffix("[]")
        for shape in shapes()
        for key in shape.keys
        for part in key.split(".")
    }
    assert keys - {""} == meant
