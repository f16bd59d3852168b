"""The model file: what goes in comes out, and nothing bad gets in."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from chargen import checkpoint, compact
from chargen.errors import CheckpointError
from tests.conftest import mend_checkpoint, pair_checkpoint, tag_checkpoint, tiny_checkpoint


def header_of(path: Path) -> dict[str, str]:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    metadata: dict[str, str] = json.loads(data[8 : 8 + length])["__metadata__"]
    return metadata


def altered(path: Path, **changes: Any) -> Path:
    """Write the file again with some of the JSON header's keys replaced, or dropped if None."""
    metadata = header_of(path)
    header = json.loads(metadata["chargen"])
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(header[key], dict):
            header[key] |= value
        else:
            header[key] = value
    metadata["chargen"] = json.dumps(header)
    save_file(load_file(path), path, metadata)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "model.safetensors"
    checkpoint.write(file, tiny_checkpoint())
    return file


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Every field and every bit comes back."""
    saved = replace(
        tiny_checkpoint("aéΩ😀\0\n"),
        settings={"lr": 0.1},
        corpus={"sha256": "x"},
        figures={"perplexity": 1 / 3},
        history=[{"step": 1}],
        training={"step": 7},
        tensors={"generator": np.arange(5, dtype=np.uint8), "state.0.0": np.ones((2, 3), "f4")},
    )
    checkpoint.write(tmp_path / "m", saved)
    again = checkpoint.read(tmp_path / "m", resume=True)
    for field in ("architecture", "vocabulary", "settings", "corpus", "figures", "history"):
        assert getattr(again, field) == getattr(saved, field)
    assert again.training == saved.training
    for one, other in ((again.weights, saved.weights), (again.tensors, saved.tensors)):
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_model_to_use_reads_no_training(path: Path) -> None:
    """Only resuming reads the optimizer's tensors."""
    checkpoint.write(
        path, replace(checkpoint.read(path), training={"step": 1}, tensors={"a": np.ones(2)})
    )
    assert checkpoint.read(path).tensors == {}


def test_any_safetensors_reader_can_read_it(path: Path) -> None:
    """The file is plain safetensors: names, shapes and a metadata of strings."""
    assert load_file(path)["layers.0.weight_hh"].shape == (36, 12)
    assert header_of(path)["format"] == "chargen"


