from __future__ import annotations

import gc
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_affect.errors import NonFiniteError, RunnerError
from edge_affect.runners.base import Link, StreamState
from edge_affect.runners.tensorrt.engine import EngineRefusedError
from edge_affect.runners.tensorrt.libraries import Libraries, open_libraries
from edge_affect.runners.tensorrt.runner import TensorRtRunner
from tests.fakes.nvidia.cuda import make_pycuda
from tests.fakes.nvidia.gpu import GPU, CudaError
from tests.fakes.nvidia.install import engine_of, install
from tests.fakes.nvidia.tensorrt_api import make_tensorrt

DATA = Path(__file__).resolve().parents[4] / "data"
COUNTER = (DATA / "graphs" / "counter.onnx").read_bytes()
TINY = {
    name: (DATA / "tiny_bundle" / f"{name}.cpu-fp32.onnx").read_bytes()
    for name in ("face", "voice", "affect")
}
LINKS = (Link("face", "embedding", "affect", "face_embedding"),)
LARGEST = float(np.finfo(np.float32).max)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Libraries:
    """Return TensorRT 10.3 on the fake GPU."""
    return install(monkeypatch, "10.3")


def _runner(
    found: Libraries, graphs: dict[str, bytes], links: tuple[Link, ...] = ()
) -> TensorRtRunner:
    engines = {name: engine_of(found, graph) for name, graph in graphs.items()}
    return TensorRtRunner(engines, found, links)


def _count(runner: TensorRtRunner, state: StreamState, x: float) -> float:
    given = np.array([[x, 0]], np.float32)
    return float(runner.step(state, "counter", {"x": given})["y"][0, 0])


def _zeros(runner: TensorRtRunner, graph: str) -> dict[str, NDArray[np.float32]]:
    shapes = runner.signatures[graph].inputs
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def test_tensorrt_step_is_one_launch_of_a_graph(found: Libraries) -> None:
    """Face and affect together are one launch; nothing is enqueued kernel by kernel."""
    runner = _runner(found, TINY, LINKS)
    state = runner.new_state()
    both = {"face": _zeros(runner, "face"), "affect": _zeros(runner, "affect")}
    del both["affect"]["face_embedding"]
    runner.step_linked(state, both)
    executions, launches = GPU.executions, GPU.launches
    for _ in range(5):
        runner.step_linked(state, both)
    runner.step(state, "affect", _zeros(runner, "affect"))
    assert (GPU.executions, GPU.launches) == (executions, launches + 6)


def test_tensorrt_captures_every_way_once(found: Libraries) -> None:
    """Each launch there can be was captured before the first step: none is added."""
    runner = _runner(found, TINY, LINKS)
    state = runner.new_state()
    runner.step(state, "face", _zeros(runner, "face"))
    (lane,) = runner._lanes
    assert set(lane._captured) == {
        (("face",), (0,)),
        (("affect",), (0,)),
        (("affect",), (1,)),
        (("face", "affect"), (0, 0)),
        (("face", "affect"), (0, 1)),
    }


def test_tensorrt_voice_has_a_stream_of_its_own(found: Libraries) -> None:
    """Voice runs beside the linked graphs, after the estimate is out."""
    runner = _runner(found, TINY, LINKS)
    state = runner.new_state()
    for name in TINY:
        runner.step(state, name, _zeros(runner, name))
    assert [list(lane._seats) for lane in runner._lanes] == [
        ["face", "affect"],
        ["voice"],
    ]
    assert len(GPU.streams) == 2


def test_tensorrt_state_changes_buffers_only_when_committed(found: Libraries) -> None:
    """A step that is not finite wrote the other buffer, which the next one writes."""
    runner = _runner(found, {"counter": COUNTER})
    state = runner.new_state()
    assert _count(runner, state, LARGEST) == LARGEST
    seat = runner._lanes[0]._seats["counter"]
    assert seat.current == 1
    for _ in range(3):
        with pytest.raises(NonFiniteError):
            _count(runner, state, LARGEST)
        assert seat.current == 1
    exported = runner.export_state(state, "counter")["state_sum"]
    assert exported.tolist() == [[LARGEST, 0]]
    assert _count(runner, state, -LARGEST) == 0
    assert seat.current == 0


