"""``chargen plot`` as a process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import STORY, Chargen, write

SMALL = ("--steps", "4", "--hidden", "8", "--evaluations", "2", "--features", "off")


@pytest.fixture
def runs(chargen: Chargen, story: Path, tmp_path: Path) -> Path:
    """Two runs, with their figures for TensorBoard."""
    for name, arch in (("one", "gru"), ("two", "lstm")):
        given = ("train", story, "--name", name, "--arch", arch, *SMALL)
        trained = chargen(*given, "--tensorboard", tmp_path / "board")
        assert trained.returncode == 0, trained.stderr
    return tmp_path


def test_curves_and_units_are_drawn(chargen: Chargen, runs: Path) -> None:
    """As a picture, and as figures; a picture that exists is kept."""
    drawn = chargen("plot", "one", "two", "-o", runs / "curves.svg", "--json")
    rows = json.loads(drawn.stdout)
    assert [row["model"] for row in rows] == ["one", "one", "two", "two"]
    picture = (runs / "curves.svg").read_text()
    assert "<svg" in picture
    again = chargen("plot", "one", "two", "-o", runs / "curves.svg")
    assert again.returncode == 1
    assert b"exists already" in again.stderr
    chargen("plot", "one", "two", "-o", runs / "curves.svg", "--force")
    assert (runs / "curves.svg").read_text() == picture
    text = write(runs / "text.txt", STORY[:150])
    given = ("plot", "two", "--text", text, "--inside", "“”", "-n", "2", "--csv")
    drawn = chargen(*given, "-o", runs / "units.png")
    assert drawn.stdout.decode().splitlines()[0] == "layer,unit,correlation"
    assert (runs / "units.png").read_bytes().startswith(b"\x89PNG")
    named = chargen(
        "plot", "two", "--text", text, "--units", "0:7,0:1", "-o", runs / "n.png", "--json"
    )
    assert [row["unit"] for row in json.loads(named.stdout)] == [7, 1]
    assert {path.name for path in (runs / "board").iterdir()} == {"one", "two"}


def test_attention_is_drawn(chargen: Chargen, story: Path, tmp_path: Path) -> None:
    """A square for each head, and how far back each looks; for transformers only."""
    given = ("train", story, "--name", "three", "--arch", "transformer", "--layers", "2", *SMALL)
    chargen(*given, "--embed", "8", "--heads", "2")
    asked = ("plot", "three", "--text", STORY[:40], "--attention")
    drawn = chargen(*asked, "-o", tmp_path / "heads.svg", "--json")
    rows = json.loads(drawn.stdout)
    assert [(row["layer"], row["head"]) for row in rows] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(0 <= row["characters_back"] <= 40 for row in rows)
    assert "<svg" in (tmp_path / "heads.svg").read_text()
