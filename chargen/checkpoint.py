"""The model file: one safetensors file, weights as tensors, everything else as JSON in its header.

This is the only place that knows the format. The header's metadata has three strings: ``format``
("chargen"), ``version`` and ``chargen``, a JSON object with

- ``architecture``, ``vocabulary``, ``labels``: what the weights mean;
- ``settings``, ``corpus``, ``figures``, ``history``: how the model came to be and how good it is;
- ``training``: only in a file that training can go on from; its tensors are those whose names begin
  with ``training.``.

A model that was trained on examples has a tensor more, ``fingerprints``: which examples these were.

A model of pairs, or one that marks texts, has version 3; its ``vocabulary`` has also ``symbols``:
what its targets and features are made of, or its marks.

A model with narrow outputs for rare characters has version 5, and ``common`` in its architecture.

A model with counted n-grams has version 8, and whole numbers in its tensors ``ngrams.…`` (see
`chargen.text.ngrams`). Versions 4 and 6 were of n-grams whose weights were learned, version 7 of
counts that were mixed with the network in another way; they are not read any more.

A compact file has version 2, or 3, 5 or 8 where it is such a model: each matrix of weights is int8,
and a float32 tensor, ``NAME.scale``, has the factor of each of its rows; see `chargen.compact`. It
is read into float32.

Reading never runs code from the file: there is no pickle. Writing fills a temporary file in the
same folder, flushes it to the disk and renames it. So a kill at any moment leaves the old file or
the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from chargen.architecture import NGRAMS, Architecture, below
from chargen.compact import SCALE, quantized
from chargen.errors import ChargenError, CheckpointError
from chargen.files import reason, write_whole
from chargen.records import Characters, Sizes, marking, suits, symbols, typed
from chargen.text.examples import ENDS, items_of
from chargen.text.ngrams import TYPES, sound
from chargen.text.pair_form import CHARACTERS, SPACE
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

FORMAT = "chargen"
VERSION, COMPACT, SYMBOLIC, NARROW, COUNTED = VERSIONS = 1, 2, 3, 5, 8
"""The version of a usual file, of a compact one, of one with symbols beside characters, of one with
narrow outputs, and of one with counted n-grams."""

TRAINING = "training."
SEEN = "fingerprints"
MOST_SEEN = 1 << 20
"""The tensor of fingerprints, and how many it has at most: eight megabytes."""

STORED = {"backward.": "mirror.", "remaining.": "togo."}
"""The beginnings of tensor names: in this program (keys), and in files of format 1 (values)."""

LARGEST_WEIGHT = 2.0**20
"""A larger weight is refused. With weights up to this, all sums stay in float32's range."""

LARGEST_NUMBER = 1 << 64
"""Whole numbers in a header must be smaller: Python's have no limit, but a float's range has."""


@dataclass(frozen=True)
class Checkpoint:
    """A model, and what is known of it.

    Attributes:
        weights: float32 arrays named by ``architecture.shapes``.
        settings: the resolved settings of the training.
        corpus: ``names``, ``sha256``, ``characters`` and ``bytes`` of the text; never the text.
        figures: the held-out score, ``step``, ``seconds`` and so on.
        history: one record an evaluation, oldest first.
        labels: names of the kinds of text that it tells apart, in the order of their ids.
        training: the JSON half of what resuming needs; empty in a file only to be used.
        tensors: the other half: optimizer, random states, recurrent state.
        seen: (N,) fingerprints of the examples that it was trained on, sorted (see
            `chargen.text.examples`); None for a model of running text, or an early one. Of more
            than a million, only the lowest are kept.
    """

    architecture: Architecture
    vocabulary: Vocabulary
    weights: Mapping[str, NDArray[np.float32]]
    settings: dict[str, Any] = field(default_factory=dict)
    corpus: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    training: dict[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Array] = field(default_factory=dict)
    seen: NDArray[np.uint64] | None = None

    @property
    def parameters(self) -> int:
        """The number of parameters: all elements of all weights."""
        return self.architecture.parameters(len(self.vocabulary))

    @property
    def end(self) -> str | None:
        """The character that ends each of the model's texts, if it was trained on such."""
        return ENDS.get(self.items)

    @property
    def items(self) -> str:
        """What its texts are, lines or documents; nothing for a model of running text."""
        return items_of(*(self.settings.get(name) is True for name in ENDS))

    @property
    def corpus_names(self) -> list[str]:
        """The names of the texts it was trained on, as far as the header tells."""
        names = self.corpus.get("names")
        return [str(name) for name in names] if isinstance(names, list) else []


