"""A model that continues texts, as an ONNX graph.

One graph serves a step and a window: ``ids`` (B, T) and the states before them go in; ``logits``
(B, T, V) for the character after each, and the states after the last, come out. The states are
explicit: each input ``x`` has an output ``x_after``. Before a text, the id V is read ("no
character"), and all states are zero, but those of ``past``, which are V. A transformer's keys and
values are empty then: (B, heads, 0, d).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen import files
from chargen.checkpoint import Checkpoint
from chargen.engine.causal import Causal
from chargen.engine.stack import below
from chargen.errors import CheckpointError
from chargen.export.graph import OPSET, Graph
from chargen.export.layers import block, ngrams, norm, product, recurrent
from chargen.text.contexts import LONGEST

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto

CLOSE = 1e-4
"""How far the logits may be from chargen's own."""

CHECKED = 48
"""Characters that are read to compare them."""


def write(saved: Checkpoint, name: str, path: Path) -> float:
    """Write a model as a file of ONNX, and compare it with chargen's own engine.

    Args:
        saved: a model that continues texts.
        name: what to call it.
        path: the file; it is written only if the comparison succeeds.

    Returns:
        How far the logits are apart, at most.

    Raises:
        CheckpointError: they are too far apart.
    """
    made = model(saved, name)
    data = made.SerializeToString()
    apart = difference(saved, data)
    if not apart <= CLOSE:
        raise CheckpointError(
            f"the exported model differs from {name} by {apart:.2g} in a logit",
            "Please report it: this is a defect of chargen",
        )
    files.write_whole(path, data)
    return apart


def model(saved: Checkpoint, name: str) -> ModelProto:
    """Return the graph of a model that continues texts."""
    architecture, vocabulary, weights = saved.architecture, saved.vocabulary, saved.weights
    characters = len(vocabulary)
    graph = Graph()
    ids = graph.input("ids", np.int64, ("B", "T"))
    x = graph.add("Gather", graph.constant(weights["embedding.weight"]), ids)
    if architecture.labels:
        label = graph.input("label", np.int64, ("B", 1))
        x = graph.add("Add", x, graph.add("Gather", graph.constant(weights["label.weight"]), label))
    attends = architecture.family.attends
    for number in range(architecture.layers):
        layer = block if attends else recurrent
        x = layer(graph, architecture, below(weights, f"layers.{number}."), number, x)
    if attends:
        x = norm(graph, weights["norm.weight"], x)
    tied = architecture.tied
    output = weights["embedding.weight"][:-1] if tied else weights["output.weight"]
    logits = graph.add("Add", product(graph, x, output), graph.constant(weights["output.bias"]))
    if architecture.common:
        logits = _with_rare(graph, saved, x, logits)
    if architecture.ngrams:
        logits = graph.add("Add", logits, ngrams(graph, below(weights, "ngrams."), characters, ids))
    graph.output("logits", logits, np.float32, ("B", "T", characters))
    return graph.model(
        {
            "name": name,
            "network": str(architecture),
            "characters": json.dumps(vocabulary.characters),
            "as_bytes": json.dumps(vocabulary.as_bytes),
            "labels": json.dumps(saved.labels),
            "no_character": str(characters),
            "opset": str(OPSET),
        }
    )


def _with_rare(graph: Graph, saved: Checkpoint, x: str, logits: str) -> str:
    """Return all logits, with those of rare characters; see `chargen.networks.causal`."""
    weights, common = saved.weights, saved.architecture.common
    narrow = product(graph, x, weights["narrow.weight"])
    which = graph.add(
        "Add", product(graph, narrow, weights["rare.weight"]), graph.constant(weights["rare.bias"])
    )
    wide, together = graph.all("Split", logits, graph.ints(common, 1), outputs=2, axis=-1)
    rare = graph.add("Add", graph.add("LogSoftmax", which, axis=-1), together)
    return graph.add("Concat", wide, rare, axis=-1)


def start(saved: Checkpoint, batch: int = 1) -> dict[str, NDArray[Any]]:
    """Return the states of texts that have not begun, by the names of the graph's inputs."""
    architecture = saved.architecture
    names, shape = ["h", "c"][: architecture.family.states], [batch, architecture.hidden]
    if architecture.family.attends:
        names = ["keys", "values"]
        shape = [batch, architecture.heads, 0, architecture.hidden // architecture.heads]
    states: dict[str, NDArray[Any]] = {
        f"{name}{number}": np.zeros(shape, np.float32)
        for number in range(architecture.layers)
        for name in names
    }
    if architecture.ngrams:
        states["past"] = np.full((batch, LONGEST - 1), len(saved.vocabulary), np.int64)
    return states


def difference(saved: Checkpoint, data: bytes) -> float:
    """Return how far logits of ONNX Runtime are from chargen's own: by a window, and by steps."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    characters = len(saved.vocabulary)
    random = np.random.default_rng(1)
    ids = random.integers(characters, size=(2, CHECKED)).astype(np.int64)
    ids[:, 0] = characters
    label = {"label": np.zeros((2, 1), np.int64)} if saved.architecture.labels else {}
    engine = Causal(saved.architecture, saved.weights, 0 if label else None)
    expected, _ = engine.forward(ids.astype(np.int32), engine.start(2))
    names = [one.name for one in session.get_outputs()]
    apart = 0.0
    for cuts in ((CHECKED,), (1, 2, 3, CHECKED), tuple(range(1, CHECKED + 1))):
        states, at = start(saved, 2), 0
        for stop in cuts:
            found = dict(
                zip(
                    names,
                    session.run(None, {"ids": ids[:, at:stop], **states, **label}),
                    strict=True,
                )
            )
            apart = max(apart, float(np.abs(found["logits"] - expected[:, at:stop]).max()))
            states = {name: found[f"{name}_after"] for name in states}
            at = stop
    return apart
