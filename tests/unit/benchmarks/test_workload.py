"""Counting multiply-adds, values and kernels, against graphs counted by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.workload import Workload, count_graph
from edge_affect.errors import DataError
from edge_affect.model.bundle import load_bundle, shipped_folder

Shape = Sequence[int | str]


def _graph(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, Shape],
    weights: dict[str, tuple[int, ...]],
    output: str = "y",
) -> bytes:
    """Return a graph of ``nodes`` with weights of zeros."""
    made = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
            for n, s in inputs.items()
        ],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.zeros(shape, np.float32), name)
            for name, shape in weights.items()
        ],
    )
    opset = helper.make_opsetid("", 17)
    content = helper.make_model(made, opset_imports=[opset]).SerializeToString()
    assert isinstance(content, bytes)
    return content


def test_count_graph_of_a_grouped_convolution() -> None:
    """Each output sums the windows of its group; the ReLU is a kernel if not fused."""
    content = _graph(
        [
            helper.make_node(
                "Conv", ["x", "w", "b"], ["c"], group=2, kernel_shape=[3, 3]
            ),
            helper.make_node("Relu", ["c"], ["y"]),
        ],
        {"x": [1, 4, 10, 8]},
        {"w": (4, 2, 3, 3), "b": (4,)},
    )
    out = 4 * 8 * 6
    assert count_graph(content, "g") == Workload(out * 18, 76, 4 * 80 + out, 1, 2)


@pytest.mark.parametrize("flipped", [0, 1])
def test_count_graph_of_dense_layers(flipped: int) -> None:
    """Rows times columns, whichever way the weights lie; a reshape is no kernel."""
    content = _graph(
        [
            helper.make_node("Gemm", ["x", "w"], ["h"], transB=flipped),
            helper.make_node("Reshape", ["h", "shape"], ["r"]),
            helper.make_node("MatMul", ["r", "v"], ["y"]),
        ],
        {"x": [1, 6]},
        {"w": (5, 6) if flipped else (6, 5), "v": (5, 2)},
    )
    model = onnx.load_from_string(content)
    shape = numpy_helper.from_array(np.array([1, 1, 5]), "shape")
    model.graph.initializer.append(shape)
    load = count_graph(model.SerializeToString(), "g")
    assert load == Workload(6 * 5 + 5 * 2, 40, 6 + 5 + 5 + 2, 2, 2)


def test_count_graph_of_a_recurrent_layer() -> None:
    """A step of a GRU is both of its matrices, three gates each."""
    content = _graph(
        [helper.make_node("GRU", ["x", "w", "r"], ["", "y"], hidden_size=4)],
        {"x": [1, 1, 3]},
        {"w": (1, 12, 3), "r": (1, 12, 4)},
    )
    load = count_graph(content, "g")
    assert load.multiply_adds == 12 * 3 + 12 * 4
    assert load.weights == 84
    assert load.fewest_kernels == 3


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x01"])
def test_count_graph_refuses_what_is_none(content: bytes) -> None:
    """One line, with the name that the user knows."""
    with pytest.raises(DataError, match="face: "):
        count_graph(content, "face")


def test_count_graph_refuses_a_shape_that_is_not_fixed() -> None:
    """What a step costs is not known then."""
    content = _graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        {"x": ["batch", 6]},
        {"w": (6, 5)},
    )
    with pytest.raises(DataError, match="face: the shape of 'y' is not fixed"):
        count_graph(content, "face")


@pytest.mark.skipif(
    not shipped_folder("edge-affect-s").exists(), reason="no bundle is shipped"
)
def test_count_graph_is_the_same_for_every_target_of_a_graph() -> None:
    """Float or quantized, a graph is one network: quantizers add nothing."""
    for graph, files in load_bundle().graphs.items():
        loads = {count_graph(file.content, graph) for file in files.values()}
        assert len(loads) == 1