def write(path: Path, checkpoint: Checkpoint, *, compact: bool = False) -> None:
    """Write a checkpoint so that ``path`` holds the old file or the new one at every instant.

    Args:
        compact: store matrices of weights as int8; training cannot go on from such a file exactly.

    Raises:
        CheckpointError: the file cannot be written.
    """
    vocabulary = checkpoint.vocabulary
    header = {
        "architecture": checkpoint.architecture.json(),
        "vocabulary": {
            "characters": vocabulary.characters,
            "escape": vocabulary.escape,
            "as_bytes": vocabulary.as_bytes,
        }
        | described(vocabulary),
        "settings": checkpoint.settings,
        "corpus": checkpoint.corpus,
        "figures": checkpoint.figures,
        "history": checkpoint.history,
        "labels": checkpoint.labels,
    }
    arrays: dict[str, Array] = dict(checkpoint.weights)
    if compact:
        arrays |= quantized(
            {name: one for name, one in arrays.items() if not name.startswith(NGRAMS)}
        )
    if checkpoint.seen is not None:
        arrays[SEEN] = checkpoint.seen[:MOST_SEEN]
    if checkpoint.training:
        header["training"] = checkpoint.training
        arrays |= {TRAINING + name: array for name, array in checkpoint.tensors.items()}
    tensors = {stored(name): np.asarray(array, order="C") for name, array in arrays.items()}
    usual = SYMBOLIC if checkpoint.architecture.kind.symbols else VERSION
    usual = NARROW if checkpoint.architecture.common else usual
    usual = COUNTED if checkpoint.architecture.ngrams else usual
    metadata = {
        "format": FORMAT,
        "version": str(max(usual, COMPACT) if compact else usual),
        "chargen": json.dumps(header, sort_keys=True),
    }
    write_whole(path, in_order(save(tensors, metadata)))


