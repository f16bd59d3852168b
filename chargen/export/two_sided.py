"""Models that see both sides of a place, as ONNX graphs.

Each reads whole texts: ``ids`` (B, T) and their ``lengths`` (B,). Ids behind a text's length do not
matter. The equations are those of `chargen.networks.bidirectional` and `chargen.networks.tagger`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chargen.checkpoint import Checkpoint
from chargen.engine.classifier import Classifier
from chargen.engine.gaps import GapFiller
from chargen.engine.tagger import Marker
from chargen.export.graph import Graph, Runner
from chargen.export.layers import LAST, norm, product, stack
from chargen.export.one_way import start

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Longs = NDArray[np.int64]

LENGTHS = (23, 9, 1)
"""Of the texts that are read to compare figures."""

PADDING = 1 << 20
"""Stands behind the texts: no id of a character."""


def _column(graph: Graph, ids: str, none: int) -> str:
    """Return "no character" for each row of ids: (B, 1)."""
    batch = graph.add("Slice", graph.add("Shape", ids), graph.ints(0), graph.ints(1))
    shape = graph.add("Concat", batch, graph.ints(1), axis=0)
    return graph.add("Expand", graph.constant(none, np.int64), shape)


def _reversed(graph: Graph, x: str, lengths: str) -> str:
    """Return rows (B, T, …) with the first places of each, as many as its length, turned round."""
    return graph.add("ReverseSequence", x, lengths, batch_axis=0, time_axis=1)


def _part(graph: Graph, x: str, first: int, last: int = LAST) -> str:
    """Return some places of rows (B, T, …)."""
    return graph.add("Slice", x, graph.ints(first), graph.ints(last), graph.ints(1))


def _there(graph: Graph, ids: str, lengths: str) -> str:
    """Return which places (B, T) belong to the texts."""
    time = graph.add("Gather", graph.add("Shape", ids), graph.constant(1, np.int64))
    places = graph.add("Range", graph.constant(0, np.int64), time, graph.constant(1, np.int64))
    return graph.add("Less", places, graph.add("Unsqueeze", lengths, graph.ints(1)))


def _masked(graph: Graph, ids: str, lengths: str, none: int) -> str:
    """Return ids (B, T) with "no character" behind each text, whatever stood there."""
    return graph.add("Where", _there(graph, ids, lengths), ids, graph.constant(none, np.int64))


def _read(graph: Graph, saved: Checkpoint, name: str, ids: str) -> str:
    """Return the outputs (B, T, H) of a stack that begins with the first of ids (B, T)."""
    x = graph.add("Gather", graph.constant(saved.weights["embedding.weight"]), ids)
    return stack(graph, saved.architecture, saved.weights, name, x)


def _joined(graph: Graph, saved: Checkpoint, left: str, right: str, *more: str) -> str:
    """Return tanh(W_left h + W_right g), and what else is added in it."""
    both = graph.add(
        "Add",
        product(graph, left, saved.weights["left.weight"]),
        product(graph, right, saved.weights["right.weight"]),
    )
    for one in more:
        both = graph.add("Add", both, one)
    return graph.add("Tanh", both)


def _told(graph: Graph, saved: Checkpoint, x: str, name: str = "output") -> str:
    """Return an output layer's numbers."""
    weight, bias = (saved.weights[f"{name}.{part}"] for part in ("weight", "bias"))
    return graph.add("Add", product(graph, x, weight), graph.constant(bias))


def _random(saved: Checkpoint) -> Longs:
    """Return ids to compare figures by, as many for each text as the longest has."""
    random = np.random.default_rng(1)
    size = (len(LENGTHS), max(LENGTHS))
    return random.integers(len(saved.vocabulary), size=size).astype(np.int64)


def _texts(saved: Checkpoint) -> tuple[Longs, Longs]:
    """Return texts to compare figures by, and their lengths."""
    ids, lengths = _random(saved), np.array(LENGTHS, np.int64)
    ids[np.arange(max(LENGTHS)) >= lengths[:, None]] = PADDING
    return ids, lengths


class Gaps:
    """A model that fills gaps.

    The left stack's states are explicit, as those of a model that continues texts: a gap is filled
    character by character. ``after`` (B, S) is the text on its right, ``remaining`` (B, 1) how many
    characters are missing, 0 if that is unknown.
    """

    @staticmethod
    def build(graph: Graph, saved: Checkpoint) -> None:
        """Add inputs, nodes and outputs."""
        weights, characters = saved.weights, len(saved.vocabulary)
        ids = graph.input("ids", np.int64, ("B", "T"))
        x = graph.add("Gather", graph.constant(weights["embedding.weight"]), ids)
        left = stack(graph, saved.architecture, weights, "layers", x, carried=True)
        after = graph.input("after", np.int64, ("B", "S"))
        turned = graph.add(
            "Slice", after, graph.ints(-1), graph.ints(-LAST), graph.ints(1), graph.ints(-1)
        )
        whole = graph.add("Concat", _column(graph, after, characters), turned, axis=1)
        right = _read(graph, saved, "backward", whole)
        remaining = graph.input("remaining", np.int64, ("B", 1))
        missing = graph.add("Gather", graph.constant(weights["remaining.weight"]), remaining)
        both = _joined(graph, saved, left, _part(graph, right, -1), missing)
        logs = graph.add("LogSoftmax", _told(graph, saved, both), axis=-1)
        graph.output("gap", logs, np.float32, ("B", "T", characters + 1))
        for name, side, time in (("following", left, "T"), ("preceding", right, "S+1")):
            logits = _told(graph, saved, side, name)
            graph.output(name, logits, np.float32, ("B", time, characters))

    @staticmethod
    def difference(saved: Checkpoint, run: Runner) -> float:
        """Return how far its figures are from the engine's."""
        engine = GapFiller(saved.architecture, saved.weights)
        ids = _random(saved)
        ids[:, 0] = len(saved.vocabulary)
        apart = 0.0
        for after in (ids[:, 1:], ids[:, :0]):
            for missing in (0, 3):
                remaining = np.full((len(ids), 1), missing, np.int64)
                given = {"ids": ids, "after": after, "remaining": remaining}
                found = run(given | start(saved, len(ids)))
                read, _ = engine.left.forward(ids.astype(np.int32), engine.left.start(len(ids)))
                seen = np.concatenate([engine.look(one.astype(np.int32)) for one in after])
                expected = [
                    engine.predict(read[:, at], seen, missing) for at in range(read.shape[1])
                ]
                apart = max(apart, float(np.abs(found["gap"] - np.stack(expected, 1)).max()))
                backwards = np.concatenate((ids[:, :1], after[:, ::-1]), 1).astype(np.int32)
                for name, side, these in (
                    ("following", engine.following, ids.astype(np.int32)),
                    ("preceding", engine.preceding, backwards),
                ):
                    logits, _ = side.forward(these, side.start(len(these)))
                    apart = max(apart, float(np.abs(found[name] - logits).max()))
        return apart


