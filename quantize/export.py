"""Export a float graph: one file, static shapes, opset 17, names of the contract."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch

from edge_affect.errors import DataError
from quantize.graphs import Graph

OPSET = 17
"""Newest opset that every target's runtime reads."""
TARGETS = ("cpu-fp32",)
"""Targets that a float export serves; the quantized ones come with their schemes."""


def export_graph(graph: Graph, path: Path) -> Path:
    """Write ``graph`` to ``path``, whole or not at all.

    Raises:
        DataError: The file cannot be written, or breaks the contract.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _trace(graph, partial)
            check_graph(graph, partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path}: the graph cannot be written ({error})") from error
    return path


def _trace(graph: Graph, path: Path) -> None:
    drawn = graph.draw(torch.Generator().manual_seed(0))
    with torch.no_grad(), warnings.catch_warnings():
        # The dynamo exporter writes weights beside the file and float ones at that;
        # the other one warns of its age and of every traced Python number.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.module,
            (*drawn.values(), *graph.state.values()),
            str(path),
            input_names=graph.input_names,
            output_names=graph.output_names,
            opset_version=OPSET,
            dynamo=False,
        )


def check_graph(graph: Graph, path: Path) -> None:
    """Prove that the file at ``path`` keeps the contract.

    Raises:
        DataError: It is no valid graph, or a name, shape, type, opset or domain is
            not the contract's.
    """
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise DataError(f"{path}: not a valid graph ({error})") from error
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets != {"": OPSET}:
        raise DataError(f"{path}: got the opsets {opsets}, expected only {OPSET}")
    for kind, values, names in (
        ("inputs", model.graph.input, graph.input_names),
        ("outputs", model.graph.output, graph.output_names),
    ):
        if [value.name for value in values] != names:
            got = ", ".join(value.name for value in values)
            raise DataError(
                f"{path}: got the {kind} {got}, expected {', '.join(names)}"
            )
        for value in values:
            _check_tensor(path, value)
    if any(weight.data_location for weight in model.graph.initializer):
        raise DataError(f"{path}: keeps weights in another file, expected one file")


def _check_tensor(path: Path, value: onnx.ValueInfoProto) -> None:
    kind = value.type.tensor_type
    sizes = [dim.dim_value for dim in kind.shape.dim]
    if kind.elem_type != onnx.TensorProto.FLOAT or not sizes or min(sizes) < 1:
        raise DataError(
            f"{path}: {value.name} is not float32 of a static shape; got {sizes}"
        )
