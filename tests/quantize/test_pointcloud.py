"""The point-cloud network as a graph: the contract's form, equal to torch."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import onnx
import torch

from edge_affect.errors import DataError
from quantize.cli import main
from quantize.export import check_graph, export_graph
from quantize.graphs import PATCHES, POINT_TOLERANCE, Graph, pointcloud_graph
from quantize.parity import check_parity
from quantize.rules import OPSET
from training.engine.checkpoint import Checkpoint, save_checkpoint
from training.models.pu_mfa import EDGE, PATCH_POINTS, RATIO, PuMfaNet

pytestmark = pytest.mark.torch


def moved_net() -> PuMfaNet:
    """Return a network whose new points leave their start."""
    torch.manual_seed(0)
    net = PuMfaNet(EDGE).requires_grad_(requires_grad=False)
    for parameter in net.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    return net


@pytest.fixture
def graph() -> Graph:
    """Return the graph of ``moved_net``."""
    return pointcloud_graph(moved_net())


def test_graph_keeps_the_contract(graph: Graph, tmp_path: Path) -> None:
    """Patches and their neighbours in, four times the points out; sizes are fixed."""
    path = export_graph(graph, tmp_path / "graph.onnx", "cpu-fp32")
    model = onnx.load(str(path))
    assert model.opset_import[0].version == OPSET
    tensors = {
        value.name: (
            value.type.tensor_type.elem_type,
            [dim.dim_value for dim in value.type.tensor_type.shape.dim],
        )
        for value in [*model.graph.input, *model.graph.output]
    }
    real, whole = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    assert tensors == {
        "points": (real, [PATCHES, PATCH_POINTS, 3]),
        "neighbours": (whole, [PATCHES, PATCH_POINTS, EDGE.neighbours]),
        "dense": (real, [PATCHES, RATIO * PATCH_POINTS, 3]),
    }


def test_graph_equals_torch(graph: Graph, tmp_path: Path) -> None:
    """Over some batches of random patches no coordinate is 1e-4 off."""
    path = export_graph(graph, tmp_path / "graph.onnx", "cpu-fp32")
    drawn = graph.draw(torch.Generator().manual_seed(0))
    start = drawn["points"][:, :, None].expand(-1, -1, RATIO, -1).flatten(1, 2)
    assert (graph.module(**drawn)[0] - start).abs().max() > 0.1
    assert check_parity(graph, path, steps=20).largest <= POINT_TOLERANCE


def test_parity_refuses_a_point_that_is_a_little_off(
    graph: Graph, tmp_path: Path
) -> None:
    """What would pass for another graph is refused here."""
    path = export_graph(graph, tmp_path / "graph.onnx", "cpu-fp32")
    net = graph.module.net
    assert isinstance(net, PuMfaNet)
    net.bent.bias.add_(1e-3)
    with pytest.raises(DataError, match="dense differs from torch"):
        check_parity(graph, path, steps=1)


def test_check_graph_refuses_neighbours_of_another_type(
    graph: Graph, tmp_path: Path
) -> None:
    """Rows are int64; a graph that takes them as floats is not the contract's."""
    path = export_graph(graph, tmp_path / "graph.onnx", "cpu-fp32")
    model = onnx.load(str(path))
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    onnx.save(model, str(path))
    with pytest.raises(DataError, match=r"points is not float32|not a valid graph"):
        check_graph(graph, path)


def test_export_command_writes_the_graph(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command exports a checkpoint, compares it and says how far it is apart."""
    weights = moved_net().state_dict()
    stored = Checkpoint("pu_mfa", {"net": asdict(EDGE)}, 1, weights, weights)
    save_checkpoint(tmp_path / "best.safetensors", stored)
    monkeypatch.setattr("quantize.graphs.PATCHES", 1)  # the 200 steps take their time
    named = ["--checkpoint", str(tmp_path / "best.safetensors")]
    assert main(["export", "pointcloud", *named, "--out", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["graph"] == "pointcloud"
    assert told["largest_difference"] <= POINT_TOLERANCE
    assert (tmp_path / "pointcloud.cpu-fp32.onnx").stat().st_size == told["bytes"]


def test_pointcloud_is_not_quantized(capsys: pytest.CaptureFixture[str]) -> None:
    """Its coordinates stay float: ptq does not know it."""
    with pytest.raises(SystemExit):
        main(["ptq", "pointcloud", "--checkpoint", "x", "--out", "y"])
    assert "invalid choice" in capsys.readouterr().err
