"""A model that continues texts, as an ONNX graph.

One graph serves a step and a window: ``ids`` (B, T) and the states before them go in; ``logits``
(B, T, V) for the character after each, and the states after the last, come out. The states are
explicit: each input ``x`` has an output ``x_after``. Before a text, the id V is read ("no
character"), and all states are zero, but those of ``past``, which are V. A transformer's keys and
values are empty then: (B, heads, 0, d).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.architecture import NGRAMS, below
from chargen.checkpoint import Checkpoint
from chargen.engine.causal import Causal
from chargen.export.counted import mixed
from chargen.export.graph import Graph, Runner
from chargen.export.layers import norm, product, stack
from chargen.text.contexts import LONGEST
from chargen.text.ngrams import Ngrams

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHECKED = 48
"""Characters that are read to compare logits."""


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


class OneWay:
    """A model that continues texts."""

    @staticmethod
    def build(graph: Graph, saved: Checkpoint) -> None:
        """Add inputs, nodes and outputs."""
        architecture, weights = saved.architecture, saved.weights
        characters = len(saved.vocabulary)
        ids = graph.input("ids", np.int64, ("B", "T"))
        x = graph.add("Gather", graph.constant(weights["embedding.weight"]), ids)
        if architecture.labels:
            label = graph.input("label", np.int64, ("B", 1))
            x = graph.add(
                "Add", x, graph.add("Gather", graph.constant(weights["label.weight"]), label)
            )
        x = stack(graph, architecture, weights, "layers", x, carried=True)
        if architecture.family.attends:
            x = norm(graph, weights["norm.weight"], x)
        tied = architecture.tied
        output = weights["embedding.weight"][:-1] if tied else weights["output.weight"]
        logits = graph.add("Add", product(graph, x, output), graph.constant(weights["output.bias"]))
        if architecture.common:
            logits = _with_rare(graph, saved, x, logits)
        if architecture.ngrams:
            logits = mixed(graph, Ngrams(below(weights, NGRAMS), characters), logits, ids)
        graph.output("logits", logits, np.float32, ("B", "T", characters))

    @staticmethod
    def difference(saved: Checkpoint, run: Runner) -> float:
        """Return how far the logits are from the engine's: by a window, and by steps."""
        characters = len(saved.vocabulary)
        random = np.random.default_rng(1)
        ids = random.integers(characters, size=(2, CHECKED)).astype(np.int64)
        ids[:, 0] = characters
        label = {"label": np.zeros((2, 1), np.int64)} if saved.architecture.labels else {}
        engine = Causal(saved.architecture, saved.weights, 0 if label else None)
        expected, _ = engine.forward(ids.astype(np.int32), engine.start(2))
        apart = 0.0
        for cuts in ((CHECKED,), (1, 2, 3, CHECKED), tuple(range(1, CHECKED + 1))):
            states, at = start(saved, 2), 0
            for stop in cuts:
                found = run({"ids": ids[:, at:stop], **states, **label})
                apart = max(apart, float(np.abs(found["logits"] - expected[:, at:stop]).max()))
                states = {name: found[f"{name}_after"] for name in states}
                at = stop
        return apart
