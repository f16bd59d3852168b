"""What was counted, as ONNX operators: see `chargen.text.ngrams`."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from chargen.export.graph import Graph
from chargen.text.contexts import FACTOR, LONGEST, WORD
from chargen.text.ngrams import LEAST, Ngrams

LAST = (1 << 63) - 1
"""Stands for the end of an axis, and for a key after all others."""


def mixed(graph: Graph, ngrams: Ngrams, logits: str, ids: str) -> str:
    """Return logits of network and counts together, given the network's (B, T, V).

    The characters before ``ids`` (B, T) become an input, and those after them an output.
    """
    past = graph.input("past", np.int64, ("B", LONGEST - 1))
    whole = graph.add("Concat", past, ids, axis=1)
    rows = _rows(graph, ngrams, whole)
    told = graph.add("Max", _told(graph, ngrams, rows, logits), graph.constant(LEAST))
    # Rows are in the order of the lengths, and the first is always known.
    known = graph.add("Less", rows, graph.constant(len(ngrams.keys), np.int64))
    zero = graph.constant(0, np.int64)
    longest = graph.add("ReduceMax", graph.add("Where", known, rows, zero), axes=[-1], keepdims=1)
    case = _at(graph, graph.constant(ngrams.cases, np.uint8), longest)
    own, theirs = (
        graph.add("Mul", graph.add("Gather", graph.constant(powers), case), part)
        for powers, part in zip(ngrams.powers.T, (logits, graph.add("Log", told)), strict=True)
    )
    last = graph.add("Slice", whole, graph.ints(1 - LONGEST), graph.ints(LAST), graph.ints(1))
    graph.output("past_after", last, np.int64, ("B", LONGEST - 1))
    return graph.add("Add", own, theirs)


def _rows(graph: Graph, ngrams: Ngrams, whole: str) -> str:
    """Return the rows of the contexts (B, T, `LONGEST` + 1), given the ids from the past on."""
    one, two = graph.constant(1, np.int64), graph.constant(2, np.int64)
    none = graph.add("Equal", whole, graph.constant(ngrams.bos, np.int64))
    codes = graph.add("Where", none, one, graph.add("Add", whole, two))
    factor, modulus = (graph.constant(value, np.int64) for value in (FACTOR, 1 << WORD))
    hashed = graph.constant(0, np.int64)
    found: list[str] = []
    for length in range(1, LONGEST + 1):
        begin, stop = LONGEST - length, 1 - length or LAST
        code = graph.add("Slice", codes, graph.ints(begin), graph.ints(stop), graph.ints(1))
        hashed = graph.add("Mod", graph.add("Mul", graph.add("Add", hashed, code), factor), modulus)
        key = graph.add("Add", hashed, graph.constant(length << WORD, np.int64))
        if not found:
            found.append(graph.add("Mul", key, graph.constant(0, np.int64)))
        found.append(key)
    wanted = graph.add(
        "Concat", *(graph.add("Unsqueeze", key, graph.ints(-1)) for key in found), axis=-1
    )
    keys = graph.constant(np.append(ngrams.keys, LAST), np.int64)
    low = graph.add("Mul", wanted, graph.constant(0, np.int64))
    high = graph.add("Add", low, graph.constant(len(ngrams.keys), np.int64))
    for _ in range(len(ngrams.keys).bit_length()):
        middle = graph.add("Div", graph.add("Add", low, high), two)
        less = graph.add("Less", graph.add("Gather", keys, middle), wanted)
        low = graph.add("Where", less, graph.add("Add", middle, one), low)
        high = graph.add("Where", less, high, middle)
    there = graph.add("Equal", graph.add("Gather", keys, low), wanted)
    # A context counts only if all shorter ones do.
    lacking = graph.add(
        "CumSum", graph.add("Cast", graph.add("Not", there), to=TensorProto.INT64), graph.ints(-1)
    )
    known = graph.add("Equal", lacking, graph.constant(0, np.int64))
    return graph.add("Where", known, low, graph.constant(len(ngrams.keys), np.int64))


def _told(graph: Graph, ngrams: Ngrams, rows: str, logits: str) -> str:
    """Return q (B, T, V), given the rows of the contexts (B, T, `LONGEST` + 1)."""
    size, lengths = (graph.constant(value, np.int64) for value in (ngrams.bos, LONGEST + 1))
    last, first = graph.ints(-1), graph.ints(0)
    zero, one = graph.constant(0, np.int64), graph.constant(1, np.int64)
    left = graph.add("Gather", graph.constant(np.log(ngrams.left)), rows)
    by = graph.add(
        "Exp", graph.add("CumSum", left, graph.constant(-1, np.int64), exclusive=1, reverse=1)
    )
    rest = graph.add("Exp", graph.add("ReduceSum", left, last, keepdims=1))
    flat = graph.add("Reshape", rows, last)
    begin = graph.constant(ngrams.begin, np.int32)
    from_ = _at(graph, begin, flat)
    sizes = graph.add("Sub", _at(graph, begin, graph.add("Add", flat, one)), from_)
    ends = graph.add("CumSum", sizes, zero)
    starts = graph.add("Sub", ends, sizes)
    count = graph.add("ReduceMax", ends, keepdims=0)
    # Which context each follower is of: one more from each place where a context's begin.
    none = graph.add("Expand", zero, graph.add("Unsqueeze", graph.add("Add", count, one), first))
    ones = graph.add("Expand", one, graph.add("Shape", starts))
    marks = graph.add("ScatterElements", none, starts, ones, reduction="add")
    counted = graph.add(
        "Slice", graph.add("CumSum", marks, zero), first, graph.add("Unsqueeze", count, first)
    )
    owner = graph.add("Sub", counted, one)
    offset = graph.add(
        "Sub", graph.add("Range", zero, count, one), graph.add("Gather", starts, owner)
    )
    which = graph.add("Add", graph.add("Gather", from_, owner), offset)
    parts = graph.add(
        "Mul",
        graph.add("Gather", graph.constant(ngrams.part), which),
        graph.add("Gather", graph.add("Reshape", by, last), owner),
    )
    place = graph.add("Mul", graph.add("Div", owner, lengths), size)
    character = _at(graph, graph.constant(ngrams.character, np.int32), which)
    shape = graph.add("Shape", logits)
    nothing = graph.add("Reshape", graph.add("Mul", logits, graph.constant(0)), last)
    told = graph.add(
        "ScatterElements", nothing, graph.add("Add", place, character), parts, reduction="add"
    )
    base = graph.add("Div", rest, graph.constant(ngrams.bos))
    return graph.add("Add", graph.add("Reshape", told, shape), base)


def _at(graph: Graph, numbers: str, places: str) -> str:
    """Return whole numbers at places; they are kept in half as many bytes."""
    return graph.add("Cast", graph.add("Gather", numbers, places), to=TensorProto.INT64)
