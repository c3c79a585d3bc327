"""Timing graph files against each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper, save

from benchmarks.__main__ import main
from benchmarks.records import load_result


def _graph(path: Path, width: int, side: int) -> Path:
    """Write a graph of one matrix product: a wider one takes longer."""
    shape = [1, side]
    weight = np.ones((side, width), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["image", "w"], ["out"])],
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, width])],
        [numpy_helper.from_array(weight, "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path


def test_graphs_are_timed_in_turns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Percentiles of each, both ways, and ratios to the first, whose own is 1."""
    one = _graph(tmp_path / "face.cpu-fp32.onnx", 4, 8)
    other = _graph(tmp_path / "face.cpu-int8.onnx", 2000, 8)
    out = tmp_path / "r.json"
    assert (
        main(["graphs", str(one), str(other), "--json", str(out), "--rounds", "9"]) == 0
    )
    result = load_result(out)
    ratios = {(r.stage, r.target): r for r in result.records if r.metric == "ratio"}
    assert set(ratios) == {
        (f"face {way}", target)
        for way in ("back_to_back", "paced")
        for target in ("cpu-fp32", "cpu-int8")
    }
    assert ratios[("face paced", "cpu-fp32")].value == 1
    assert {r.metric for r in result.records} == {
        "p50_ms",
        "p90_ms",
        "p99_ms",
        "max_ms",
        "ratio",
    }
    assert str(tmp_path) not in out.read_text()
    assert "cpu-int8" in capsys.readouterr().out


def test_graphs_of_other_inputs_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 1, nothing written."""
    one = _graph(tmp_path / "face.a.onnx", 4, 8)
    other = _graph(tmp_path / "voice.a.onnx", 4, 9)
    out = tmp_path / "r.json"
    assert main(["graphs", str(one), str(other), "--json", str(out)]) == 1
    assert "takes other inputs" in capsys.readouterr().err
    assert not out.exists()


def test_what_is_no_graph_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing and damaged files, each in one line."""
    damaged = tmp_path / "g.onnx"
    damaged.write_bytes(b"no graph")
    for path in (damaged, tmp_path / "none.onnx"):
        arguments = ["graphs", str(path), "--json", str(tmp_path / "r.json")]
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert path.name in error
        assert error.count("\n") == 1
