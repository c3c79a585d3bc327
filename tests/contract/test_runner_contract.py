"""What every runner promises; one suite for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_affect.errors import NonFiniteError, RunnerError
from edge_affect.runners.base import GraphFile, Link, Runner, StreamState
from edge_affect.runners.onnxruntime import OnnxRunner
from edge_affect.runners.tensorrt.libraries import open_libraries
from edge_affect.runners.tensorrt.runner import TensorRtRunner
from tests.fakes.nvidia.install import engine_of, install
from tests.fakes.nvidia.tensorrt_api import VERSIONS

DATA = Path(__file__).resolve().parents[1] / "data"
Array = NDArray[np.float32]
COUNTER = GraphFile("counter", (DATA / "graphs" / "counter.onnx").read_bytes())
"""Adds its input ``x`` to its state and gives the sum as ``y``."""
TINY = [
    GraphFile(name, (DATA / "tiny_bundle" / f"{name}.cpu-fp32.onnx").read_bytes())
    for name in ("face", "voice", "affect")
]
LINKS = (Link("face", "embedding", "affect", "face_embedding"),)
Open = Callable[..., Runner]
THREADS = {"onnxruntime": 1, "onnxruntime-2-threads": 2}
REAL = "tensorrt"
KINDS = [
    *THREADS,
    *(f"{REAL}-{version}" for version in VERSIONS),
    pytest.param(REAL, marks=pytest.mark.trt),
]


@pytest.fixture(params=KINDS)
def open_runner(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Open]:
    """Return a function that opens a runner of each kind and closes it afterwards.

    The versions of TensorRT run on a fake GPU. On a machine with a real one, which none
    of this has seen yet, what is installed there runs too.
    """
    opened: list[Runner] = []
    kind: str = request.param
    found = None
    if kind == REAL:
        found = open_libraries()
    elif kind not in THREADS:
        found = install(monkeypatch, kind.removeprefix(f"{REAL}-"))

    def open_one(graphs: list[GraphFile], links: tuple[Link, ...] = ()) -> Runner:
        if found is None:
            opened.append(OnnxRunner(graphs, THREADS[kind], links))
        else:
            engines = {graph.name: engine_of(found, graph.content) for graph in graphs}
            opened.append(TensorRtRunner(engines, found, links))
        return opened[-1]

    yield open_one
    for runner in opened:
        runner.close()


@pytest.fixture
def counter(open_runner: Open) -> Runner:
    """Return a runner of the counter."""
    return open_runner([COUNTER])


def _x(*values: float) -> NDArray[np.float32]:
    return np.array([values], np.float32)


def _count(runner: Runner, state: StreamState, *values: float) -> list[float]:
    out = runner.step(state, "counter", {"x": _x(*values)})
    return [float(value) for value in out["y"][0]]


def test_runner_reads_signatures_from_the_graph(open_runner: Open) -> None:
    """Names and shapes are the graph's; the state is apart from inputs and outputs."""
    signatures = open_runner(TINY).signatures
    assert set(signatures) == {"face", "voice", "affect"}
    assert signatures["face"].inputs == {"image": (1, 3, 112, 112)}
    assert signatures["face"].state == {}
    assert signatures["voice"].inputs == {"mel": (1, 10, 64)}
    assert signatures["voice"].state == {"state_hidden": (1, 12)}
    assert signatures["voice"].outputs == {
        "embedding": (1, 32),
        "speech": (1, 1),
        "emotion": (1, 7),
    }


def test_runner_carries_state_from_step_to_step(counter: Runner) -> None:
    """Each step sees the state that the one before left; a new one is zeros."""
    state = counter.new_state()
    assert _count(counter, state, 1, 2) == [1, 2]
    assert _count(counter, state, 1, 2) == [2, 4]
    assert _count(counter, counter.new_state(), 5, 5) == [5, 5]


