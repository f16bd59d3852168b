"""A network of `torch.nn` (RNN, GRU or LSTM) as a model of chargen.

The tensors of `torch.nn` mean the same here and there, so that only names change. What is needed
is one recurrent stack that reads forward, an embedding (or none, for characters as one-hot
vectors), and one linear output:

    any.weight_ih_l0, any.weight_hh_l0, any.bias_ih_l0, any.bias_hh_l0, and so on for each layer
    any.weight (V, E)   the embedding
    any.weight (V, H)   the output, with its bias (V,)

A text begins here with a step that reads "no character", a vector of zeros.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open

from chargen.architecture import FAMILIES, Architecture
from chargen.checkpoint import Checkpoint
from chargen.errors import CheckpointError, CorpusError
from chargen.files import reason
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

LAYER = re.compile(r"(?P<stack>.*?)(?P<kind>weight_ih|weight_hh|bias_ih|bias_hh)_l(?P<number>\d+)")
BY_GATES = {family.gates: name for name, family in FAMILIES.items() if family.gates}
EMBEDDING = re.compile(r"emb|encoder|wte", re.IGNORECASE)
"""How embeddings are called, where sizes do not tell them from outputs."""

ESCAPE = 1e-4
"""The probability of a character that is none of the vocabulary: nobody has counted."""


def read(path: Path, characters: Path) -> Checkpoint:
    """Return the network in a safetensors file as a model.

    Args:
        path: the file.
        characters: a file of JSON: the characters in the order of their ids, as a text or a list;
            or an object from characters to ids.

    Raises:
        CorpusError: the characters cannot be read, or one is there twice.
        CheckpointError: the network cannot be read, or is of another kind.
    """
    vocabulary = _vocabulary(characters)
    left = _tensors(path)
    layers: dict[int, dict[str, Floats]] = {}
    stacks = set()
    for name in list(left):
        found = LAYER.fullmatch(name)
        if found is not None:
            layers.setdefault(int(found["number"]), {})[found["kind"]] = left.pop(name)
            stacks.add(found["stack"])
    if len(stacks) != 1 or sorted(layers) != list(range(len(layers))):
        raise _other(path, "it has not one stack of recurrent layers that read forward")
    recurrent, hidden = layers[0].get("weight_hh"), 0
    if recurrent is not None and recurrent.ndim == 2:
        hidden = recurrent.shape[1]
    gates, rest = divmod(len(recurrent), hidden) if recurrent is not None and hidden else (0, 1)
    if rest or gates not in BY_GATES:
        raise _other(path, "its recurrent layers are none of RNN, GRU and LSTM")
    embedding, output, bias = _ends(path, left, len(vocabulary), hidden)
    tied = output is None
    wide = embedding.shape[1]
    architecture = Architecture(BY_GATES[gates], len(layers), hidden, wide, tied=tied)
    nothing = np.zeros((1, wide), np.float32)
    weights = {"embedding.weight": np.concatenate((embedding, nothing)), "output.bias": bias}
    if output is not None:
        weights["output.weight"] = output
    for number, layer in layers.items():
        for name in ("bias_ih", "bias_hh"):
            layer.setdefault(name, np.zeros(gates * hidden, np.float32))
        weights |= {f"layers.{number}.{name}": value for name, value in layer.items()}
    for name, shape in architecture.shapes(len(vocabulary)).items():
        if name not in weights or weights[name].shape != shape:
            raise _other(path, f"{name} should have the shape {shape}")
    return Checkpoint(architecture, vocabulary, weights, corpus={"names": [path.name]})


def _ends(
    path: Path, left: dict[str, Floats], characters: int, hidden: int
) -> tuple[Floats, Floats | None, Floats]:
    """Return embedding (V, E), output (V, H) and its bias (V,) among the tensors that are left.

    The output is None if it is the embedding. Without an embedding, characters are one-hot vectors.
    """
    matrices = {name: one for name, one in left.items() if one.ndim == 2}
    vectors = [one for one in left.values() if one.shape == (characters,)]
    if len(matrices) + len(vectors) < len(left) or len(vectors) > 1:
        names = ", ".join(sorted(left))
        raise _other(path, f"it has other layers beside the recurrent ones: {names}")
    bias = vectors[0] if vectors else np.zeros(characters, np.float32)
    outputs = [name for name, one in matrices.items() if one.shape == (characters, hidden)]
    if len(outputs) == 2:
        # Both are as wide as a layer: the name has to tell.
        outputs = [name for name in outputs if not EMBEDDING.search(name)]
    if len(outputs) != 1 or len(matrices) > 2:
        raise _other(path, f"no one tensor is an output of {characters} × {hidden}")
    output = matrices.pop(outputs[0])
    if matrices:
        (embedding,) = matrices.values()
        return embedding, output, bias
    if EMBEDDING.search(outputs[0]):
        return output, None, bias
    return np.eye(characters, dtype=np.float32), output, bias


def _tensors(path: Path) -> dict[str, Floats]:
    try:
        with safe_open(path, framework="np") as file:
            return {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {reason(error)}", "Check the path"
        ) from error
    except (SafetensorError, TypeError) as error:
        raise CheckpointError(
            f"{path} is no safetensors file that can be read",
            "Save the state dict by safetensors.torch.save_file, in float32",
        ) from error


def _vocabulary(path: Path) -> Vocabulary:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(told, dict):
            told = sorted(told, key=told.__getitem__)
        if not _single(told):
            raise TypeError(type(told))
        return Vocabulary("".join(told), escape=ESCAPE)
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {reason(error)}", "Check the path") from error
    except (ValueError, TypeError) as error:
        raise CorpusError(
            f"{path} has no characters, each once, in the order of their ids",
            "Write them as JSON: a text, a list, or an object from characters to ids",
        ) from error


def _single(told: object) -> bool:
    """Return whether something is a text, or a list of single characters."""
    return isinstance(told, str) or (
        isinstance(told, list) and all(isinstance(one, str) and len(one) == 1 for one in told)
    )


def _other(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"{path} cannot be imported: {why}", "See `chargen import --help` for what is needed"
    )
