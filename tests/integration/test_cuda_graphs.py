"""CUDA graphs, ping-pong and commit on a real GPU; kernels stand in for TensorRT."""

from __future__ import annotations

import ctypes
import importlib
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_affect.errors import NonFiniteError
from edge_affect.runners.base import Link
from edge_affect.runners.tensorrt.libraries import Libraries, cuda_value
from edge_affect.runners.tensorrt.probe import probe_gpu
from edge_affect.runners.tensorrt.runner import TensorRtRunner

WIDTH = 64
KERNEL = """
extern "C" __global__ void step(
    const float *x, const float *state, float *y, float *next)
{
    int i = threadIdx.x;
    next[i] = 0.5f * state[i] + x[i];
    y[i] = 2.0f * next[i];
}
"""
TENSORS = ("x", "state_memory", "y", "next_state_memory")
LINK = Link("first", "y", "second", "x")

pytestmark = pytest.mark.gpu


class _Context:
    """What TensorRT's execution context does, with one kernel."""

    def __init__(self, calls: Any, kernel: Any) -> None:
        self._calls, self._kernel = calls, kernel
        self._places: dict[str, int] = {}

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._places[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        values = tuple(self._places[name] for name in TENSORS)
        given = (values, (ctypes.c_void_p,) * len(values))
        sizes = (1, 1, 1, WIDTH, 1, 1, 0)
        answer = self._calls.cuLaunchKernel(
            self._kernel, *sizes, stream_handle, given, 0
        )
        return not int(answer[0])


class _Engine:
    """What TensorRT's engine tells of its tensors."""

    num_io_tensors = len(TENSORS)

    def __init__(self, calls: Any, kernel: Any) -> None:
        self._made = calls, kernel

    def get_tensor_name(self, index: int) -> str:
        return TENSORS[index]

    def get_tensor_mode(self, name: str) -> str:
        return "input" if name in TENSORS[:2] else "output"

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        del name
        return (WIDTH,)

    def get_tensor_dtype(self, name: str) -> str:
        del name
        return "float"

    def create_execution_context(self) -> _Context:
        return _Context(*self._made)


class _Counted:
    """CUDA's runtime; counts the launches of graphs."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self.launches = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def cudaGraphLaunch(self, *arguments: Any) -> Any:  # noqa: N802 - CUDA's name
        self.launches += 1
        return self._runtime.cudaGraphLaunch(*arguments)


@pytest.fixture(scope="module")
def cubin(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the kernel, compiled here for the GPU that is here."""
    compiler = shutil.which("nvcc")
    if compiler is None:
        pytest.skip("nvcc is not installed")
    folder: Path = tmp_path_factory.mktemp("kernel")
    (folder / "step.cu").write_text(KERNEL, encoding="ascii")
    subprocess.run(
        [compiler, "-cubin", "-arch=native", "-o", "step.cubin", "step.cu"],
        cwd=folder,
        check=True,
    )
    return (folder / "step.cubin").read_bytes()


@pytest.fixture
def counted() -> _Counted:
    """Return CUDA's runtime by cuda-python."""
    pytest.importorskip("cuda.bindings.runtime", exc_type=ImportError)
    return _Counted(importlib.import_module("cuda.bindings.runtime"))


def _runner(cubin: bytes, graphs: _Counted | None) -> TensorRtRunner:
    pycuda = pytest.importorskip("pycuda.driver", exc_type=ImportError)
    calls: Any = importlib.import_module("cuda.bindings.driver")
    pycuda.init()
    context = pycuda.Device(0).retain_primary_context()
    context.push()
    module = cuda_value("cuModuleLoadData", calls.cuModuleLoadData(cubin))
    kernel = cuda_value(
        "cuModuleGetFunction", calls.cuModuleGetFunction(module, b"step")
    )
    pycuda.Context.pop()
    runtime = SimpleNamespace(
        deserialize_cuda_engine=lambda _: _Engine(calls, kernel),
    )
    tensorrt: Any = _Tensorrt(runtime)
    libraries = Libraries(probe_gpu(), tensorrt, pycuda, graphs)
    return TensorRtRunner({"first": b"1", "second": b"2"}, libraries, (LINK,))


class _Tensorrt:
    """As much of the module as loading an engine takes."""

    __version__ = "none: kernels in its place"
    TensorIOMode = SimpleNamespace(INPUT="input", OUTPUT="output")
    DataType = SimpleNamespace(FLOAT="float")

    class ILogger:
        ERROR, INTERNAL_ERROR = range(2)

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime

    def Runtime(self, logger: object) -> Any:  # noqa: N802 - TensorRT's name
        del logger
        return self._runtime


class _Expected:
    """The same on the host, in float32."""

    def __init__(self) -> None:
        self.state = [np.zeros(WIDTH, np.float32) for _ in range(2)]

    def step(self, x: np.ndarray) -> list[np.ndarray]:
        outputs = []
        for place, state in enumerate(self.state):
            self.state[place] = np.float32(0.5) * state + x
            x = np.float32(2.0) * self.state[place]
            outputs.append(x)
        return outputs


@pytest.mark.parametrize("captured", [True, False])
def test_linked_graphs_follow_the_host_step_by_step(
    cubin: bytes, counted: _Counted, *, captured: bool
) -> None:
    """Two buffers in turns; captured, both graphs are one launch."""
    runner = _runner(cubin, counted if captured else None)
    state, expected = runner.new_state(), _Expected()
    random = np.random.default_rng(1)
    counted.launches = 0
    for _ in range(200):
        x = random.normal(size=WIDTH).astype(np.float32)
        out = runner.step_linked(state, {"first": {"x": x}, "second": {}})
        for graph, value in zip(("first", "second"), expected.step(x), strict=True):
            np.testing.assert_array_equal(out[graph]["y"], value)
    assert counted.launches == (200 if captured else 0)
    assert ("with CUDA graphs" in runner.provider) == captured
    runner.close()


def test_state_is_committed_only_when_all_is_finite(
    cubin: bytes, counted: _Counted
) -> None:
    """A step that overflows leaves both states; so does keeping warm."""
    runner = _runner(cubin, counted)
    state, expected = runner.new_state(), _Expected()
    ones = np.ones(WIDTH, np.float32)
    for _ in range(3):
        runner.step_linked(state, {"first": {"x": ones}, "second": {}})
        expected.step(ones)
    with pytest.raises(NonFiniteError):
        runner.step_linked(state, {"first": {"x": ones * 3e38}, "second": {}})
    runner.keep_warm(state)
    for graph, value in zip(("first", "second"), expected.state, strict=True):
        kept = runner.export_state(state, graph)["state_memory"]
        np.testing.assert_array_equal(kept, value)
    out = runner.step_linked(state, {"first": {"x": ones}, "second": {}})
    np.testing.assert_array_equal(out["second"]["y"], expected.step(ones)[1])
    runner.close()


def test_streams_do_not_see_each_other(cubin: bytes, counted: _Counted) -> None:
    """Each has its own buffers; one that is reset begins at zero."""
    runner = _runner(cubin, counted)
    states = [runner.new_state() for _ in range(3)]
    expected = [_Expected() for _ in states]
    for step in range(12):
        for place, state in enumerate(states):
            x = np.full(WIDTH, place + step, np.float32)
            out = runner.step_linked(state, {"first": {"x": x}, "second": {}})
            value = expected[place].step(x)[1]
            np.testing.assert_array_equal(out["second"]["y"], value)
    runner.reset(states[0], "first")
    kept = runner.export_state(states[0], "first")["state_memory"]
    np.testing.assert_array_equal(kept, np.zeros(WIDTH, np.float32))
    runner.close()
