"""A folder for the hub: a model of any kind, its description, its card."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import chargen as package
from chargen.checkpoint import Checkpoint
from chargen.errors import RunError
from chargen.export import hub
from tests.conftest import (
    STORY,
    Chargen,
    mend_checkpoint,
    one_line_error,
    pair_checkpoint,
    tag_checkpoint,
    tiny_checkpoint,
)
from tests.serving.conftest import classifier, two_sided

MADE: dict[str, Callable[[], Checkpoint]] = {
    "causal": tiny_checkpoint,
    "gaps": two_sided,
    "classifier": classifier,
    "pairs": pair_checkpoint,
    "tagger": tag_checkpoint,
    "mender": mend_checkpoint,
}


@pytest.mark.parametrize("kind", MADE)
def test_a_model_of_any_kind_is_written_whole(kind: str, tmp_path: Path) -> None:
    """Its file is loaded as it is, and its description is JSON with no text in it."""
    figures = {"perplexity": 4.2, "perplexity_error": 0.1, "nats_per_char": float("nan")}
    corpus = {"names": ["story.txt"], "sha256": "ab" * 32, "characters": len(STORY)}
    saved = replace(MADE[kind](), figures=figures, corpus=corpus)
    hub.write(saved, "tale", tmp_path / "tale", None)
    found = package.load(tmp_path / "tale" / "model.safetensors")
    assert found.checkpoint.architecture == saved.architecture
    assert sorted(one.name for one in (tmp_path / "tale").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    told = json.loads((tmp_path / "tale" / "config.json").read_text(encoding="utf-8"))
    assert told["kind"] == kind
    assert told["corpus"]["sha256"] == "ab" * 32
    assert told["figures"]["nats_per_char"] is None
    card = (tmp_path / "tale" / "README.md").read_text(encoding="utf-8")
    assert "| perplexity | 4.2000 | 0.1000 |" in card
    assert "ab" * 32 in card
    assert "# license: not chosen yet" in card
    assert f"chargen {saved.architecture.kind.command} " in card
    assert str(tmp_path) not in card + json.dumps(told)


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    """An empty one is filled; nothing half made is left."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="exists already"):
        hub.write(tiny_checkpoint(), "tale", tmp_path / "full", None)
    (tmp_path / "empty").mkdir()
    hub.write(tiny_checkpoint(), "tale", tmp_path / "empty", "mit")
    assert "license: mit" in (tmp_path / "empty" / "README.md").read_text(encoding="utf-8")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["empty", "full"]


def test_the_command_writes_it(chargen: Chargen, model_file: Path, tmp_path: Path) -> None:
    """And refuses what makes no sense."""
    done = chargen("export", "tiny", "--to", "hf", "folder", "--licence", "mit")
    assert done.returncode == 0, done.stderr.decode()
    scored = chargen("sample", "-m", "folder/model.safetensors", "--length", "5")
    assert scored.returncode == 0
    assert "exists already" in one_line_error(chargen("export", "tiny", "--to", "hf", "folder"))
    one_line_error(chargen("export", "tiny", "--to", "c", "tiny.h"), 2)
    one_line_error(chargen("export", "tiny", "--to", "onnx", "x", "--licence", "mit"), 2)