def test_tensorrt_keeps_warm_on_scratch_state(found: Libraries) -> None:
    """What keeps the GPU awake leaves every state as it was, in either direction."""
    runner = _runner(found, {"counter": COUNTER})
    state = runner.new_state()
    runner.keep_warm(state)  # a stream without a step has nothing to launch
    assert GPU.launches == 0
    total = 0.0
    for x in (1.0, 2.0, 4.0):
        total += x
        assert _count(runner, state, x) == total
        launches = GPU.launches
        runner.keep_warm(state)
        runner.keep_warm(state)
        assert GPU.launches == launches + 2
        exported = runner.export_state(state, "counter")["state_sum"]
        assert exported[0, 0] == total


def test_tensorrt_steps_allocate_nothing(found: Libraries) -> None:
    """After the first step of a stream the GPU's memory stays as it is."""
    runner = _runner(found, {"counter": COUNTER})
    state = runner.new_state()
    _count(runner, state, 1)
    before = GPU.allocations
    for _ in range(20):
        _count(runner, state, 1)
    assert GPU.allocations == before


def test_tensorrt_hands_memory_from_stream_to_stream(found: Libraries) -> None:
    """The next stream takes what the last one had, with nothing of it remembered."""
    runner = _runner(found, {"counter": COUNTER})
    first = runner.new_state()
    assert _count(runner, first, 5) == 5
    allocated = GPU.allocations
    second = runner.new_state()
    assert _count(runner, second, 1) == 1
    assert GPU.allocations == 2 * allocated
    del first
    gc.collect()
    third = runner.new_state()
    assert _count(runner, third, 2) == 2
    assert GPU.allocations == 2 * allocated
    assert _count(runner, second, 1) == 2


def test_tensorrt_close_frees_everything(found: Libraries) -> None:
    """No memory and no stream is left; what is alive still refuses in a line."""
    runner = _runner(found, TINY, LINKS)
    state = runner.new_state()
    for name in TINY:
        runner.step(state, name, _zeros(runner, name))
    assert (GPU.allocations, GPU.streams_alive) == (12, 2)
    lanes = list(runner._lanes)
    for lane in lanes:
        lane.close()
    runner.close()
    assert (GPU.allocations, GPU.streams_alive) == (0, 0)
    with pytest.raises(RunnerError, match=r"^face: the runner was closed"):
        runner.step(state, "face", _zeros(runner, "face"))
    with pytest.raises(RunnerError, match=r"^face: the runner was closed"):
        runner.step(runner.new_state(), "face", _zeros(runner, "face"))


def test_tensorrt_leaves_no_context_current(found: Libraries) -> None:
    """Whatever a thread does with a runner, its context stack is as before."""
    runner = _runner(found, {"counter": COUNTER})
    depths = []

    def work() -> None:
        state = runner.new_state()
        _count(runner, state, 1)
        runner.export_state(state, "counter")
        with pytest.raises(NonFiniteError):
            _count(runner, state, float("nan"))
        depths.append(GPU.depth)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    runner.close()
    assert (depths, GPU.depth) == ([0], 0)


