from __future__ import annotations

from pathlib import Path

import pytest

from edge_affect.errors import BundleError
from edge_affect.model.onnxscan import scan_graph

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
GRAPHS = sorted((Path(__file__).resolve().parents[3] / "data").glob("*/*.onnx"))


def _saved_external(folder: Path) -> bytes:
    model = onnx.load(next(path for path in GRAPHS if path.name.startswith("face")))
    path = folder / "external.onnx"
    onnx.save(
        model, path, save_as_external_data=True, location="weights", size_threshold=0
    )
    return path.read_bytes()


def test_scan_graph_refuses_external_data_as_onnx_writes_it(tmp_path: Path) -> None:
    """A model that the onnx package saved with external data is refused."""
    with pytest.raises(BundleError, match="external data"):
        scan_graph(_saved_external(tmp_path), "external.onnx")


def test_scan_graph_refuses_foreign_operators_in_branches_as_onnx_writes_them() -> None:
    """An operator of com.microsoft inside of an If is found."""
    helper = onnx.helper
    value = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    foreign = helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
    branch = helper.make_graph([foreign], "branch", [], [value])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    graph = helper.make_graph([node], "outer", [], [value])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    with pytest.raises(BundleError, match=r"operator domain 'com\.microsoft'"):
        scan_graph(model.SerializeToString(), "x")


def test_scan_graph_refuses_functions_as_onnx_writes_them() -> None:
    """A model that defines a function is refused."""
    helper = onnx.helper
    opset = [helper.make_opsetid("", 17)]
    node = helper.make_node("Identity", ["x"], ["y"])
    function = helper.make_function("ai.onnx", "F", ["x"], ["y"], [node], opset)
    value = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = helper.make_graph([], "g", [], [value])
    model = helper.make_model(graph, functions=[function], opset_imports=opset)
    with pytest.raises(BundleError, match="defines functions"):
        scan_graph(model.SerializeToString(), "x")


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.name)
def test_scan_graph_finds_the_outputs_that_onnx_finds(path: Path) -> None:
    """The outputs are those that the onnx package reads."""
    expected = {output.name for output in onnx.load(path).graph.output}
    assert scan_graph(path.read_bytes(), path.name).outputs == expected
