"""The short speed check of every change: ratios within one run against a baseline.

Times say nothing on a machine that others use. Processor time leaves out what others
take in between, and over that of a fixed network, run in turns, it leaves out how fast
the machine is. What noise remains the margin and more tries take.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clip_runs import load_ours
from benchmarks.looped import draw
from benchmarks.peers.engines import ONNX_RUNTIME, open_network
from benchmarks.progress import Progress
from benchmarks.records import Record, Result
from edge_affect.clock import NS_PER_S
from edge_affect.config import StreamConfig
from edge_affect.errors import DataError, missing_dependency
from edge_affect.model.affect import AffectGraphs
from edge_affect.realtime.stream import AffectStream
from edge_affect.runners.processor import why_unfit
from edge_affect.testing import ScriptedSource
from edge_affect.types import Frame

MARGIN, SMALL_MARGIN = 1.5, 1.75
"""A ratio that grew by this factor is slower: noise does less, twice the time more. The
second is that of graphs so small that busy neighbours, who empty caches, take 1.4."""
SMALL = ("voice / yardstick", "affect / yardstick")
"""Ratios with the second margin."""
QUICK = 10
"""Percentile of the times that is taken: what a step takes where nothing disturbs."""
TRIES = 3
"""Times that is measured before a ratio counts as slower; the lowest one counts."""
RECORDED = 5
"""Times that a baseline is measured; its medians are kept."""
GRAPHS = ("face", "voice", "affect")
"""Graphs that are held against the yardstick, as a whole cell is."""
BASELINE = Path(__file__).parent / "results" / "gate.json"
"""What is committed."""
_SEED = 0
_WIDTHS = (64, 96, 128, 192, 256, 384)
"""Channels of the yardstick's layers, each of half the size of the one before."""
_YARDSTICK_PX = 112
_OPSET, _IR_VERSION = 17, 8

