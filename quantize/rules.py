"""The rules of explicit quantization that TensorRT demands, proven on a file.

``trt-int8``: every quantizer symmetric int8 with zero point 0; weights per output
channel (axis 0) stored as int8; no quantizer on a bias; nothing between a quantizer and
its dequantizer. Source: TensorRT's developer guide, "Working with Quantized Types",
explicit quantization. ``cpu-int8``: int8 weights, and the unsigned bytes or 32-bit
biases that ONNX Runtime fuses. Both hold quantizers; the float targets hold none, and
one kind of float alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edge_affect.errors import ConfigError, DataError

OPSET = 17
"""The opset of every target."""
_WEIGHTED = {"Conv": 1, "Gemm": 1, "MatMul": 1}
"""Operators with weights → the input that holds them."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A node that breaks a rule."""

    node: str
    """Its name, or its output's where it has none."""
    rule: str
    """What is wrong and what was expected."""


def check_rules(path: Path, target: str) -> None:
    """Prove that the file at ``path`` keeps the rules of ``target``.

    Raises:
        ConfigError: The target has no rules.
        DataError: A rule is broken; the message names the first node and how many.
    """
    found = list(breaches(path, target))
    if found:
        more = f"; {len(found) - 1} more" if len(found) > 1 else ""
        raise DataError(
            f"{path}: not a {target} graph: {found[0].node}: {found[0].rule}{more}"
        )


def breaches(path: Path, target: str) -> Iterator[Breach]:
    """Yield every node that breaks a rule of ``target``.

    Raises:
        ConfigError: The target has no rules.
        DataError: The file is no graph.
    """
    if target not in _RULES:
        raise ConfigError(
            f"target: got {target!r}, expected one of {', '.join(_RULES)}"
        )
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except (OSError, onnx.checker.ValidationError, ValueError) as error:
        raise DataError(f"{path}: not a readable graph ({error})") from error
    except Exception as error:  # protobuf's own errors share no narrower base
        raise DataError(f"{path}: not a graph ({error})") from error
    graph = _Graph(model)
    yield from _common(model)
    for rule in _RULES[target]:
        yield from rule(graph)


class _Graph:
    """A graph with its constants, producers and consumers by name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes = list(model.graph.node)
        self.constants: dict[str, NDArray[Any]] = {
            weight.name: numpy_helper.to_array(weight)
            for weight in model.graph.initializer
        }
        self.producer: dict[str, onnx.NodeProto] = {}
        for node in self.nodes:
            for output in node.output:
                self.producer[output] = node
            if node.op_type == "Constant":
                (value,) = node.attribute
                self.constants[node.output[0]] = numpy_helper.to_array(value.t)

    def of(self, *kinds: str) -> Iterator[onnx.NodeProto]:
        return (node for node in self.nodes if node.op_type in kinds)


def _name(node: onnx.NodeProto) -> str:
    return str(node.name or node.output[0])


def _common(model: onnx.ModelProto) -> Iterator[Breach]:
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets != {"": OPSET}:
        yield Breach("opsets", f"got {opsets}, expected only {OPSET}")
    for weight in model.graph.initializer:
        if weight.data_location:
            yield Breach(weight.name, "lies in another file, expected one file")
    for node in model.graph.node:
        if node.op_type == "BatchNormalization":
            yield Breach(_name(node), "a BatchNorm is left, expected it merged")


def _quantizers(graph: _Graph) -> Iterator[Breach]:
    for node in graph.of("QuantizeLinear", "DequantizeLinear"):
        if len(node.input) < 3 or node.input[2] not in graph.constants:
            yield Breach(_name(node), "has no constant zero point, expected int8 zeros")
            continue
        zero = graph.constants[node.input[2]]
        if zero.dtype != np.int8:
            yield Breach(_name(node), f"got zero points of {zero.dtype}, expected int8")
        elif np.any(zero):
            yield Breach(_name(node), "got a zero point that is not 0, expected 0")
        scale = graph.constants.get(node.input[1])
        if scale is None or not _is_positive(scale):
            yield Breach(_name(node), "has no constant scale over 0")


def _is_positive(scale: NDArray[Any]) -> bool:
    return bool((np.isfinite(scale) & (scale > 0)).all())


def _weights(graph: _Graph) -> Iterator[Breach]:
    for node in graph.of(*_WEIGHTED):
        given = [graph.producer.get(name) for name in node.input[:2]]
        quantized = [p is not None and p.op_type == "DequantizeLinear" for p in given]
        if not quantized[0]:
            continue  # a float layer
        weight = given[_WEIGHTED[node.op_type]]
        if weight is not None and weight.op_type == "Transpose":
            weight = graph.producer.get(weight.input[0])
        if weight is None or weight.op_type != "DequantizeLinear":
            yield Breach(_name(node), "quantized input, but float weights")
            continue
        stored = graph.constants.get(weight.input[0])
        if stored is None or stored.dtype != np.int8:
            yield Breach(_name(weight), "weights are not stored as int8")
        axis = next((a.i for a in weight.attribute if a.name == "axis"), 1)
        scale = graph.constants.get(weight.input[1])
        if scale is not None and scale.size > 1 and axis != 0:
            yield Breach(_name(weight), f"weights scaled along axis {axis}, expected 0")


def _biases(graph: _Graph) -> Iterator[Breach]:
    for node in graph.of("Conv", "Gemm"):
        if len(node.input) > 2:
            source = graph.producer.get(node.input[2])
            if source is not None and source.op_type != "Constant":
                yield Breach(
                    _name(node), f"bias comes from {source.op_type}, expected a float"
                )


def _between(graph: _Graph) -> Iterator[Breach]:
    for node in graph.of("DequantizeLinear"):
        source = graph.producer.get(node.input[0])
        if source is not None and source.op_type not in {"QuantizeLinear", "Constant"}:
            yield Breach(
                _name(node),
                f"takes from {source.op_type}, expected a quantizer or int8 weights",
            )


def _some_quantizers(graph: _Graph) -> Iterator[Breach]:
    if not any(graph.of("QuantizeLinear")):
        yield Breach("graph", "got no quantizer, expected int8 layers")


def _fusable(graph: _Graph) -> Iterator[Breach]:
    """Ask for what sets the file apart from TensorRT's: see ``quantizers``."""
    zeros = [
        graph.constants[node.input[2]].dtype
        for node in graph.of("QuantizeLinear", "DequantizeLinear")
        if len(node.input) > 2 and node.input[2] in graph.constants
    ]
    if not {np.dtype(np.uint8), np.dtype(np.int32)} & set(zeros):
        yield Breach("graph", "got neither unsigned bytes nor 32-bit biases")


def _halves(graph: _Graph) -> Iterator[Breach]:
    for name, value in graph.constants.items():
        if value.dtype == np.float32 and value.size > 1:
            yield Breach(name, "is float32, expected float16")


def _whole_floats(graph: _Graph) -> Iterator[Breach]:
    for name, value in graph.constants.items():
        if value.dtype == np.float16:
            yield Breach(name, "is float16, expected float32")


def _no_quantizers(graph: _Graph) -> Iterator[Breach]:
    for node in graph.of("QuantizeLinear", "DequantizeLinear"):
        yield Breach(_name(node), "a quantizer, expected a float graph")


_RULES: dict[str, tuple[Callable[[_Graph], Iterator[Breach]], ...]] = {
    "cpu-fp32": (_no_quantizers, _whole_floats),
    "cpu-int8": (_some_quantizers, _weights, _fusable),
    "trt-int8": (_some_quantizers, _quantizers, _weights, _biases, _between),
    "trt-fp16": (_no_quantizers, _halves),
}
