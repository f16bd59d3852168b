"""Models that see both sides, as ONNX graphs: the same figures as chargen's own engine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from chargen.architecture import Architecture
from chargen.checkpoint import Checkpoint
from chargen.engine.gaps import GapFiller
from chargen.errors import KindError
from chargen.export.onnx import CLOSE, difference, model, write
from chargen.kinds import CLASSIFIER, GAPS, KINDS
from chargen.tasks.classifying import by_both_sides
from tests.conftest import (
    RECURRENT,
    mend_checkpoint,
    pair_checkpoint,
    random_weights,
    tag_checkpoint,
    tiny_checkpoint,
)


def both_sides(arch: str, labels: int = 0, seed: int = 0) -> Checkpoint:
    """An untrained model of two layers that fills gaps, or tells labels."""
    saved = tiny_checkpoint()
    kind = CLASSIFIER if labels else GAPS
    architecture = Architecture(arch, 2, 12, 5, kind=kind, labels=labels)
    weights = random_weights(architecture, len(saved.vocabulary), seed)
    names = ("sea", "land", "sky")[:labels]
    return replace(saved, architecture=architecture, weights=weights, labels=names)


MADE = {
    **{f"gaps {arch}": both_sides(arch) for arch in RECURRENT},
    **{f"labels {arch}": both_sides(arch, 3) for arch in RECURRENT},
    **{f"tags {arch}": tag_checkpoint(arch, 2) for arch in (*RECURRENT, "transformer")},
    "mender": mend_checkpoint(),
}


@pytest.mark.parametrize("name", MADE)
def test_the_graph_gives_the_same_figures(name: str) -> None:
    """For texts of several lengths side by side; the graph is a valid one."""
    saved = MADE[name]
    data = model(saved, "tiny").SerializeToString()
    assert difference(saved, data) < CLOSE / 4
    onnx.checker.check_model(data, full_check=True)


@pytest.mark.parametrize("name", ["gaps gru", "labels gru", "tags gru", "mender"])
def test_a_wrong_graph_is_found(name: str) -> None:
    """Weights that are others make a difference."""
    saved = MADE[name]
    other = random_weights(saved.architecture, len(saved.vocabulary), 5)
    data = model(replace(saved, weights=other), "other").SerializeToString()
    assert difference(saved, data) > 0.01


def test_every_kind_has_a_graph_but_pairs(tmp_path: Path) -> None:
    """Pairs are told what there is instead."""
    assert {name for name, kind in KINDS.items() if kind.graph is None} == {"pairs"}
    with pytest.raises(KindError, match="turns sources into targets, and has no graph"):
        write(pair_checkpoint(), "words", tmp_path / "words.onnx")


def session(saved: Checkpoint, folder: Path) -> onnxruntime.InferenceSession:
    """Write a graph, and return what runs it."""
    path = folder / "model.onnx"
    write(saved, "tiny", path)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_labels_are_those_that_classify_tells(tmp_path: Path) -> None:
    """The mean over a text's places, whatever stands beside it."""
    saved = both_sides("lstm", 3)
    run, texts = session(saved, tmp_path), ["It came back", "the sand."]
    encoded = [saved.vocabulary.encode(text) for text in texts]
    ids = np.full((2, 20), 3)
    for row, one in zip(ids, encoded, strict=True):
        row[: len(one)] = one
    given = {"ids": ids, "lengths": np.array(list(map(len, texts)))}
    (told,) = run.run(["labels"], given)
    np.testing.assert_allclose(told, by_both_sides(saved).weigh(texts), atol=1e-5)


def test_a_gap_is_filled_step_by_step(tmp_path: Path) -> None:
    """With the left side's state carried on, the likeliest filling is the engine's."""
    saved = both_sides("gru", seed=3)
    run, engine = session(saved, tmp_path), GapFiller(saved.architecture, saved.weights)
    names = [one.name for one in run.get_outputs()]
    after = saved.vocabulary.encode(" went")
    ids = [engine.bos, *saved.vocabulary.encode("The ")]
    state = {
        one.name: np.zeros((1, 12), np.float32) for one in run.get_inputs() if one.name[0] == "h"
    }
    carried, seen = engine.left.start(1), engine.look(after)
    for missing in (3, 2, 1):
        given = {"ids": np.array([ids]), "after": after.astype(np.int64)[None]}
        given |= {"remaining": np.array([[missing]])}
        outputs = dict(zip(names, run.run(None, given | state), strict=True))
        state = {name: outputs[f"{name}_after"] for name in state}
        read, carried = engine.left.forward(np.array([ids], np.int32), carried)
        expected = engine.predict(read[:, -1], seen, missing)
        np.testing.assert_allclose(outputs["gap"][:, -1], expected, atol=1e-5)
        ids = [int(expected[0, :-1].argmax())]


def test_the_graph_of_tags_has_its_marks_and_their_chain(tmp_path: Path) -> None:
    """So that the likeliest sequence can be found outside."""
    saved = tag_checkpoint("gru")
    run = session(saved, tmp_path)
    ids = np.zeros((1, 4), np.int64)
    scores, chain = run.run(["scores", "transition"], {"ids": ids, "lengths": np.array([4])})
    about = run.get_modelmeta().custom_metadata_map
    marks = json.loads(about["marks"])
    assert scores.shape == (1, 4, len(marks))
    assert chain.shape == (len(marks) + 1, len(marks))
