"""Count what one step of a graph asks of a machine: multiply-adds, values, kernels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_affect.errors import DataError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

HEAVY = ("Conv", "Gemm", "MatMul", "GRU")
"""Operators with multiply-adds; everything else moves or bends values."""
FREE = ("Constant", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")
"""Operators that need no kernel: only the shape's name changes, or nothing does."""
QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
_GRU_KERNELS = 3
"""Two products and the gates."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """What one step of a graph asks of whatever runs it."""

    multiply_adds: int
    """Products that are summed up."""
    weights: int
    """Values of the heavy operators' weights, each read once."""
    values: int
    """Values that the heavy operators read and write besides."""
    fewest_kernels: int
    """Launches when everything light is fused into a heavy operator."""
    most_kernels: int
    """Launches when nothing is fused."""

    def bytes_of(self, value_bytes: int) -> int:
        """Return what goes through memory when each value has ``value_bytes``."""
        return (self.weights + self.values) * value_bytes


def count_graph(content: bytes, name: str) -> Workload:
    """Count one step of a graph.

    Quantizers are left out: an engine folds them into their neighbours.

    Args:
        content: The ONNX file.
        name: What a user calls it, for the error.

    Raises:
        DataError: It is no graph, or a shape in it is not fixed.
    """
    import onnx

    try:
        model = onnx.load_from_string(content)
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    except Exception as error:  # onnx and protobuf share no narrower base
        raise DataError(f"{name}: no graph to count the work of ({error})") from error
    if not model.graph.node:
        raise DataError(f"{name}: no graph to count the work of; it has no operators")
    return _Counter(name, model).count()


class _Counter:
    def __init__(self, name: str, model: ModelProto) -> None:
        self._name = name
        self._graph = model.graph
        self._shapes = _shapes(model.graph)
        # A weight may pass a quantizer on its way.
        self._constant = {one.name for one in self._graph.initializer}
        for node in self._graph.node:
            inputs = [name for name in node.input if name]
            if all(name in self._constant for name in inputs):
                self._constant.update(node.output)

    def count(self) -> Workload:
        heavy = [node for node in self._graph.node if node.op_type in HEAVY]
        light = [
            node
            for node in self._graph.node
            if node.op_type not in (*HEAVY, *FREE, *QUANTIZERS)
            and not all(name in self._constant for name in node.output)
        ]
        kernels = sum(_GRU_KERNELS if n.op_type == "GRU" else 1 for n in heavy)
        return Workload(
            multiply_adds=sum(map(self._multiply_adds, heavy)),
            weights=sum(self._size(n, constant=True) for n in heavy),
            values=sum(self._size(n, constant=False) for n in heavy),
            fewest_kernels=kernels,
            most_kernels=kernels + len(light),
        )

    def _multiply_adds(self, node: NodeProto) -> int:
        out = math.prod(self._shape(node.output[0] or node.output[1]))
        weight = self._shape(node.input[1])
        if node.op_type == "Conv":
            return out * math.prod(weight[1:])
        if node.op_type == "Gemm":
            flipped = any(a.name == "transB" and a.i for a in node.attribute)
            return out * weight[1 if flipped else 0]
        if node.op_type == "GRU":
            steps, batch, _ = self._shape(node.input[0])
            return (
                steps
                * batch
                * sum(math.prod(self._shape(name)) for name in node.input[1:3])
            )
        return out * self._shape(node.input[0])[-1]

    def _size(self, node: NodeProto, *, constant: bool) -> int:
        """Count the values of a node's tensors: its weights, or what flows."""
        flowing = [] if constant else [name for name in node.output if name]
        read = [n for n in node.input if n and (n in self._constant) == constant]
        return sum(math.prod(self._shape(name)) for name in (*read, *flowing))

    def _shape(self, name: str) -> Shape:
        shape = self._shapes.get(name)
        if shape is None or any(size < 1 for size in shape):
            raise DataError(f"{self._name}: the shape of {name!r} is not fixed")
        return shape


def _shapes(graph: GraphProto) -> Mapping[str, Shape]:
    shapes = {one.name: tuple(one.dims) for one in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        dims = value.type.tensor_type.shape.dim
        shapes[value.name] = tuple(one.dim_value for one in dims)
    return shapes
