"""A model as a file of ONNX, compared with chargen's own engine before it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chargen import files
from chargen.checkpoint import Checkpoint
from chargen.errors import CheckpointError, KindError, argument
from chargen.export.graph import OPSET, Graph
from chargen.kinds import load

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto

CLOSE = 1e-4
"""How far the figures may be from chargen's own."""


def write(saved: Checkpoint, name: str, path: Path) -> float:
    """Write a model as a file of ONNX, and compare it with chargen's own engine.

    Args:
        saved: a model of a kind that has a graph.
        name: what to call it.
        path: the file; it is written only if the comparison succeeds.

    Returns:
        How far the figures are apart, at most.

    Raises:
        KindError: there is no graph for its kind.
        CheckpointError: the figures are too far apart.
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
    """Return the graph of a model.

    Raises:
        KindError: see `write`.
    """
    kind, vocabulary = saved.architecture.kind, saved.vocabulary
    if kind.graph is None:
        raise KindError(
            f"{name} {kind.does}, and has no graph", f"Export it by {argument('to')} hf"
        )
    graph = Graph()
    load(kind.graph).build(graph, saved)
    about = {
        "name": name,
        "network": str(saved.architecture),
        "characters": json.dumps(vocabulary.characters),
        "as_bytes": json.dumps(vocabulary.as_bytes),
        "labels": json.dumps(saved.labels),
        "no_character": str(len(vocabulary)),
        "opset": str(OPSET),
    }
    if vocabulary.marking is not None:
        about["marks"] = json.dumps(vocabulary.marking.marks)
    return graph.model(about)


def difference(saved: Checkpoint, data: bytes) -> float:
    """Return how far figures of ONNX Runtime are from chargen's own, at most."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]

    def run(given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return dict(zip(names, session.run(None, given), strict=True))

    apart: float = load(saved.architecture.kind.graph).difference(saved, run)
    return apart