class Labels:
    """A model that tells labels."""

    @staticmethod
    def build(graph: Graph, saved: Checkpoint) -> None:
        """Add inputs, nodes and outputs."""
        ids = graph.input("ids", np.int64, ("B", "T"))
        lengths = graph.input("lengths", np.int64, ("B",))
        column = _column(graph, ids, len(saved.vocabulary))
        ids = _masked(graph, ids, lengths, len(saved.vocabulary))
        begun = graph.add("Concat", column, _part(graph, ids, 0, -1), axis=1)
        turned = graph.add("Concat", column, _reversed(graph, ids, lengths), axis=1)
        left = _read(graph, saved, "layers", begun)
        right = _part(graph, _read(graph, saved, "backward", turned), 1)
        both = _joined(graph, saved, left, _reversed(graph, right, lengths))
        logs = graph.add("LogSoftmax", _told(graph, saved, both), axis=-1)
        labels = saved.architecture.labels
        graph.output("places", logs, np.float32, ("B", "T", labels))
        there = graph.add("Unsqueeze", _there(graph, ids, lengths), graph.ints(2))
        total = graph.add(
            "ReduceSum", graph.add("Where", there, logs, graph.constant(0.0)), graph.ints(1),
            keepdims=0,
        )  # fmt: skip
        count = graph.add("Cast", graph.add("Unsqueeze", lengths, graph.ints(1)), to=1)
        mean = graph.add("Div", total, count)
        graph.output("labels", mean, np.float32, ("B", labels))

    @staticmethod
    def difference(saved: Checkpoint, run: Runner) -> float:
        """Return how far its figures are from the engine's."""
        ids, lengths = _texts(saved)
        found = run({"ids": ids, "lengths": lengths})
        texts = [row[:size].astype(np.int32) for row, size in zip(ids, lengths, strict=True)]
        expected = Classifier(saved.architecture, saved.weights).forward(texts)
        apart = 0.0
        for row, (told, size) in enumerate(zip(expected, lengths, strict=True)):
            mean = told.mean(axis=0)
            apart = max(
                apart,
                float(np.abs(found["places"][row, :size] - told).max()),
                float(np.abs(found["labels"][row] - mean).max()),
            )
        return apart


class Marks:
    """A model that marks each character: spans, or what mends a text."""

    @staticmethod
    def build(graph: Graph, saved: Checkpoint) -> None:
        """Add inputs, nodes and outputs."""
        architecture, weights, none = saved.architecture, saved.weights, len(saved.vocabulary)
        ids = graph.input("ids", np.int64, ("B", "T"))
        lengths = graph.input("lengths", np.int64, ("B",))
        column = _column(graph, ids, none)
        # "No character" stands at both ends of each text.
        own = _masked(graph, ids, lengths, none)
        whole = graph.add("Concat", column, own, column, axis=1)
        longer = graph.add("Add", lengths, graph.constant(2, np.int64))
        left = _read(graph, saved, "layers", whole)
        right = _read(graph, saved, "backward", _reversed(graph, whole, longer))
        if architecture.family.attends:
            ones = np.ones(architecture.hidden, np.float32)
            left, right = (norm(graph, ones, side) for side in (left, right))
        both = _joined(graph, saved, left, _reversed(graph, right, longer))
        scores = _part(graph, _told(graph, saved, both), 1, -1)
        graph.output("scores", scores, np.float32, ("B", "T", architecture.targets))
        if "transition.weight" in weights:
            chain = weights["transition.weight"]
            graph.output("transition", graph.constant(chain), np.float32, chain.shape)

    @staticmethod
    def difference(saved: Checkpoint, run: Runner) -> float:
        """Return how far its figures are from the engine's."""
        ids, lengths = _texts(saved)
        found, none = run({"ids": ids, "lengths": lengths}), len(saved.vocabulary)
        texts = [
            np.concatenate(([none], row[:size], [none])).astype(np.int32)
            for row, size in zip(ids, lengths, strict=True)
        ]
        expected = Marker(saved.architecture, saved.weights).scores(texts)
        return max(
            float(np.abs(found["scores"][row, : len(told)] - told).max())
            for row, told in enumerate(expected)
        )