def test_runner_keeps_streams_apart(counter: Runner) -> None:
    """Two states on one runner do not see each other."""
    first, second = counter.new_state(), counter.new_state()
    _count(counter, first, 1, 1)
    assert _count(counter, second, 10, 10) == [10, 10]
    assert _count(counter, first, 1, 1) == [2, 2]


def test_runner_reset_forgets_one_graph(counter: Runner) -> None:
    """After a reset the graph's state is zeros again."""
    state = counter.new_state()
    _count(counter, state, 3, 3)
    counter.reset(state, "counter")
    assert _count(counter, state, 1, 1) == [1, 1]


def test_runner_keeps_the_state_when_an_output_is_not_finite(counter: Runner) -> None:
    """An overflow is a NonFiniteError, and the step might not have been."""
    state = counter.new_state()
    largest = float(np.finfo(np.float32).max)
    _count(counter, state, largest, 1)
    with pytest.raises(NonFiniteError, match="the state was kept"):
        _count(counter, state, largest, 1)
    assert _count(counter, state, 0, 0) == [largest, 1]


def test_runner_looks_at_the_next_state_too(open_runner: Open) -> None:
    """A state that would become infinite behind finite outputs is kept as it was."""
    content = (DATA / "graphs" / "hidden.onnx").read_bytes()
    runner = open_runner([GraphFile("hidden", content)])
    state = runner.new_state()
    largest = float(np.finfo(np.float32).max)
    runner.step(state, "hidden", {"x": _x(largest, 1)})
    with pytest.raises(NonFiniteError, match="the state was kept"):
        runner.step(state, "hidden", {"x": _x(largest, 1)})
    kept = runner.export_state(state, "hidden")["state_sum"]
    assert kept.tolist() == [[largest, 1]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_runner_refuses_inputs_that_are_not_finite(
    counter: Runner, value: float
) -> None:
    """NaN and infinity never reach the graph or its state."""
    state = counter.new_state()
    with pytest.raises(NonFiniteError, match="input 'x' is not finite"):
        _count(counter, state, value, 1)
    assert _count(counter, state, 1, 1) == [1, 1]


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"y": np.zeros((1, 2), np.float32)},
        {"x": np.zeros((1, 2), np.float32), "z": np.zeros(1, np.float32)},
        {"x": np.zeros((1, 2), np.float64)},
        {"x": np.zeros((1, 3), np.float32)},
        {"x": np.zeros(2, np.float32)},
        {"x": np.zeros((1, 2), np.float32), "state_sum": np.zeros((1, 2), np.float32)},
    ],
)
def test_runner_refuses_wrong_inputs(
    counter: Runner, inputs: dict[str, NDArray[np.float32]]
) -> None:
    """A wrong name, shape or dtype is one line that says what was expected."""
    with pytest.raises(RunnerError, match=r"^counter: .*expected") as caught:
        counter.step(counter.new_state(), "counter", inputs)
    assert "\n" not in str(caught.value)


def test_runner_names_the_graphs_and_outputs_it_has(counter: Runner) -> None:
    """An unknown graph or output is refused with what there is."""
    state = counter.new_state()
    with pytest.raises(RunnerError, match="expected one of counter"):
        counter.step(state, "face", {})
    with pytest.raises(RunnerError, match="expected some of y"):
        counter.step(state, "counter", {"x": _x(1, 1)}, ("z",))


def test_runner_returns_the_outputs_asked_for(open_runner: Open) -> None:
    """Outputs may be chosen; the state is never among them."""
    runner = open_runner(TINY)
    mel = np.zeros((1, 10, 64), np.float32)
    state = runner.new_state()
    assert set(runner.step(state, "voice", {"mel": mel}, ("speech",))) == {"speech"}
    everything = runner.step(state, "voice", {"mel": mel})
    assert set(everything) == {"embedding", "speech", "emotion"}


