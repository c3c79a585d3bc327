"""Export a graph for a target: one file, static shapes, opset 17, contract's names."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch
from brevitas.export import export_onnx_qcdq

from edge_affect.errors import DataError
from quantize.folding import fold_clips, halve
from quantize.graphs import Graph
from quantize.quantizers import INT8_TARGETS
from quantize.rules import OPSET, check_rules

_KINDS = {"float32": onnx.TensorProto.FLOAT, "int64": onnx.TensorProto.INT64}


def export_graph(graph: Graph, path: Path, target: str) -> Path:
    """Write ``graph`` to ``path``, whole or not at all.

    Args:
        graph: For an int8 target its module holds that target's quantizers; for the
            others it is float.
        path: File to write.
        target: What the file is made for.

    Raises:
        DataError: The file cannot be written, or breaks the contract or the target's
            rules.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _trace(graph, partial, quantized=target in INT8_TARGETS)
            if target in INT8_TARGETS:
                fold_clips(partial)
            elif target == "trt-fp16":
                halve(partial)
            check_graph(graph, partial)
            check_rules(partial, target)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path}: the graph cannot be written ({error})") from error
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{path}: the {graph.name} network has a layer that opset {OPSET} lacks "
            f"({reason}); replace it"
        ) from error
    return path


def _trace(graph: Graph, path: Path, *, quantized: bool) -> None:
    drawn = graph.draw(torch.Generator().manual_seed(0))
    export = export_onnx_qcdq if quantized else torch.onnx.export
    with torch.no_grad(), warnings.catch_warnings():
        # The dynamo exporter writes weights beside the file and float ones at that;
        # the other one warns of its age and of every traced Python number.
        warnings.simplefilter("ignore")
        export(
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
        DataError: It is no valid graph, or a name, shape or type is not the contract's.
    """
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise DataError(f"{path}: not a valid graph ({error})") from error
    drawn = graph.draw(torch.Generator()).items()
    whole = [name for name, value in drawn if not value.is_floating_point()]
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
            _check_tensor(path, value, "int64" if value.name in whole else "float32")


def _check_tensor(path: Path, value: onnx.ValueInfoProto, expected: str) -> None:
    kind = value.type.tensor_type
    sizes = [dim.dim_value for dim in kind.shape.dim]
    if kind.elem_type != _KINDS[expected] or not sizes or min(sizes) < 1:
        raise DataError(
            f"{path}: {value.name} is not {expected} of a static shape; got {sizes}"
        )
