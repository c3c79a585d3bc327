"""Exported graphs: names, shapes, one file, no BatchNorm, equal to torch."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import numpy as np
import onnx
import onnxruntime
import torch

from edge_affect.errors import DataError
from quantize.differences import ClassFlips, Difference
from quantize.export import check_graph, export_graph
from quantize.graphs import Graph
from quantize.parity import check_parity, compare
from quantize.rules import OPSET

pytestmark = pytest.mark.torch


def test_export_graph_keeps_the_contract(graph: Graph, tmp_path: Path) -> None:
    """One file with the contract's names, opset 17, and no BatchNorm left."""
    path = export_graph(graph, tmp_path / "graph.onnx", "cpu-fp32")
    model = onnx.load(str(path))
    assert [value.name for value in model.graph.input] == graph.input_names
    assert [value.name for value in model.graph.output] == graph.output_names
    assert model.opset_import[0].version == OPSET
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert list(tmp_path.iterdir()) == [path]


def test_export_graph_equals_torch_over_streamed_steps(
    graph: Graph, tmp_path: Path
) -> None:
    """Each side carries its own state over 200 steps and they stay together."""
    path = export_graph(graph, tmp_path / "graph.onnx", "cpu-fp32")
    parity = check_parity(graph, path)
    assert parity.steps == 200
    assert parity.largest <= graph.tolerance


def test_check_parity_refuses_other_weights(graph: Graph, tmp_path: Path) -> None:
    """A graph of other weights is named with what differs and by how much."""
    path = export_graph(graph, tmp_path / "graph.onnx", "cpu-fp32")
    with torch.no_grad():
        for name, parameter in graph.module.named_parameters():
            parameter.add_(0.1 if name.endswith("bias") else 0.0)
    assert compare(graph, path, steps=5).largest > graph.tolerance
    with pytest.raises(DataError, match="differs from torch"):
        check_parity(graph, path)


def test_masked_inputs_do_not_reach_the_exported_outputs(
    graph: Graph, tmp_path: Path
) -> None:
    """In the file too, a masked modality changes nothing, to the bit."""
    if graph.name != "affect":
        pytest.skip("only the affect graph takes masks")
    path = export_graph(graph, tmp_path / "graph.onnx", "cpu-fp32")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    drawn = graph.draw(torch.Generator().manual_seed(1)) | graph.state
    drawn |= {"face_valid": torch.zeros(1, 1), "voice_valid": torch.zeros(1, 1)}
    changed = drawn | {
        name: torch.full_like(drawn[name], 55.0)
        for name in ("face_embedding", "voice_embedding", "face_age", "voice_age")
    }
    before, after = (
        session.run(None, {name: value.numpy() for name, value in feed.items()})
        for feed in (drawn, changed)
    )
    for one, other in zip(before, after, strict=True):
        assert (one == other).all()


def test_check_graph_names_what_breaks_the_contract(
    graph: Graph, tmp_path: Path
) -> None:
    """A file whose outputs are called otherwise is refused with both lists."""
    path = export_graph(graph, tmp_path / "graph.onnx", "cpu-fp32")
    renamed = replace(graph, outputs=("other", *graph.outputs[1:]))
    with pytest.raises(DataError, match=r"got the outputs .* expected other"):
        check_graph(renamed, path)


def test_check_graph_refuses_a_dynamic_shape(graph: Graph, tmp_path: Path) -> None:
    """A size without a number is refused by the tensor's name."""
    path = export_graph(graph, tmp_path / "graph.onnx", "cpu-fp32")
    model = onnx.load(str(path))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, str(path))
    with pytest.raises(DataError, match=f"{graph.input_names[0]} is not float32"):
        check_graph(graph, path)


def test_export_graph_names_a_folder_that_cannot_be_written(
    graph: Graph, tmp_path: Path
) -> None:
    """A file where the folder should be is one clear error."""
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DataError, match="cannot be written"):
        export_graph(graph, tmp_path / "taken" / "graph.onnx", "cpu-fp32")


def test_compare_refuses_what_is_no_graph(graph: Graph, tmp_path: Path) -> None:
    """ONNX Runtime's refusal comes as one of our errors."""
    path = tmp_path / "graph.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(DataError, match="ONNX Runtime refuses it"):
        compare(graph, path, steps=1)


def test_export_graph_names_an_operator_that_the_opset_lacks(
    graph: Graph, tmp_path: Path
) -> None:
    """One line, and nothing is written."""

    class Fourier(torch.nn.Module):
        def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(torch.fft.rfft(value).real for value in inputs)

    odd = replace(graph, module=Fourier())
    with pytest.raises(DataError, match=r"opset 17 lacks .*fft_rfft.*; replace it"):
        export_graph(odd, tmp_path / "graph.onnx", "cpu-fp32")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["cpu-fp32", "cpu-int8"])
def test_check_parity_refuses_nan(graph: Graph, target: str, tmp_path: Path) -> None:
    """A file that gives NaN differs from torch by more than any number."""
    with torch.no_grad():
        for name, weight in graph.module.named_parameters():
            if name.endswith(("expression.weight", "emotion.weight", "score.weight")):
                weight.mul_(float("nan"))
    path = export_graph(graph, tmp_path / "graph.onnx", "cpu-fp32")
    with pytest.raises(DataError, match="differs from torch"):
        check_parity(graph, path, target, steps=3)


def test_compare_takes_no_more_memory_for_more_steps(
    graph: Graph, tmp_path: Path
) -> None:
    """What was compared is summed up, not kept: 10,000 steps fit as 10 do."""
    path = export_graph(graph, tmp_path / "graph.onnx", "cpu-fp32")
    compare(graph, path, steps=10)
    peaks = []
    for steps in (10, 300):
        tracemalloc.start()
        compare(graph, path, steps=steps)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 50_000


def test_difference_sums_up_what_it_is_given() -> None:
    """Mean, largest and range of ours by hand; a NaN stays."""
    difference = Difference()
    difference.add(np.array([[1, 2]], "f4"), np.array([[1, 4]], "f4"))
    difference.add(np.array([[-1, 0]], "f4"), np.array([[-2, 1]], "f4"))
    assert (difference.mean, difference.largest, difference.span) == (1, 2, 3)
    difference.add(np.array([[0, 0]], "f4"), np.array([[0, np.nan]], "f4"))
    difference.add(np.array([[0, 0]], "f4"), np.array([[0, 9]], "f4"))
    assert np.isnan([difference.mean, difference.largest]).all()


def test_class_flips_count_only_what_we_were_sure_of() -> None:
    """Of two flips one is by a margin of 1, one by 3."""
    flips = ClassFlips()
    for ours, theirs in (([3, 2], [2, 3]), ([0, 3], [3, 0]), ([5, 1], [2, 1])):
        flips.add(np.array([ours], "f4"), np.array([theirs], "f4"))
    assert [flips.over(margin) for margin in (0.5, 1, 3)] == [2, 1, 0]
