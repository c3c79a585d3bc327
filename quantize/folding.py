"""Rewrite an exported file: clips folded into int8 weights, floats halved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel


def fold_clips(path: Path) -> None:
    """Apply every Clip of constant int8 weights to the weights, and drop it.

    Brevitas keeps weights in −127 to 127 by a Clip before the dequantizer, which
    TensorRT does not expect there.
    """
    model = onnx.load(str(path))
    graph = model.graph
    constants = {w.name: w for w in graph.initializer}
    producers = {n.output[0]: n for n in graph.node if n.op_type == "Constant"}
    for node in [n for n in graph.node if n.op_type == "Clip"]:
        values = [_constant(name, constants, producers) for name in node.input]
        if any(value is None for value in values):
            continue
        weight, low, high = values
        clipped = np.clip(weight, low, high).astype(weight.dtype)  # type: ignore[union-attr, arg-type]  # None was left out above
        graph.initializer.append(numpy_helper.from_array(clipped, node.output[0]))
        graph.node.remove(node)
    _drop_unused(model)
    # Brevitas lists the weights among the inputs, as very old runtimes want them.
    weights = {weight.name for weight in graph.initializer}
    for value in [value for value in graph.input if value.name in weights]:
        graph.input.remove(value)
    onnx.save(model, str(path))


def halve(path: Path) -> None:
    """Turn a float32 graph into float16, its inputs and outputs left float32."""
    model = onnx.load(str(path))
    halved = OnnxModel(convert_float_to_float16(model, keep_io_types=True))
    halved.topological_sort()  # the casts of the inputs come last otherwise
    onnx.save(halved.model, str(path))


def _constant(
    name: str,
    constants: dict[str, onnx.TensorProto],
    producers: dict[str, onnx.NodeProto],
) -> NDArray[np.generic] | None:
    if name in constants:
        return numpy_helper.to_array(constants[name])
    if name in producers:
        return numpy_helper.to_array(producers[name].attribute[0].t)
    return None


def _drop_unused(model: onnx.ModelProto) -> None:
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    used |= {value.name for value in graph.output}
    for node in [n for n in graph.node if n.op_type == "Constant"]:
        if node.output[0] not in used:
            graph.node.remove(node)
    for weight in [w for w in graph.initializer if w.name not in used]:
        graph.initializer.remove(weight)
