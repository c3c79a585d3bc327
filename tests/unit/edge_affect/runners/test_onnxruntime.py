from __future__ import annotations

import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from edge_affect.errors import RunnerError
from edge_affect.runners.base import GraphFile
from edge_affect.runners.onnxruntime import PROVIDER, OnnxRunner

GRAPHS = Path(__file__).resolve().parents[3] / "data" / "graphs"


def _graph(name: str) -> GraphFile:
    return GraphFile(name, (GRAPHS / f"{name}.onnx").read_bytes())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("dynamic", r"tensor 'x': got tensor\(float\) \['N', 2\], .*of fixed shape"),
        ("doubles", r"tensor 'x': got tensor\(double\)"),
        ("unpaired", r"output 'next_state_sum': got none, expected \(1, 2\)"),
    ],
)
def test_onnx_runner_refuses_graphs_that_break_the_contract(
    name: str, reason: str
) -> None:
    """Open shapes, other types and a state that never advances are refused."""
    with pytest.raises(RunnerError, match=f"^{name}: {reason}"):
        OnnxRunner([_graph(name)])


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x08", b"\xff" * 100])
def test_onnx_runner_refuses_damaged_files_in_one_line(content: bytes) -> None:
    """Whatever ONNX Runtime raises becomes one RunnerError of one line."""
    with pytest.raises(RunnerError, match=r"^face: ONNX Runtime cannot load") as caught:
        OnnxRunner([GraphFile("face", content)])
    assert "\n" not in str(caught.value)


def test_onnx_runner_wraps_errors_that_are_not_onnx_runtimes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ONNX Runtime lets UnicodeDecodeError out of some damaged files."""

    def fail(*args: Any, **kwargs: Any) -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(RunnerError, match="invalid start byte"):
        OnnxRunner([_graph("counter")])


def test_onnx_runner_refuses_a_silent_fall_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another provider than the one asked for is an error."""
    real = onnxruntime.InferenceSession

    class Other(real):  # type: ignore[misc, valid-type]  # untyped package
        def get_providers(self) -> list[str]:
            return ["AzureExecutionProvider", PROVIDER]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Other)
    with pytest.raises(RunnerError, match=r"got the providers Azure.*expected CPU"):
        OnnxRunner([_graph("counter")])


def test_onnx_runner_reports_a_failing_step_and_goes_on() -> None:
    """A graph that fails at run time is a RunnerError; the next step runs."""
    runner = OnnxRunner([_graph("picky")])
    state = runner.new_state()
    with pytest.raises(RunnerError, match=r"^picky: .*indices element") as caught:
        runner.step(state, "picky", {"x": np.array([7], np.float32)})
    assert "\n" not in str(caught.value)
    out = runner.step(state, "picky", {"x": np.array([1], np.float32)})
    assert out["y"].tolist() == [[2.0]]


def test_onnx_runner_prints_nothing() -> None:
    """Not on load, on failure to load, nor on a failing step."""
    script = f"""
import numpy as np
from pathlib import Path
from edge_affect.errors import RunnerError
from edge_affect.runners.base import GraphFile
from edge_affect.runners.onnxruntime import OnnxRunner

for content in (b"", b"noise"):
    try:
        OnnxRunner([GraphFile("face", content)])
    except RunnerError:
        pass
picky = Path({str(GRAPHS / "picky.onnx")!r}).read_bytes()
runner = OnnxRunner([GraphFile("picky", picky)])
try:
    runner.step(runner.new_state(), "picky", {{"x": np.array([7], np.float32)}})
except RunnerError:
    pass
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    ("names", "threads"), [([], 1), (["counter", "counter"], 1), (["counter"], 0)]
)
def test_onnx_runner_refuses_impossible_settings(
    names: list[str], threads: int
) -> None:
    """No graph, one graph twice and no thread are refused."""
    with pytest.raises(RunnerError, match="expected different graphs"):
        OnnxRunner([_graph(name) for name in names], threads)


def test_onnx_runner_says_the_provider() -> None:
    """The CPU's provider runs."""
    runner = OnnxRunner([_graph("counter")])
    assert (runner.backend, runner.provider) == ("onnxruntime", PROVIDER)


def test_onnx_runner_is_interrupted_between_two_nodes_and_runs_again() -> None:
    """Seconds of work end at once; the next run is not touched."""
    onnx = pytest.importorskip("onnx")
    shape, count = [1, 384, 384], 3_000
    names = ["x", *(f"y{k}" for k in range(count))]
    nodes = [onnx.helper.make_node("MatMul", [a, a], [b]) for a, b in pairwise(names)]
    graph = onnx.helper.make_graph(
        nodes,
        "long",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info(names[-1], onnx.TensorProto.FLOAT, shape)],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    content = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    long = GraphFile("long", content.SerializeToString())
    runner = OnnxRunner([long, _graph("counter")])
    state = runner.new_state()
    timer = threading.Timer(0.05, runner.interrupt, [state])
    timer.start()
    with pytest.raises(RunnerError, match="terminate"):
        runner.step(state, "long", {"x": np.zeros(shape, np.float32)})
    timer.join()
    [name] = runner.signatures["counter"].inputs
    inputs = {name: np.zeros(runner.signatures["counter"].inputs[name], np.float32)}
    assert runner.step(state, "counter", inputs)
