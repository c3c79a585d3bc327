"""ONNX Runtime's own static quantization, on a graph and pictures made in code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from benchmarks.__main__ import main
from training.data.ferplus import NO_EXPRESSION, VOTE_NAMES

WriteSet = Callable[..., Path]


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """Return a float face graph: a convolution, a ReLU and a mean."""
    random = np.random.default_rng(0)
    weight = random.normal(size=(4, 3, 8, 8)).astype(np.float32) / 5000
    shape = [1, 3, 112, 112]
    made = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "w"], ["c"], strides=[8, 8]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("ReduceMean", ["r"], ["embedding"], axes=[2, 3]),
        ],
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 4, 1, 1])],
        [numpy_helper.from_array(weight, "w")],
    )
    path = tmp_path / "face.cpu-fp32.onnx"
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(made, opset_imports=opsets, ir_version=8), str(path))
    return path


@pytest.fixture
def root(write_set: WriteSet) -> Path:
    """Return training parts of FER+ and DiffusionFER."""
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (48, 48, 3), np.uint8) for _ in range(20)]
    votes = {name: 8 * (name == "fear") for name in (*VOTE_NAMES, *NO_EXPRESSION)}
    write_set(
        "ferplus/train", [{"image": f"{i}.png", **votes} for i in range(20)], pictures
    )
    made: dict[str, Any] = {"valence": 0.1, "arousal": 0.1, "expression": "happy"}
    rows = [{"image": f"{i}.png", **made} for i in range(20)]
    return write_set("diffusionfer/train", rows, pictures)


def _say(path: Path, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    said: NDArray[np.float32] = session.run(None, {"image": picture})[0]
    return said


def test_peer_int8_writes_a_graph_that_is_timed_beside_the_float_one(
    graph: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bytes per channel inside, nearly the same answers, a row in the same table."""
    out = tmp_path / "peer" / "face.peer-int8.onnx"
    assert main(["peer-int8", str(graph), "--data", str(root), "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{out}\n"
    assert captured.err == ""
    assert list(out.parent.iterdir()) == [out]
    weights = {w.name: w for w in onnx.load(str(out)).graph.initializer}
    assert weights["w_quantized"].data_type == TensorProto.INT8
    assert list(weights["w_scale"].dims) == [4]
    random = np.random.default_rng(1)
    picture = random.uniform(0, 255, (1, 3, 112, 112)).astype(np.float32)
    ours, theirs = _say(graph, picture), _say(out, picture)
    assert np.abs(ours - theirs).max() < 0.05 * np.ptp(ours)
    result = str(tmp_path / "r.json")
    files = [str(graph), str(out)]
    assert main(["graphs", *files, "--json", result, "--rounds", "3"]) == 0
    assert "peer-int8" in capsys.readouterr().out


def test_peer_int8_says_what_is_wrong_in_one_line(
    graph: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No data, no graph, another graph, no room: exit code 1, nothing written."""
    (tmp_path / "taken").write_text("a file")
    model = onnx.load(str(graph))
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1
    (weight,) = model.graph.initializer
    grey = numpy_helper.to_array(weight)[:, :1]
    weight.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(grey), "w"))
    onnx.save(model, str(tmp_path / "voice.onnx"))
    out = tmp_path / "out" / "peer.onnx"
    for file, data, written, said in (
        (graph, tmp_path / "none", out, "is not there"),
        (tmp_path / "none.onnx", root, out, "none.onnx: cannot be read"),
        (tmp_path / "taken", root, out, "ONNX Runtime refuses it"),
        (tmp_path / "voice.onnx", root, out, "name a face graph"),
        (graph, root, tmp_path / "taken" / "x.onnx", "cannot be written"),
    ):
        arguments = [str(file), "--data", str(data), "--out", str(written)]
        assert main(["peer-int8", *arguments]) == 1
        captured = capsys.readouterr()
        assert said in captured.err
        assert captured.err.count("\n") == 1
        assert not list(tmp_path.glob("out/*"))