def test_a_failed_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full the old model is whole and nothing else is left."""
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="cannot be written: no space left on device"):
        checkpoint.write(path, tiny_checkpoint(seed=1))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_the_file_has_ordinary_permissions(path: Path) -> None:
    """A model can be shared as any new file can."""
    other = path.with_name("plain")
    other.write_bytes(b"")
    assert path.stat().st_mode == other.stat().st_mode


@pytest.mark.parametrize("kept", [0, 5, 8, 100, -1])
def test_a_truncated_file_is_refused(path: Path, kept: int) -> None:
    """Half a file is no model."""
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="is damaged or not a chargen model"):
        checkpoint.read(path)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x80\x04pickle", b"\xff" * 100, struct.pack("<Q", 1 << 60) + b"{}"]
)
def test_what_is_not_safetensors_is_refused(path: Path, content: bytes) -> None:
    """A text, a pickle, noise, or a header of a thousand petabytes: each one line."""
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="whole safetensors file"):
        checkpoint.read(path)


def test_another_programs_tensors_are_refused(path: Path) -> None:
    """A safetensors file without our mark is not guessed at."""
    save_file({"a": np.ones(3)}, path)
    with pytest.raises(CheckpointError, match="does not say that it is chargen's"):
        checkpoint.read(path)


def test_another_version_is_refused_by_name(path: Path) -> None:
    """A file from the future says which version it has and which can be read."""
    save_file(load_file(path), path, header_of(path) | {"version": "9"})
    with pytest.raises(CheckpointError, match="format version '9', this chargen reads 1, 2"):
        checkpoint.read(path)


def test_tensors_must_be_there_and_fit(path: Path) -> None:
    """A tensor that is missing, mis-shaped, of another type or not finite is named."""
    tensors, metadata = load_file(path), header_of(path)
    name = "layers.0.weight_hh"
    for change, why in (
        (None, "is missing"),
        (tensors[name].T.copy(), "has not the shape"),
        (tensors[name].astype(np.float64), "is not float32"),
        (np.full_like(tensors[name], np.nan), "no training gives"),
        (np.full_like(tensors[name], -1e7), "no training gives"),
    ):
        broken = {k: v for k, v in tensors.items() if k != name}
        save_file(broken if change is None else broken | {name: change}, path, metadata)
        with pytest.raises(CheckpointError, match=f"{name} .*{why}|{name} {why}"):
            checkpoint.read(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": 3},
        {"architecture": {"arch": "transformer-xl"}},
        {"architecture": {"hidden": -12}},
        {"architecture": {"hidden": 10**12}},
        {"architecture": {"hidden": "12"}},
        {"architecture": {"layers": 1.0}},
        {"architecture": {"surprise": 1}},
        {"architecture": {"tied": True}},
        {"architecture": {"tied": "yes"}},
        {"architecture": {"heads": 0}},
        {"architecture": {"context": 2.5}},
        {"architecture": {"bidirectional": 1}},
        {"architecture": {"bidirectional": True}},
        {"architecture": {"labels": -1}},
        {"architecture": {"labels": 2}},
        {"labels": ["one"]},
        {"labels": "one"},
        {"vocabulary": []},
        {"vocabulary": {"characters": "aa"}},
        {"vocabulary": {"characters": ""}},
        {"vocabulary": {"characters": "\ud800"}},
        {"vocabulary": {"characters": 7}},
        {"vocabulary": {"escape": 2}},
        {"vocabulary": {"escape": None}},
        {"vocabulary": {"escape": 0}},
        {"vocabulary": {"as_bytes": True}},
        {"settings": []},
        {"figures": "good"},
    ],
)
def test_a_header_that_lies_is_refused(path: Path, changes: dict[str, Any]) -> None:
    """Whatever the header claims is checked before it is believed."""
    with pytest.raises(CheckpointError, match="is damaged or not a chargen model"):
        checkpoint.read(altered(path, **changes))


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000])
def test_a_header_that_is_no_json_object_is_refused(path: Path, text: str) -> None:
    """Broken JSON, another kind of JSON, and a JSON bomb."""
    save_file(load_file(path), path, header_of(path) | {"chargen": text})
    with pytest.raises(CheckpointError, match="header is not"):
        checkpoint.read(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    """What is no file is not a model."""
    for wrong in (tmp_path / "no.safetensors", tmp_path):
        with pytest.raises(CheckpointError, match="is not a model file"):
            checkpoint.read(wrong)


@pytest.mark.parametrize(
    "scale",
    [
        None, np.ones(3, np.float32), np.ones(12, np.float64), np.full(12, np.inf, np.float32),
        np.full(12, np.nan, np.float32),
    ],
    ids=["none", "short", "double", "infinite", "nan"],
)  # fmt: skip
def test_a_compact_file_with_wrong_factors_is_refused(path: Path, scale: np.ndarray | None) -> None:
    """Each matrix of whole numbers needs one finite float32 factor for each row."""
    checkpoint.write(path, checkpoint.read(path), compact=True)
    tensors = load_file(path)
    name = next(key for key in tensors if key.endswith(compact.SCALE))
    rows = len(tensors[name])
    if scale is None:
        del tensors[name]
    else:
        tensors[name] = scale if len(scale) == 3 else np.resize(scale, rows)
    save_file(tensors, path, header_of(path))
    with pytest.raises(CheckpointError):
        checkpoint.read(path)


def test_what_was_counted_is_stored_as_whole_numbers(tmp_path: Path) -> None:
    """In its own types, also in a compact file; and it is no part of the network's parameters."""
    saved, file = tiny_checkpoint(ngrams=9), tmp_path / "m"
    for small in (False, True):
        checkpoint.write(file, saved, compact=small)
        assert header_of(file)["version"] == "8"
        again = checkpoint.read(file)
        assert again.parameters == tiny_checkpoint().parameters
        for name, array in saved.weights.items():
            if name.startswith("ngrams."):
                assert again.weights[name].dtype == array.dtype
                np.testing.assert_array_equal(again.weights[name], array)


WRONG: dict[str, Callable[[Any], Any]] = {
    "key of nothing": lambda key: np.where(np.arange(len(key)) == 0, 1, key),
    "large powers": lambda powers: powers + 17,
    "lengths": lambda lengths: lengths[::-1].copy(),
    "key": lambda key: np.where(key == key[-1], key[-2], key),
    "followers": lambda followers: followers + np.uint16(1),
    "character": lambda character: np.where(np.arange(len(character)) == 3, 9999, character),
    "count": lambda count: count * 0,
    "powers": lambda powers: powers * np.nan,
}


