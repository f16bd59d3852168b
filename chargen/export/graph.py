"""A graph of ONNX operators, built node by node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

OPSET = 17
"""The first that has LayerNormalization."""

IR = 8
"""The version of the file format that came with this opset."""

TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}

Shape = Sequence[int | str]

Runner = Callable[[dict[str, NDArray[Any]]], dict[str, NDArray[Any]]]
"""Runs a graph: from inputs to outputs, by their names."""


class Graph:
    """Nodes and constants; each node's outputs are known by their names."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def input(self, name: str, kind: type[np.generic], shape: Shape) -> str:
        """Add an input; a word in the shape stands for a size that may differ."""
        self.inputs.append(helper.make_tensor_value_info(name, TYPES[np.dtype(kind)], shape))
        return name

    def output(self, name: str, value: str, kind: type[np.generic], shape: Shape) -> None:
        """Give a value to the outside under a name."""
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, TYPES[np.dtype(kind)], shape))

    def constant(self, value: Any, kind: type[np.generic] = np.float32, name: str = "") -> str:
        """Add a constant."""
        array: NDArray[Any] = np.array(value, dtype=kind, order="C")
        name = name or f"constant_{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def ints(self, *values: int) -> str:
        """Add a list of whole numbers."""
        return self.constant(values, np.int64)

    def all(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:
        """Add a node, and return the names of its outputs."""
        names = [f"value_{len(self.nodes)}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, and return the name of its one output."""
        return self.all(operator, *inputs, **attributes)[0]

    def model(self, metadata: dict[str, str]) -> ModelProto:
        """Return the whole, checked.

        Args:
            metadata: what programs can read of it.
        """
        graph = helper.make_graph(
            self.nodes, "chargen", self.inputs, self.outputs, list(self.constants.values())
        )
        made = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR,
            producer_name="chargen",
        )
        helper.set_model_props(made, metadata)
        checker.check_model(made, full_check=True)
        return made
