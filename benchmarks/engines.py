"""Build a bundle's engines on this GPU, hold them against ONNX Runtime, time them.

The frame step is what a cell of the stream costs: pictures and masks go to the GPU,
the linked graphs run, outputs and states come back, and are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.progress import Progress
from benchmarks.records import Record
from edge_affect.clock import NS_PER_MS, NS_PER_S, SystemClock
from edge_affect.commands.recording import record_drive
from edge_affect.errors import DataError
from edge_affect.model.bundle import Bundle
from edge_affect.runners.base import Tensors
from edge_affect.runners.compare import GivenStep, GraphComparison, compare
from edge_affect.runners.engine_cache import EngineCache
from edge_affect.runners.onnxruntime import OnnxRunner
from edge_affect.runners.seal import Seal
from edge_affect.runners.tensorrt.engines import EngineMaker, EngineNote
from edge_affect.runners.tensorrt.libraries import Libraries
from edge_affect.runners.tensorrt.prepare import TENSORRT_TARGETS
from edge_affect.runners.tensorrt.runner import TensorRtRunner

BACK_TO_BACK = 2_000
"""Frame steps without a pause, of each way to launch."""
PACED, PACED_HZ = 300, 30
"""Frame steps at a camera's rate."""
IDLE, IDLE_S = 5, 10.0
"""Frame steps that follow a pause, and its length."""
WARM_UP = 50
"""First steps that no time is taken of."""
_TURN = 100
"""Steps of one way before the other has its turn."""
CAPTURED, ONE_BY_ONE = "one CUDA graph", "launched one by one"
"""How the linked graphs get to the GPU."""


@dataclass(frozen=True, slots=True)
class EngineTrial:
    """What was measured of one target."""

    records: tuple[Record, ...]
    """Build, size, agreement and times."""
    provider: str
    """What ran it, in the runner's words."""


def measure_engines(
    bundle: Bundle, libraries: Libraries, folder: Path, progress: Progress
) -> dict[str, EngineTrial]:
    """Return what each of TensorRT's targets does on this GPU.

    Args:
        bundle: Its graphs are built anew.
        libraries: TensorRT and what goes with it.
        folder: Empty folder for the engines, this user's alone.
        progress: Told what is going on.

    Raises:
        DataError: The bundle has no graphs for TensorRT.
        RunnerError: A graph cannot be built or run.
    """
    clock = SystemClock()
    cache = EngineCache(folder, Seal())
    trials = {}
    targets = [target for target in TENSORRT_TARGETS if target in bundle.targets]
    if not targets:
        raise DataError(
            f"engines: the bundle has no graphs for {' or '.join(TENSORRT_TARGETS)}"
        )
    for target in targets:
        maker = EngineMaker(libraries, cache, clock, lambda _: None)
        graphs = bundle.graphs_for(target)
        runner = maker.runner(graphs, target, bundle.links)
        notes = [note for note in maker.notes if note.build_s is not None]
        bare = replace(libraries, graphs=None, why_no_graphs="not asked for")
        plain = EngineMaker(bare, cache, clock, lambda _: None).runner(
            graphs, target, bundle.links
        )
        reference = OnnxRunner(graphs, links=bundle.links)
        try:
            recorded = record_drive(bundle, target)
            comparison = compare(reference, runner, clock, recorded)
            records = [
                *_built(notes),
                *(one for g in comparison.graphs for one in _agreement(g, target)),
                *_timed(
                    {CAPTURED: runner, ONE_BY_ONE: plain},
                    _frame_step(bundle, recorded),
                    target,
                    progress,
                ),
            ]
            trials[target] = EngineTrial(tuple(records), runner.provider)
        finally:
            for one in (runner, plain, reference):
                one.close()
    return trials


def _built(notes: list[EngineNote]) -> Iterator[Record]:
    for note in notes:
        stage = f"engine of {note.graph}"
        yield Record("bytes", note.size_bytes, stage=stage, target=note.target)
        if note.build_s is not None:
            yield Record("build_s", note.build_s, stage=stage, target=note.target)


def _agreement(graph: GraphComparison, target: str) -> Iterator[Record]:
    """Yield how far a graph is from ONNX Runtime, and both medians."""
    for error in graph.errors:
        stage = f"{graph.graph} {error.name}"
        yield Record("mae", error.mean, stage=stage, target=target)
        if error.top_class is not None:
            yield Record("same_class", error.top_class, stage=stage, target=target)
    yield Record("p50_ms", graph.other_ms, stage=graph.graph, target=target)
    yield Record(
        "ratio", graph.other_ms / graph.reference_ms, stage=graph.graph, target=target
    )


def _frame_step(bundle: Bundle, recorded: list[GivenStep]) -> dict[str, Tensors]:
    """Return what the linked graphs are given together: the drive's last of each."""
    linked = {(link.sink, link.input) for link in bundle.links}
    names = {name for link in bundle.links for name in (link.source, link.sink)}
    last: dict[str, Mapping[str, np.ndarray]] = {}
    for step in recorded:
        if step.graph in names:
            last[step.graph] = step.inputs
    return {
        graph: {n: v for n, v in given.items() if (graph, n) not in linked}
        for graph, given in last.items()
    }


def _timed(
    runners: Mapping[str, TensorRtRunner],
    given: Mapping[str, Tensors],
    target: str,
    progress: Progress,
) -> Iterator[Record]:
    """Yield the frame step's times, host to host."""
    steps = {how: _stepper(runner, given) for how, runner in runners.items()}
    for step in steps.values():
        for _ in range(WARM_UP):
            step()
    taken: dict[str, list[int]] = {how: [] for how in steps}
    turns = BACK_TO_BACK // _TURN
    for _ in progress.track(range(turns), turns, f"{target} back to back"):
        for how, step in steps.items():
            taken[how] += [step() for _ in range(_TURN)]
    for how, times_ns in taken.items():
        yield from _times(f"frame step, {how}, back to back", times_ns, target)
    step = steps[CAPTURED]
    paced = progress.track(range(PACED), PACED, f"{target} paced")
    times_ns = [_paused(step, 1 / PACED_HZ) for _ in paced]
    yield from _times(f"frame step, {CAPTURED}, at {PACED_HZ} Hz", times_ns, target)
    idle = progress.track(range(IDLE), IDLE, f"{target} after idle")
    times_ns = [_paused(step, IDLE_S) for _ in idle]
    yield from _times(f"frame step, {CAPTURED}, after {IDLE_S:g} s", times_ns, target)


def _stepper(runner: TensorRtRunner, given: Mapping[str, Tensors]) -> Callable[[], int]:
    state, clock = runner.new_state(), SystemClock()

    def step() -> int:
        start_ns = clock.now_ns()
        runner.step_linked(state, given)
        return clock.now_ns() - start_ns

    return step


def _paused(step: Callable[[], int], pause_s: float) -> int:
    clock = SystemClock()
    clock.sleep_until(clock.now_ns() + int(pause_s * NS_PER_S))
    return step()


def _times(stage: str, times_ns: list[int], target: str) -> Iterator[Record]:
    times_ms = np.array(times_ns, np.float64) / NS_PER_MS
    count = len(times_ms)
    figures = {"p50_ms": np.median(times_ms), "max_ms": times_ms.max()}
    if count >= PACED:
        figures["p99_ms"] = np.percentile(times_ms, 99)
    for metric, value in figures.items():
        yield Record(metric, float(value), stage=stage, target=target, n=count)