@pytest.mark.parametrize("name", WRONG)
def test_numbers_that_contradict_one_another_are_refused(tmp_path: Path, name: str) -> None:
    """Nothing that was counted is believed unless all of it fits together."""
    saved, file = tiny_checkpoint(ngrams=9), tmp_path / "m"
    wrong = WRONG[name]
    name = {"key of nothing": "ngrams.key", "large powers": "ngrams.powers"}.get(
        name, f"ngrams.{name}"
    )
    for array, said in (
        (wrong(saved.weights[name]).astype(saved.weights[name].dtype), "contradict one another"),
        (saved.weights[name].astype(np.float64), "is not"),
    ):
        weights: dict[str, Any] = {**saved.weights, name: array}
        checkpoint.write(file, replace(saved, weights=weights))
        with pytest.raises(CheckpointError, match=said):
            checkpoint.read(file)


@pytest.mark.parametrize("version", ["4", "6", "7"])
def test_earlier_ngrams_are_not_read_any_more(tmp_path: Path, version: str) -> None:
    """A file of a version that an earlier chargen wrote is refused by its number."""
    file = tmp_path / "m"
    checkpoint.write(file, tiny_checkpoint())
    tensors, header = load_file(file), header_of(file)
    save_file(tensors, file, header | {"version": version})
    with pytest.raises(
        CheckpointError, match=f"format version '{version}', this chargen reads 1, 2"
    ):
        checkpoint.read(file)


SYMBOLIC = {"pairs": pair_checkpoint(layers=2), "tags": tag_checkpoint(), "mend": mend_checkpoint()}


@pytest.mark.parametrize("name", SYMBOLIC)
@pytest.mark.parametrize("compact", [False, True])
def test_symbols_are_kept(tmp_path: Path, name: str, compact: bool) -> None:
    """What a model knows beside characters comes back, in a file of version 3."""
    saved, file = SYMBOLIC[name], tmp_path / "m"
    checkpoint.write(file, saved, compact=compact)
    assert header_of(file)["version"] == "3"
    read = checkpoint.read(file)
    assert read.vocabulary == saved.vocabulary
    assert read.architecture == saved.architecture
    for key, array in saved.weights.items():
        np.testing.assert_allclose(read.weights[key], array, atol=0.02 if compact else 0)


@pytest.mark.parametrize(
    ("name", "vocabulary"),
    [
        ("pairs", {"symbols": {"targets": ["a", "b"], "features": ["F", "G"]}}),
        ("pairs", {"symbols": {"targets": ["a", "b", "b"], "features": ["F", "G"]}}),
        ("pairs", {"symbols": {"targets": ["a", "b", "x"], "features": "FG"}}),
        ("pairs", {"symbols": {"targets": ["a", "b", "x"], "columns": "from,to"}}),
        ("pairs", {"symbols": {"targets": ["a", "b", 3], "features": ["F", "G"]}}),
        ("pairs", {"symbols": ["a", "b", "x"]}),
        ("pairs", {"symbols": None}),
        ("tags", {"marking": {"marks": ["O", "B-X"]}}),
        ("tags", {"marking": {"marks": "OBIBI"}}),
        ("tags", {"marking": {"marks": ["O", "B-X", "I-X", "B-Y", "I-Y"], "longest": 0}}),
        ("mend", {"marking": {"marks": ["", "^", "=á"], "undo": 3}}),
        ("mend", {"marking": None}),
        ("mend", {"marking": {"marks": ["", "^", "=á"], "undo": ""}}),
        ("tags", {"marking": {"marks": ["O", "B-X", "I-X", "B-Y", "I-Z"]}}),
        ("tags", {"marking": {"marks": ["O", "B-X", "I-X", "B-Y", "I-Y"], "undo": "case"}}),
    ],
)
def test_symbols_that_lie_are_refused(
    tmp_path: Path, name: str, vocabulary: dict[str, Any]
) -> None:
    """Too few, equal ones, of another type, or none at all."""
    file = tmp_path / "m"
    checkpoint.write(file, SYMBOLIC[name])
    with pytest.raises(CheckpointError, match="describes no network"):
        checkpoint.read(altered(file, vocabulary=vocabulary))


@pytest.mark.parametrize("kind", ["causal", "gaps", "painter"])
def test_a_kind_that_is_none_is_refused(tmp_path: Path, kind: str) -> None:
    """A header can only name a kind that has symbols."""
    file = tmp_path / "m"
    checkpoint.write(file, SYMBOLIC["tags"])
    with pytest.raises(CheckpointError, match="describes no network"):
        checkpoint.read(altered(file, architecture={"kind": kind}))