def test_tensorrt_runs_without_cuda_python(
    found: Libraries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without graphs the same numbers come out, and the provider says so."""
    with_graphs = _runner(found, TINY, LINKS)
    assert with_graphs.provider == "TensorRT 10.3.0 on Orin (fake), with CUDA graphs"
    for name in ("cuda", "cuda.bindings", "cuda.bindings.runtime"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    without = _runner(open_libraries(), TINY, LINKS)
    assert without.provider.endswith(
        "without CUDA graphs: cuda-python is not installed"
    )
    random = np.random.default_rng(4)
    states = with_graphs.new_state(), without.new_state()
    for _ in range(4):
        mel = random.normal(size=(1, 10, 64)).astype(np.float32)
        one, other = (
            runner.step(state, "voice", {"mel": mel})["embedding"]
            for runner, state in zip((with_graphs, without), states, strict=True)
        )
        assert np.array_equal(one, other)


def test_tensorrt_runs_where_cuda_refuses_to_capture(
    found: Libraries, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning, and the kernels are given one by one."""
    GPU.refuse_capture = True
    runner = _runner(found, {"counter": COUNTER})
    state = runner.new_state()
    assert [_count(runner, state, 1) for _ in range(3)] == [1, 2, 3]
    assert GPU.launches == 0
    assert runner.provider.endswith("without CUDA graphs: CUDA refused to capture")
    (record,) = caplog.records
    assert "cudaErrorStreamCaptureUnsupported" in record.getMessage()


def test_tensorrt_tells_of_a_gpu_that_fails(found: Libraries) -> None:
    """An error of the driver is a RunnerError of one line, and the state is kept."""
    runner = _runner(found, {"counter": COUNTER})
    state = runner.new_state()
    _count(runner, state, 1)
    GPU.fail_copies = True
    with pytest.raises(
        RunnerError, match=r"^counter: the GPU failed \(CudaError: cuMem"
    ):
        _count(runner, state, 1)
    GPU.fail_copies = False
    assert _count(runner, state, 1) == 2
    assert GPU.depth == 0


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        ("context", "TensorRT made no execution context; is the GPU's memory full"),
        ("address", "TensorRT refused the tensor 'x'"),
        ("step", "TensorRT did not take the step"),
    ],
)
def test_tensorrt_tells_what_was_refused(
    found: Libraries, refused: str, reason: str
) -> None:
    """TensorRT answers None or False where others raise: each is a line."""
    runner = _runner(found, {"counter": COUNTER})
    GPU.refused = refused
    with pytest.raises(RunnerError, match=f"^counter: {reason}"):
        _count(runner, runner.new_state(), 1)
    assert GPU.depth == 0


def test_tensorrt_ends_a_capture_that_fails(
    found: Libraries, caplog: pytest.LogCaptureFixture
) -> None:
    """The stream is out of capture again, and steps without graphs."""
    runner = _runner(found, {"counter": COUNTER})
    GPU.refused = "capture"
    state = runner.new_state()
    assert [_count(runner, state, 1) for _ in range(3)] == [1, 2, 3]
    assert all(stream.captured is None for stream in GPU.streams.values())
    assert "enqueueV3 failed in capture" in caplog.text
    assert "without CUDA graphs" in runner.provider


def test_tensorrt_tells_of_a_gpu_that_is_full(found: Libraries) -> None:
    """No memory for a stream is a line, and the context is let go of."""
    runner = _runner(found, {"counter": COUNTER})
    GPU.room_bytes = 600
    with pytest.raises(RunnerError, match=r"^counter: the GPU failed .*out of memory"):
        _count(runner, runner.new_state(), 1)
    assert GPU.depth == 0
    GPU.room_bytes = 1 << 20
    assert _count(runner, runner.new_state(), 1) == 1


@pytest.mark.parametrize("allocs", range(8))
def test_tensorrt_survives_any_allocation_that_fails(
    found: Libraries, allocs: int
) -> None:
    """Whichever one fails, other streams go on and the next one finds its memory."""
    runner = _runner(found, TINY, LINKS)
    running, late = runner.new_state(), runner.new_state()
    inputs = _zeros(runner, "affect")
    first = runner.step(running, "affect", inputs)["valence"]
    held = GPU.allocations
    for _ in range(2):
        GPU.allocs_left = allocs
        with pytest.raises(RunnerError, match=r"^face: the GPU failed .*out of memory"):
            runner.step(late, "affect", inputs)
    assert GPU.allocations == held, "what a lane had was not freed"
    runner.step(running, "affect", inputs)
    GPU.allocs_left = 1_000
    assert np.array_equal(runner.step(late, "affect", inputs)["valence"], first)
    assert GPU.depth == 0


