"""``llm`` finds the models here, and lets them write."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import llm
import pytest

import chargen

PAGE = Path(__file__).parent.parent / "docs" / "llm.md"


@pytest.fixture
def here(model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run called tiny, which is also where ``llm`` keeps its things."""
    monkeypatch.setenv("CHARGEN_CHECKPOINTS", str(tmp_path / "runs"))
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "user"))
    return model_file


def test_each_run_is_a_model(here: Path) -> None:
    """And so is the model that comes along."""
    assert {"chargen/tiny", "chargen/starter"} <= {one.model_id for one in llm.get_models()}
    assert str(llm.get_model("chargen/tiny")) == "chargen: tiny"


def test_it_writes_what_the_model_writes(here: Path) -> None:
    """By its options, piece by piece, and it counts characters."""
    model = llm.get_model("chargen/tiny")
    how: Any = {"temperature": 0.7, "seed": 3, "top_k": 5, "max_tokens": 40}
    answer = model.prompt("The tide", **how)
    pieces = list(answer)
    text = chargen.load(here).sample(40, prime="The tide", temp=0.7, seed=3, top_k=5)
    assert "".join(pieces) == text
    assert len(pieces) > 1
    used = answer.usage()
    assert (used.input, used.output) == (8, 40)
    whole = model.prompt("The tide", stream=False, stop="e", seed=3).text()
    assert whole == chargen.load(here).sample(300, prime="The tide", stop="e", seed=3)


def test_a_conversation_is_one_text(here: Path) -> None:
    """What was said before stands before the new prompt."""
    talk = llm.get_model("chargen/tiny").conversation()
    first = talk.prompt("The ", seed=1, max_tokens=20).text()
    second = talk.prompt(" sea", seed=1, max_tokens=20).text()
    told = f"The {first} sea"
    assert second == chargen.load(here).sample(20, prime=told, seed=1)


@pytest.mark.parametrize(
    ("prompt", "options", "says"),
    [
        ("Ω", {}, "never seen: 'Ω'"),
        ("The", {"label": "sea"}, "no labels"),
        ("The", {"system": "Be brief."}, "no system prompt"),
    ],
)
def test_what_cannot_be_done_is_said(here: Path, prompt: str, options: Any, says: str) -> None:
    """As an error that ``llm`` shows in one line."""
    with pytest.raises(llm.ModelError, match=says):
        llm.get_model("chargen/tiny").prompt(prompt, **options).text()


def test_the_commands_of_the_page_work(here: Path, environment: dict[str, str]) -> None:
    """All but the installation, one after the other; the last goes on with a conversation."""
    found = re.search(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    user = {"LLM_USER_PATH": str(here.parents[2] / "user")}
    commands = [shlex.split(one) for one in found[1].splitlines() if one.startswith("llm ")]
    assert len(commands) == 3
    for words in commands:
        ran = subprocess.run(
            [sys.executable, "-m", "llm", *words[1:]],
            env=environment | user,
            capture_output=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr.decode()
        assert ran.stdout.strip()