def test_runner_returns_arrays_that_later_steps_leave_alone(counter: Runner) -> None:
    """What a step returned stays as it was, float32 and writable."""
    state = counter.new_state()
    first = counter.step(state, "counter", {"x": _x(1, 2)})["y"]
    counter.step(state, "counter", {"x": _x(1, 2)})
    assert first.dtype == np.float32
    assert first.tolist() == [[1, 2]]
    first[:] = 100
    assert _count(counter, state, 0, 0) == [2, 4]


def test_runner_gives_the_same_bits_twice(open_runner: Open) -> None:
    """The same inputs on two runners give the same bits."""
    random = np.random.default_rng(2)
    mels = random.normal(size=(20, 1, 10, 64)).astype(np.float32)
    runs = []
    for _ in range(2):
        runner = open_runner(TINY)
        state = runner.new_state()
        steps = [runner.step(state, "voice", {"mel": mel})["embedding"] for mel in mels]
        runs.append(np.concatenate(steps))
    assert np.array_equal(runs[0], runs[1])


def test_runner_serves_streams_of_several_threads(counter: Runner) -> None:
    """Each thread counts on its own state while all share the runner."""

    def run(step: float) -> list[float]:
        state = counter.new_state()
        for _ in range(200):
            last = _count(counter, state, step, -step)
        return last

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(run, range(1, 9)))
    assert results == [[200 * step, -200 * step] for step in range(1, 9)]


def test_runner_says_what_really_runs(counter: Runner) -> None:
    """Backend and provider are named."""
    assert counter.backend in ("onnxruntime", "tensorrt")
    assert counter.provider


def test_runner_close_is_idempotent_and_final(counter: Runner) -> None:
    """A closed runner refuses to step, and may be closed again."""
    state = counter.new_state()
    counter.close()
    counter.close()
    with pytest.raises(RunnerError, match="was closed"):
        _count(counter, state, 1, 1)


def _linked_inputs(runner: Runner, seed: int) -> dict[str, dict[str, Array]]:
    """Return inputs of the face and the affect graph, the link's left out."""
    random = np.random.default_rng(seed)
    return {
        graph: {
            name: random.random(shape, np.float32)
            for name, shape in runner.signatures[graph].inputs.items()
            if name != "face_embedding"
        }
        for graph in ("face", "affect")
    }


def test_runner_steps_linked_graphs_as_one_by_one(open_runner: Open) -> None:
    """In one go or graph by graph, outputs and states are the same bits."""
    runner, alone = open_runner(TINY, LINKS), open_runner(TINY)
    together, apart = runner.new_state(), alone.new_state()
    embedding: Array = np.zeros(0, np.float32)
    for seed in range(6):
        inputs = _linked_inputs(runner, seed)
        if seed == 3:  # a cell without a frame: the affect graph takes the old face
            embedding = embedding * np.float32(
                0.5
            )  # not what may still lie in some buffer
            inputs["affect"]["face_embedding"] = embedding
            del inputs["face"]
            both = runner.step_linked(together, inputs)
        else:
            both = runner.step_linked(together, inputs)
            face = alone.step(apart, "face", inputs["face"])
            embedding = face["embedding"]
            inputs["affect"]["face_embedding"] = embedding
            assert face.keys() == both["face"].keys()
            assert all(np.array_equal(face[n], both["face"][n]) for n in face)
        affect = alone.step(apart, "affect", inputs["affect"])
        assert affect.keys() == both["affect"].keys()
        assert all(np.array_equal(affect[n], both["affect"][n]) for n in affect)
    states = [
        runner.export_state(together, "affect"),
        alone.export_state(apart, "affect"),
    ]
    assert states[0].keys() == {"state_hidden"}
    assert np.array_equal(states[0]["state_hidden"], states[1]["state_hidden"])
    assert np.any(states[0]["state_hidden"])


