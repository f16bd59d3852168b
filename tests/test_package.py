"""The package itself: what it exports, what it imports, what its data are."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import chargen
from chargen import checkpoint, runs
from chargen.architecture import Architecture
from chargen.checkpoint import Checkpoint
from chargen.kinds import CLASSIFIER, GAPS
from chargen.model import load
from chargen.text.vocabulary import Vocabulary
from tests.conftest import (
    STORY,
    Chargen,
    mend_checkpoint,
    pair_checkpoint,
    random_weights,
    tag_checkpoint,
)


def test_public_names_are_listed_and_there() -> None:
    """What __all__ promises can be got, and dir() says the same."""
    assert sorted(chargen.__all__) == dir(chargen)
    for name in chargen.__all__:
        assert getattr(chargen, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        chargen.nonsense  # noqa: B018


@pytest.mark.parametrize(
    "statement",
    ["import chargen", "import chargen.cli.app", "import chargen.model", "import chargen.api"],
)
def test_importing_brings_no_torch(statement: str, environment: dict[str, str]) -> None:
    """Only training imports PyTorch, only long texts Numba; the command line not even NumPy."""
    heavy = (
        {"torch", "numpy"}
        if statement in ("import chargen", "import chargen.cli.app")
        else {"torch", "numba"}
    )
    code = f"import sys; {statement}; print(sorted({heavy!r} & sys.modules.keys()))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment, check=True, timeout=60
    )
    assert result.stdout.strip() == b"[]"


def test_sampling_and_scoring_import_no_torch(
    chargen: Chargen, model_file: Path, story: Path
) -> None:
    """With PyTorch made impossible to import, models do all that they are for."""
    blocked = story.parent / "blocked"
    blocked.mkdir()
    (blocked / "torch.py").write_text("raise SystemExit('torch was imported')")
    here = str(Path(__file__).parent.parent)
    extra = {"PYTHONPATH": f"{blocked}{';' if sys.platform == 'win32' else ':'}{here}"}
    assert chargen("sample", "--length", "5", extra=extra).returncode == 0
    assert chargen("perplexity", story, extra=extra).returncode == 0
    both = Architecture("lstm", 1, 12, 5, kind=GAPS)
    for name, architecture, labels in (
        ("gaps", both, ()),
        ("kinds", replace(both, kind=CLASSIFIER, labels=2), ("this", "that")),
    ):
        path = story.parent / f"{name}.safetensors"
        vocabulary = Vocabulary("".join(sorted(set(STORY))), escape=0.01)
        weights = random_weights(architecture, len(vocabulary))
        checkpoint.write(path, Checkpoint(architecture, vocabulary, weights, labels=labels))
    for name, made in (
        ("pairs", pair_checkpoint()), ("tags", tag_checkpoint()), ("mend", mend_checkpoint()),
    ):  # fmt: skip
        checkpoint.write(story.parent / f"{name}.safetensors", made)
    for command_line in (
        ["translate", "abca", "-m", "pairs.safetensors"],
        ["translate", "abca", "-m", "mend.safetensors"],
        ["tag", "ab cd", "-m", "tags.safetensors"],
        ["restore", "the [...] sand", "-m", "gaps.safetensors"],
        ["restore", "the [5] sand", "-m", "tiny"],
        ["classify", "story.txt", "-m", "kinds.safetensors"],
        ["classify", "story.txt", "-m", "tiny", "-m", "starter"],
    ):
        result = chargen(*command_line, extra=extra)
        assert result.returncode == 0, result.stderr.decode()
    assert b"torch was imported" in chargen("train", story, extra=extra).stderr


def modules() -> list[str]:
    found = pkgutil.walk_packages(chargen.__path__, "chargen.")
    return [module.name for module in found if module.name != "chargen.__main__"]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_are_true(name: str) -> None:
    """Every example in a docstring gives what it says."""
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0


def test_the_starter_model_writes_at_once() -> None:
    """The model that comes with chargen is small, sound, and better than guessing."""
    path = runs.Run(runs.STARTER).best
    assert path.stat().st_size <= 1_500_000
    model = load(path)
    assert len(model.sample(50, temp=0.8)) == 50
    assert model.checkpoint.figures["perplexity"] < 6
    assert model.perplexity(text="The value of the expression is an object.").perplexity < 12


def test_a_model_scores_a_text_or_a_file(story: Path, model_file: Path) -> None:
    """A path means a file, and a wrong path is an error; a text is passed as ``text=``."""
    model = load(model_file)
    assert model.perplexity(str(story)).nats == model.perplexity(text=STORY).nats
    assert "tiny" in repr(model)
    with pytest.raises(chargen.ChargenError, match="does not exist"):
        model.perplexity("mistyped.txt")
    with pytest.raises(TypeError, match="give a path"):
        model.perplexity(story, text=STORY)


def test_the_environment_names_the_folder_of_runs(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """load() looks where the command line would."""
    monkeypatch.setenv("CHARGEN_CHECKPOINTS", str(model_file.parent.parent))
    assert load().name == "tiny"


def test_training_is_a_function(story: Path, tmp_path: Path) -> None:
    """chargen.train gives back the best model, and reports as it goes."""
    events: list[str] = []
    model = chargen.train(
        story,
        out=tmp_path / "runs",
        name="mine",
        on_report=lambda report: events.append(report.event),
        steps=3,
        hidden=8,
        evaluations=1,
    )
    assert model.name == "mine"
    assert events == ["start", "step", "step", "step", "eval", "sample", "done"]
    assert len(model.sample(10, prime="The")) == 10