def described(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return what a header says of what a model knows beside characters."""
    symbols, marking = vocabulary.symbols, vocabulary.marking
    if marking is not None:
        return {"marking": vars(marking)}
    if symbols is None:
        return {}
    form = symbols.form
    return {
        "symbols": {
            "targets": symbols.targets,
            "features": symbols.features,
            "columns": ",".join(form.columns),
            "target_symbols": SPACE if form.spaced else CHARACTERS,
            "longest": form.longest,
        }
    }


def in_order(data: bytes) -> bytes:
    """Return a safetensors file with the keys of its header in order.

    The library writes them in another order each time, so that equal models were unequal files.
    """
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    # The tensors must begin at a multiple of eight; the format allows spaces before.
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def stored(name: str) -> str:
    """Return what a tensor is called in a file of format 1.

    Example:
        >>> stored("backward.0.bias_hh"), stored("training.optimizer.remaining.weight.exp_avg")
        ('mirror.0.bias_hh', 'training.optimizer.togo.weight.exp_avg')
    """
    return _renamed(name, STORED.items())


def _loaded(name: str) -> str:
    return _renamed(name, ((there, here) for here, there in STORED.items()))


def _renamed(name: str, names: Iterable[tuple[str, str]]) -> str:
    optimizer = TRAINING + "optimizer."
    start = optimizer if name.startswith(optimizer) else ""
    rest = name.removeprefix(start)
    for old, new in names:
        if rest.startswith(old):
            return start + new + rest.removeprefix(old)
    return name


def read(path: Path, *, weights: bool = True, resume: bool = False) -> Checkpoint:
    """Read a checkpoint; check everything that it says before using it.

    Args:
        weights: whether to read the weights, and not only the header.
        resume: whether to read also the tensors that only training needs.

    Raises:
        CheckpointError: no such file, or not a sound checkpoint of this format and version.
    """
    if not os.path.isfile(path):
        raise CheckpointError(f"{path} is not a model file", "`chargen runs` lists the models here")
    try:
        with safe_open(path, framework="np") as file:
            header = _header(path, file.metadata() or {})
            architecture, vocabulary = _model(path, header)
            present = set(file.keys())
            arrays = {}
            for name, shape in architecture.shapes(len(vocabulary)).items():
                there = stored(name)
                if there not in present:
                    raise damaged(path, f"the tensor {there} is missing")
                if tuple(file.get_slice(there).get_shape()) != shape:
                    raise damaged(path, f"the tensor {there} has not the shape {shape}")
                if weights:
                    tensor = file.get_tensor(there)
                    if tensor.dtype == np.int8 and there + SCALE in present:
                        scale = file.get_tensor(there + SCALE)
                        if scale.dtype != np.float32 or scale.shape != shape[:1]:
                            raise damaged(path, f"the tensor {there}{SCALE} has no factor a row")
                        tensor = tensor * _finite(path, there + SCALE, scale)[:, None]
                    checked = _typed if name.startswith(NGRAMS) else _finite
                    arrays[name] = checked(path, there, tensor)
            counted = below(arrays, NGRAMS)
            if counted and not sound(counted, len(vocabulary)):
                raise damaged(path, "the tensors of its n-grams contradict one another")
            seen = file.get_tensor(SEEN) if SEEN in present else None
            if seen is not None and (seen.dtype != np.uint64 or seen.ndim != 1):
                raise damaged(path, f"the tensor {SEEN} has no fingerprints")
            tensors = {}
            if resume:
                tensors = {
                    _loaded(name).removeprefix(TRAINING): file.get_tensor(name)
                    for name in sorted(present)
                    if name.startswith(TRAINING)
                }
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {reason(error)}", "Check permissions"
        ) from error
    except SafetensorError as error:
        raise damaged(path, "it is no whole safetensors file") from error
    return Checkpoint(
        architecture,
        vocabulary,
        arrays,
        settings=_object(path, header, "settings"),
        corpus=_object(path, header, "corpus"),
        figures=_object(path, header, "figures"),
        history=_records(path, header, "history"),
        labels=_labels(path, header, architecture),
        training=_object(path, header, "training"),
        tensors=tensors,
        seen=seen,
    )


def damaged(path: Path, why: str) -> CheckpointError:
    """Say that a file cannot be trusted, and why."""
    return CheckpointError(
        f"{path} is damaged or not a chargen model: {why}", "Copy it again or train anew"
    )


def _header(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if metadata.get("format") != FORMAT:
        raise damaged(path, "its header does not say that it is chargen's")
    version = metadata.get("version", "")
    if version not in map(str, VERSIONS):
        raise CheckpointError(
            f"{path} has format version {version[:20]!r}, this chargen reads "
            f"{', '.join(map(str, VERSIONS))}",
            "Install the chargen that wrote it",
        )
    try:
        header = json.loads(metadata.get("chargen", ""), parse_int=_whole)
        # An escape in JSON can stand for half a character (a lone surrogate): it cannot be printed.
        json.dumps(header, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise damaged(path, "its header is not JSON") from None
    if not isinstance(header, dict):
        raise damaged(path, "its header is not a JSON object")
    return header


def _whole(digits: str) -> int:
    number = int(digits)
    if not -LARGEST_NUMBER < number < LARGEST_NUMBER:
        raise ValueError("a number that is too large")
    return number


def _model(path: Path, header: dict[str, Any]) -> tuple[Architecture, Vocabulary]:
    sizes, words = _object(path, header, "architecture"), _object(path, header, "vocabulary")
    try:
        architecture = typed(Sizes, sizes).architecture()
        told = {name: words.pop(name, None) for name in ("symbols", "marking")}
        vocabulary = typed(Characters, words).vocabulary()
        if told["symbols"] is not None:
            vocabulary = replace(vocabulary, symbols=symbols(told["symbols"]))
        if told["marking"] is not None:
            vocabulary = replace(vocabulary, marking=marking(told["marking"]))
        if number_of(vocabulary) != (architecture.targets, architecture.features):
            raise ValueError("symbols of another network")
        if not suits(architecture.kind, vocabulary):
            raise ValueError("marks of another network")
    except (ChargenError, AttributeError, TypeError, ValueError) as error:
        raise damaged(path, "its header describes no network") from error
    if not (vocabulary.as_bytes or vocabulary.escape > 0):
        raise damaged(path, "its header leaves no chance to a new character")
    return architecture, vocabulary


def number_of(vocabulary: Vocabulary) -> tuple[int, int]:
    """Return how many targets, or marks, and how many features a model knows."""
    symbols, marking = vocabulary.symbols, vocabulary.marking
    if marking is not None:
        return len(marking.marks), 0
    return (0, 0) if symbols is None else (len(symbols.targets), len(symbols.features))


def _labels(path: Path, header: dict[str, Any], architecture: Architecture) -> tuple[str, ...]:
    names = header.get("labels", [])
    sound = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not sound or len(set(names)) != len(names) or len(names) != architecture.labels:
        raise damaged(path, f"its header does not name {architecture.labels} labels")
    return tuple(names)


def _object(path: Path, header: dict[str, Any], name: str) -> dict[str, Any]:
    value = header.get(name, {})
    if not isinstance(value, dict):
        raise damaged(path, f"{name} in its header is not a JSON object")
    return value


def _records(path: Path, header: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = header.get(name, [])
    if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
        raise damaged(path, f"{name} in its header is not a list of JSON objects")
    return value


def _typed(path: Path, name: str, array: Array) -> Array:
    wanted = np.dtype(TYPES[name.removeprefix(NGRAMS)])
    if array.dtype != wanted:
        raise damaged(path, f"the tensor {name} is not {wanted}")
    return array


def _finite(path: Path, name: str, array: Array) -> NDArray[np.float32]:
    if array.dtype != np.float32:
        raise damaged(path, f"the tensor {name} is not float32")
    # Every comparison with NaN is false, so in this form NaN is refused, too.
    if not (array.min(initial=0) >= -LARGEST_WEIGHT and array.max(initial=0) <= LARGEST_WEIGHT):
        raise damaged(path, f"the tensor {name} has values that no training gives")
    return array
