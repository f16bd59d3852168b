"""A blend of models from files."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import chargen
from chargen import checkpoint
from chargen.errors import KindError, UsageError
from chargen.text.vocabulary import ALL_BYTES, Vocabulary
from tests.conftest import STORY, Chargen, tiny_checkpoint, write


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    """Two models in runs of their own."""
    for name, saved in (("one", tiny_checkpoint()), ("other", tiny_checkpoint(arch="gru"))):
        (tmp_path / name).mkdir()
        checkpoint.write(tmp_path / name / "best.safetensors", saved)
    return [str(tmp_path / name) for name in ("one", "other")]


def test_a_blend_scores_writes_and_looks_into_texts(two: list[str], tmp_path: Path) -> None:
    """As one model: all its figures agree with each other, and lie between those of its parts."""
    model = chargen.blend({two[0]: 3, two[1]: 1})
    text = STORY[:300]
    score = model.perplexity(text=text, exact=True)
    assert score.nats == pytest.approx(model.nats(text).sum())
    assert score.nats == pytest.approx(model.surprise(text).nats.sum())
    parts = [chargen.load(one).nats(text) for one in two]
    shares = [3 * np.exp(-parts[0]) / 4, np.exp(-parts[1]) / 4]
    np.testing.assert_allclose(np.exp(-model.nats(text)), sum(shares), rtol=1e-4)
    assert len(model.sample(30, seed=1)) == 30
    assert model.name == "one:0.75 + other:0.25"


def test_a_model_blended_with_itself_is_that_model(two: list[str]) -> None:
    """By probabilities and by logits."""
    alone = chargen.load(two[0])
    for way in ("probabilities", "logits"):
        model = chargen.blend([two[0], two[0] + "/best.safetensors"], way=way)
        np.testing.assert_allclose(model.nats(STORY[:99]), alone.nats(STORY[:99]), rtol=1e-4)


def test_what_needs_one_model_is_refused(two: list[str], tmp_path: Path) -> None:
    """A blend has no weights of its own."""
    model = chargen.blend(two)
    for ask in (
        lambda: model.adapt(STORY),
        lambda: model.states(STORY),
        lambda: model.save(tmp_path / "m.safetensors"),
        lambda: model.restore("the t[3]"),
    ):
        with pytest.raises(KindError, match="is a blend"):
            ask()


def test_models_must_fit_together(two: list[str], tmp_path: Path) -> None:
    """Bytes and characters do not, nor do lines and running text; weights are positive."""
    lines = replace(tiny_checkpoint(), settings={"lines": True})
    letters = Vocabulary(ALL_BYTES, as_bytes=True)
    others = {"lines": lines, "bytes": replace(tiny_checkpoint(ALL_BYTES), vocabulary=letters)}
    for name, saved in others.items():
        (tmp_path / name).mkdir()
        checkpoint.write(tmp_path / name / "best.safetensors", saved)
        with pytest.raises(KindError, match="cannot be blended"):
            chargen.blend([two[0], str(tmp_path / name)])
    with pytest.raises(UsageError, match="not positive"):
        chargen.blend({two[0]: 1, two[1]: 0})
    with pytest.raises(UsageError, match="unknown `blend` 'sum'"):
        chargen.blend(two, way="sum")


def test_commands_take_several_models(chargen: Chargen, two: list[str], tmp_path: Path) -> None:
    """With weights behind colons, or alike."""
    path = write(tmp_path / "text.txt", STORY)
    both = ("-m", two[0] + ":0.7", "-m", two[1] + ":0.3")
    scored = json.loads(chargen("perplexity", path, *both, "--json", "--exact").stdout)
    assert scored["model"] == "one:0.7 + other:0.3"
    rows = chargen("surprise", path, *both, "--exact", "--per", "document", "--json").stdout
    bits = scored["nats_per_char"] * scored["characters"] / math.log(2)
    assert json.loads(rows)["bits"] == pytest.approx(bits, rel=1e-6)
    written = chargen("sample", *both, "--length", "20", "--seed", "1", "--blend", "logits")
    assert len(written.stdout.decode()) == 20
    assert b"a blend of 2 models by logits" in written.stderr