def test_tensorrt_closes_whatever_state_the_gpu_is_in(
    found: Libraries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that sticks must not hide, by another one, what led to the closing."""
    runner = _runner(found, TINY, LINKS)
    state = runner.new_state()
    runner.step(state, "affect", _zeros(runner, "affect"))

    def lost(*_: object) -> None:
        raise CudaError("an illegal memory access was encountered")

    for call in ("check_current", "synchronize", "free"):
        monkeypatch.setattr(GPU, call, lost)
    with pytest.raises(RunnerError, match="the GPU failed"):
        runner.step(state, "affect", _zeros(runner, "affect"))
    runner.close()
    runner.close()
    with pytest.raises(RunnerError, match="was closed"):
        runner.step(state, "affect", _zeros(runner, "affect"))


def test_tensorrt_tells_of_a_gpu_that_went_away(found: Libraries) -> None:
    """A GPU that the driver no longer has is a line too."""
    engine = engine_of(found, COUNTER)
    GPU.present = False
    with pytest.raises(RunnerError, match=r"^tensorrt: the GPU failed \(CudaError"):
        TensorRtRunner({"counter": engine}, replace(found, driver=make_pycuda()))


@pytest.mark.parametrize("change", ["foreign", "cut", "changed", "empty"])
def test_tensorrt_refuses_an_engine_that_does_not_load(
    found: Libraries, change: str
) -> None:
    """None from TensorRT is a line about the engine, never an AttributeError later."""
    engine = engine_of(found, COUNTER)
    engines = {
        "foreign": engine.replace(b"10.3.0", b"10.3.1", 1),
        "cut": engine[:-20],
        "changed": engine[:-1] + b"\0",
        "empty": b"",
    }
    with pytest.raises(EngineRefusedError, match=r"^counter: TensorRT does not take"):
        TensorRtRunner({"counter": engines[change]}, found)
    assert (GPU.allocations, GPU.depth) == (0, 0)


@pytest.mark.parametrize("name", ["dynamic", "doubles", "unpaired"])
def test_tensorrt_refuses_graphs_that_break_the_contract(
    found: Libraries, name: str
) -> None:
    """Open shapes, other types and a state that never advances are refused."""
    content = (DATA / "graphs" / f"{name}.onnx").read_bytes()
    with pytest.raises(
        RunnerError, match=r"^the graph: (tensor .* expected float32|output)"
    ):
        _runner(found, {name: content})
    assert (GPU.allocations, GPU.depth) == (0, 0)


def test_tensorrt_refuses_to_run_nothing(found: Libraries) -> None:
    """A runner without engines is a caller's mistake."""
    with pytest.raises(RunnerError, match="got no engines"):
        TensorRtRunner({}, found)


def test_tensorrt_refuses_a_state_of_another_runner(found: Libraries) -> None:
    """A host's state has no place on the GPU."""
    runner = _runner(found, {"counter": COUNTER})
    with pytest.raises(RunnerError, match="state: got one of StreamState"):
        _count(runner, StreamState(), 1)


def test_tensorrt_engines_may_be_of_another_version(
    found: Libraries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine of 8.6 does not load in 11.4: it is refused, not run."""
    old = install(monkeypatch, "8.6")
    engine = engine_of(old, COUNTER)
    monkeypatch.setitem(sys.modules, "tensorrt", make_tensorrt("11.4"))
    with pytest.raises(EngineRefusedError):
        TensorRtRunner({"counter": engine}, open_libraries())
