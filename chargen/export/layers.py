"""Layers as ONNX operators: recurrent ones as ONNX has them, a transformer's block from products.

The equations are those of `chargen.networks`. Values are (B, T, …), with sizes known at run time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from chargen.architecture import Architecture, below
from chargen.export.graph import Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Weights = Mapping[str, Floats]

OPERATORS = {"elman": "RNN", "gru": "GRU", "lstm": "LSTM"}
ORDERS = {"elman": (0,), "gru": (1, 0, 2), "lstm": (0, 3, 1, 2)}
"""Which of our gates comes at each place of ONNX's operators: z, r, h; and i, o, f, c."""

EPSILON, SLOWEST = 1e-5, 10_000.0
"""As in `chargen.engine.transformer`."""

LAST = (1 << 63) - 1
"""Stands for the end of an axis."""


def ordered(weight: Floats, arch: str) -> Floats:
    """Return a tensor with its gates in ONNX's order."""
    order = ORDERS[arch]
    blocks = np.split(weight, len(order))
    return np.concatenate([blocks[place] for place in order])


def stack(
    graph: Graph,
    architecture: Architecture,
    weights: Weights,
    name: str,
    x: str,
    *,
    carried: bool = False,
) -> str:
    """Add a stack of layers; return the last one's outputs (B, T, H) from x (B, T, E).

    Args:
        name: of the stack.
        carried: whether its states are inputs and outputs of the graph; else each text begins with
            the first place.
    """
    layer = block if architecture.family.attends else recurrent
    for number in range(architecture.layers):
        own = below(weights, f"{name}.{number}.")
        x = layer(graph, architecture, own, number if carried else None, x)
    return x


def recurrent(
    graph: Graph, architecture: Architecture, weights: Weights, number: int | None, x: str
) -> str:
    """Add a recurrent layer; return all h (B, T, H) from x (B, T, I).

    Args:
        number: with which its states are inputs and outputs; None for none.
    """
    arch, hidden = architecture.arch, architecture.hidden
    names = ["h", "c"][: architecture.family.states] if number is not None else []
    states = [graph.input(f"{name}{number}", np.float32, ("B", hidden)) for name in names]
    begun = [graph.add("Unsqueeze", state, graph.ints(0)) for state in states]
    parts = {
        name: ordered(weights[name], arch)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    bias = np.concatenate((parts["bias_ih"], parts["bias_hh"]))
    inner = architecture.family.inner
    more = {"linear_before_reset": inner} if inner else {}
    out, *after = graph.all(
        OPERATORS[arch],
        graph.add("Transpose", x, perm=[1, 0, 2]),
        graph.constant(parts["weight_ih"][None]),
        graph.constant(parts["weight_hh"][None]),
        graph.constant(bias[None]),
        "",
        *begun,
        outputs=1 + len(states),
        hidden_size=hidden,
        **more,
    )
    for name, value in zip(names, after, strict=True):
        last = graph.add("Squeeze", value, graph.ints(0))
        graph.output(f"{name}{number}_after", last, np.float32, ("B", hidden))
    return graph.add("Transpose", graph.add("Squeeze", out, graph.ints(1)), perm=[1, 0, 2])


def block(
    graph: Graph, architecture: Architecture, weights: Weights, number: int | None, x: str
) -> str:
    """Add a transformer's block; return the stream (B, T, H) after it.

    Args:
        number: with which its keys and values are inputs and outputs; None for none.
    """
    heads, wide, context = architecture.heads, architecture.hidden, architecture.context
    size = wide // heads
    shape = ("B", heads, "S", size)
    names = ["keys", "values"] if number is not None else []
    kept = [graph.input(f"{name}{number}", np.float32, shape) for name in names]
    qkv = product(
        graph, norm(graph, weights["before_attention.weight"], x), weights["attention.weight"]
    )
    apart = graph.add("Reshape", qkv, graph.ints(0, 0, 3, heads, size))
    query, key, value = (
        graph.add("Gather", graph.add("Transpose", apart, perm=[2, 0, 3, 1, 4]), at, axis=0)
        for at in (graph.constant(part, np.int64) for part in range(3))
    )
    if kept:
        key, value = (
            graph.add("Concat", before, new, axis=2)
            for before, new in zip(kept, (key, value), strict=True)
        )
    total = graph.add("Gather", graph.add("Shape", key), graph.constant(2, np.int64))
    time = graph.add("Gather", graph.add("Shape", query), graph.constant(2, np.int64))
    places = graph.add("Range", graph.constant(0, np.int64), total, graph.constant(1, np.int64))
    first = graph.add("Unsqueeze", graph.add("Sub", total, time), graph.ints(0))
    own = graph.add("Slice", places, first, graph.ints(LAST), graph.ints(0))
    away = graph.add("Sub", graph.add("Unsqueeze", own, graph.ints(1)), places)
    seen = graph.add(
        "And",
        graph.add("GreaterOrEqual", away, graph.constant(0, np.int64)),
        graph.add("Less", away, graph.constant(context, np.int64)),
    )
    fit = graph.add(
        "MatMul",
        turned(graph, query, own, size),
        graph.add("Transpose", turned(graph, key, places, size), perm=[0, 1, 3, 2]),
    )
    fit = graph.add("Mul", fit, graph.constant(size**-0.5))
    fit = graph.add("Where", seen, fit, graph.constant(-np.inf))
    mixed = graph.add("MatMul", graph.add("Softmax", fit, axis=-1), value)
    mixed = graph.add("Transpose", mixed, perm=[0, 2, 1, 3])
    mixed = graph.add("Reshape", mixed, graph.ints(0, 0, wide))
    x = graph.add("Add", x, product(graph, mixed, weights["mixed.weight"]))
    inner = product(graph, norm(graph, weights["before_inner.weight"], x), weights["inner.weight"])
    inner = graph.add("Relu", inner)
    inner = graph.add("Mul", inner, inner)
    for name, whole in zip(names, (key, value), strict=False):
        # With a context of one, nothing is kept.
        begins = graph.ints(1 - context if context > 1 else LAST)
        last = graph.add("Slice", whole, begins, graph.ints(LAST), graph.ints(2))
        graph.output(f"{name}{number}_after", last, np.float32, ("B", heads, "K", size))
    return graph.add("Add", x, product(graph, inner, weights["outer.weight"]))


def product(graph: Graph, x: str, weight: Floats) -> str:
    """Return x (…, I) times the transpose of a weight (O, I)."""
    return graph.add("MatMul", x, graph.constant(weight.T))


def norm(graph: Graph, weight: Floats, x: str) -> str:
    """Return x standardized, times a weight."""
    return graph.add("LayerNormalization", x, graph.constant(weight), axis=-1, epsilon=EPSILON)


def turned(graph: Graph, x: str, places: str, size: int) -> str:
    """Return x (B, heads, T, d) with its pairs turned by the angles of places (T,)."""
    half = size // 2
    rates = graph.constant(SLOWEST ** (-np.arange(half) * 2 / size))
    there = graph.add("Cast", graph.add("Unsqueeze", places, graph.ints(1)), to=1)
    angles = graph.add("Mul", there, rates)
    cos, sin = graph.add("Cos", angles), graph.add("Sin", angles)
    first, second = graph.all("Split", x, graph.ints(half, half), outputs=2, axis=-1)
    left = graph.add("Sub", graph.add("Mul", first, cos), graph.add("Mul", second, sin))
    right = graph.add("Add", graph.add("Mul", first, sin), graph.add("Mul", second, cos))
    return graph.add("Concat", left, right, axis=-1)