Measure = Callable[[], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Slower:
    """A ratio beyond its margin."""

    name: str
    was: float
    now: float
    """The lowest of all tries."""

    def __str__(self) -> str:
        """Return it as a line."""
        return f"slower: {self.name}: {self.was:.3g} -> {self.now:.3g}"


def measure_ratios(progress: Progress, seconds: float = 5.0) -> dict[str, float]:
    """Return what a cell and its parts take, over a yardstick or over each other.

    Float graphs, one thread, 640×480 with sound; ``int8 cell / cell`` is left out where
    int8 is not fit for the processor.

    Raises:
        MissingDependencyError: onnx is not installed.
    """
    script = [
        (item.t_arrival_ns, item)
        for item in draw(_SEED).items
        if item.t_capture_ns < seconds * NS_PER_S
    ]
    yardstick = make_yardstick()
    configs = {"cell": ("cpu-fp32", 1_000), "detecting cell": ("cpu-fp32", 1)}
    if why_unfit("cpu-int8") is None:
        configs["int8 cell"] = ("cpu-int8", 1_000)
    taken: dict[str, list[int]] = {n: [] for n in ("yardstick", *GRAPHS, *configs)}
    calls: dict[str, Callable[[], object]] = {"yardstick": yardstick}
    with ExitStack() as stack:
        for name, (target, every) in configs.items():
            model = stack.enter_context(closing(load_ours(target)))
            config = StreamConfig(purpose="research", detect_every=every)
            stream = AffectStream(ScriptedSource(script), model=model, config=config)
            calls[name] = iter(stack.enter_context(stream)).__next__
            if name == "cell":
                _count(model.graphs, taken)
        frames = sum(isinstance(item, Frame) for _, item in script)
        for turn in progress.track(range(frames), frames, "gate"):
            for name in calls if turn % 2 else reversed(list(calls)):
                with _counted(taken[name]):
                    calls[name]()
    ns = {name: float(np.percentile(values, QUICK)) for name, values in taken.items()}
    parts = {f"{n} / yardstick": ns[n] / ns["yardstick"] for n in ("cell", *GRAPHS)}
    others = {f"{n} / cell": ns[n] / ns["cell"] for n in configs if n != "cell"}
    return parts | others


def _count(graphs: AffectGraphs, taken: dict[str, list[int]]) -> None:
    """Let each graph be timed; a stream's own stages are wall time."""
    for name in GRAPHS:
        setattr(graphs, name, _timed(getattr(graphs, name), taken[name]))


def _timed(method: Callable[..., Any], taken_ns: list[int]) -> Callable[..., Any]:
    def timed(*given: Any) -> Any:
        with _counted(taken_ns):
            return method(*given)

    return timed


@contextmanager
def _counted(taken_ns: list[int]) -> Iterator[None]:
    """Add the processor time that the block takes in this thread."""
    start_ns = time.thread_time_ns()
    yield
    taken_ns.append(time.thread_time_ns() - start_ns)


def make_yardstick() -> Callable[[], object]:
    """Return what runs a small float network of separable convolutions.

    Its operators are those of our own graphs, so that one processor's strengths are
    in both; its weights are drawn, and never change.
    """
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise missing_dependency("onnx", "quantize", "the yardstick") from error
    random = np.random.default_rng(_SEED)
    nodes, weights, last = [], [], "given"

    def convolve(given: str, out: str, shape: tuple[int, ...], **settings: Any) -> None:
        values = random.normal(0, 0.1, shape).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"{out}.weight"))
        read = [given, f"{out}.weight"]
        nodes.append(helper.make_node("Conv", read, [f"{out}.sum"], **settings))
        nodes.append(helper.make_node("Relu", [f"{out}.sum"], [out]))

    for here, there in pairwise((3, *_WIDTHS)):
        deep, out = f"deep{there}", f"out{there}"
        halved = {"strides": [2, 2], "pads": [1, 1, 1, 1], "group": here}
        convolve(last, deep, (here, 1, 3, 3), **halved)
        convolve(deep, out, (there, here, 1, 1))
        last = out
    shape = [1, 3, _YARDSTICK_PX, _YARDSTICK_PX]
    graph = helper.make_graph(
        nodes,
        "yardstick",
        [helper.make_tensor_value_info("given", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)],
        weights,
    )
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)
    network = open_network(model.SerializeToString(), ONNX_RUNTIME, (last,))
    picture = random.random(shape, np.float32)
    return lambda: network(picture)


def measure_baseline(measure: Measure) -> list[Record]:
    """Return the median of each ratio over ``RECORDED`` measurements."""
    seen = [measure() for _ in range(RECORDED)]
    medians = {n: float(np.median([one[n] for one in seen])) for n in seen[0]}
    return [Record("ratio", v, stage=n, n=RECORDED) for n, v in medians.items()]


def margin_of(name: str) -> float:
    """Return the factor by which a ratio may grow."""
    return SMALL_MARGIN if name in SMALL else MARGIN


def find_slower(baseline: Result, system: object, measure: Measure) -> list[Slower]:
    """Return the ratios that grew by more than their margin in every try.

    Args:
        baseline: What ``measure_baseline`` told, with its machine.
        system: This machine's, as ``machine_info`` tells it.
        measure: Measures all ratios once.

    Raises:
        DataError: The baseline is of another system, or shares no ratio.
    """
    if baseline.machine.get("system") != system:
        raise DataError(
            f"gate: got a baseline of {baseline.machine.get('system')}, expected one "
            f"of {system}; record it with --json"
        )
    was = {record.stage or "": record.value for record in baseline.records}
    lowest: dict[str, float] = {}
    slower: list[Slower] = []
    for _ in range(TRIES):
        for name, now in measure().items():
            lowest[name] = min(now, lowest.get(name, now))
        slower = [
            Slower(name, was[name], now)
            for name, now in lowest.items()
            if name in was and now > margin_of(name) * was[name]
        ]
        if not slower:
            break
    if not was.keys() & lowest.keys():
        raise DataError("gate: the baseline shares no ratio with what is measured")
    return slower