def test_runner_commits_linked_graphs_together_or_not_at_all(open_runner: Open) -> None:
    """When one graph's output is not finite, no graph's state moves."""
    graphs = [GraphFile(name, COUNTER.content) for name in ("first", "second")]
    runner = open_runner(graphs, (Link("first", "y", "second", "x"),))
    state = runner.new_state()
    largest = float(np.finfo(np.float32).max)
    runner.step_linked(state, {"first": {"x": _x(largest / 2, 1)}, "second": {}})
    with pytest.raises(NonFiniteError, match=r"^second: .*the state was kept"):
        runner.step_linked(state, {"first": {"x": _x(largest / 2, 1)}, "second": {}})
    for name in ("first", "second"):
        kept = runner.export_state(state, name)["state_sum"]
        assert kept.tolist() == [[largest / 2, 1]]


def test_runner_refuses_linked_inputs_that_do_not_fit(open_runner: Open) -> None:
    """A linked input must be left out, and only where its source is stepped too."""
    runner = open_runner(TINY, LINKS)
    inputs = _linked_inputs(runner, 0)
    given = np.zeros(runner.signatures["affect"].inputs["face_embedding"], np.float32)
    with pytest.raises(RunnerError, match=r"^affect: got the inputs .*face_embedding"):
        filled = {**inputs["affect"], "face_embedding": given}
        runner.step_linked(runner.new_state(), {**inputs, "affect": filled})
    with pytest.raises(RunnerError, match=r"^affect: .*expected .*face_embedding"):
        runner.step_linked(runner.new_state(), {"affect": inputs["affect"]})
    with pytest.raises(RunnerError, match="expected one of face, voice, affect"):
        runner.step_linked(runner.new_state(), {"gaze": {}})


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        (
            Link("gaze", "embedding", "affect", "face_embedding"),
            "expected graphs among",
        ),
        (Link("affect", "valence", "face", "image"), "expected an earlier graph"),
        (Link("face", "gaze", "affect", "face_embedding"), "got the shapes none and"),
        (Link("face", "valence", "affect", "face_embedding"), "of one shape"),
    ],
)
def test_runner_refuses_links_that_fit_nothing(
    open_runner: Open, link: Link, reason: str
) -> None:
    """A link between graphs or tensors that there are not is found at the start."""
    with pytest.raises(RunnerError, match=reason):
        open_runner(TINY, (link,))


def test_runner_exports_a_copy_of_the_state(counter: Runner) -> None:
    """What a state holds can be looked at, and not changed by looking."""
    state = counter.new_state()
    assert counter.export_state(state, "counter")["state_sum"].tolist() == [[0, 0]]
    _count(counter, state, 1, 2)
    exported = counter.export_state(state, "counter")["state_sum"]
    assert exported.tolist() == [[1, 2]]
    exported[:] = 9
    assert _count(counter, state, 0, 0) == [1, 2]


def test_runner_keeps_warm_without_a_trace(counter: Runner) -> None:
    """Whatever it runs to stay awake, every state stays as it was."""
    state = counter.new_state()
    counter.keep_warm(state)
    for expected in (1, 2, 3):
        assert _count(counter, state, 1, 1) == [expected, expected]
        counter.keep_warm(state)
        counter.keep_warm(state)
    kept = counter.export_state(state, "counter")["state_sum"]
    assert kept.tolist() == [[3, 3]]


def test_affect_graph_is_blind_to_masked_input(open_runner: Open) -> None:
    """Whatever a masked modality holds, the outputs are the same bits."""
    runner = open_runner(TINY)
    random = np.random.default_rng(3)
    outputs = []
    for scale in (0.0, 1.0, 100.0):
        inputs = {
            name: np.zeros(shape, np.float32)
            for name, shape in runner.signatures["affect"].inputs.items()
        }
        for name in ("face_embedding", "voice_embedding", "face_age", "voice_age"):
            noise = random.normal(size=inputs[name].shape) * scale
            inputs[name] = noise.astype(np.float32)
        out = runner.step(runner.new_state(), "affect", inputs)
        outputs.append(np.concatenate([value.ravel() for value in out.values()]))
    assert np.array_equal(outputs[0], outputs[1])
    assert np.array_equal(outputs[0], outputs[2])
