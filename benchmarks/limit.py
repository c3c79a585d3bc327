"""How far each graph is from what this machine can do at most.

The floor of a step is the longer of its arithmetic at the best rate that a large
product reaches here, and its bytes at the bandwidth of a large copy; one thread each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.workload import count_graph
from edge_affect.clock import NS_PER_MS, NS_PER_S, SystemClock
from edge_affect.errors import missing_dependency
from edge_affect.model.bundle import Bundle

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SIDE = 1024
"""Rows and columns of the products that the peaks are measured by."""
COPY_BYTES = 256 << 20
"""Length of the copy that the bandwidth is measured by: far beyond any cache."""
ROUNDS, STEPS = 20, 300
"""Times of a peak, of which the fastest counts, and of a graph: its median."""
_PRECISIONS = {"cpu-fp32": ("float", 4), "cpu-int8": ("int8", 1)}
"""Target → which peak is its limit, and the bytes of a value."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """What this machine does at most, on one thread."""

    products_per_s: dict[str, float]
    """``float`` and ``int8`` → multiply-adds per second."""
    bytes_per_s: float
    """Read and written."""


def measure_limit(bundle: Bundle, progress: Progress) -> tuple[Peaks, list[Record]]:
    """Return the peaks, and each graph's time with its ratio to the floor.

    Raises:
        MissingDependencyError: onnx is not installed.
        RunnerError: A graph does not run here.
    """
    peaks = measure_peaks(progress)
    records = []
    for target, (kind, value_bytes) in _PRECISIONS.items():
        if target not in bundle.targets:
            continue
        for graph in bundle.graphs_for(target):
            float_graph = bundle.graphs[graph.name]["cpu-fp32"].content
            load = count_graph(float_graph, graph.name)
            taken_ms = _median_ms(_call(_open(graph.content)), progress, graph.name)
            floors_ms = {
                "arithmetic": 1e3 * load.multiply_adds / peaks.products_per_s[kind],
                "memory": 1e3 * load.bytes_of(value_bytes) / peaks.bytes_per_s,
            }
            bound = max(floors_ms, key=lambda floor: floors_ms[floor])
            floor_ms = floors_ms[bound]
            records += [
                Record(metric, value, stage=stage, target=target, n=STEPS)
                for metric, value, stage in (
                    ("p50_ms", taken_ms, graph.name),
                    ("floor_ms", floor_ms, f"{graph.name}, {bound}"),
                    ("ratio", taken_ms / floor_ms, graph.name),
                )
            ]
    return peaks, records


def measure_peaks(progress: Progress) -> Peaks:
    """Return the best of ``ROUNDS`` large products of each kind, and of copies."""
    products = SIDE**3
    rates = {}
    for kind in ("float", "int8"):
        call = _call(_open(_product(kind)))
        rates[kind] = products / _fastest_s(call, progress, f"{kind} peak")
    source = np.ones(COPY_BYTES, np.uint8)
    goal = np.empty_like(source)
    copy_s = _fastest_s(lambda: np.copyto(goal, source), progress, "bandwidth")
    return Peaks(rates, 2 * COPY_BYTES / copy_s)


def _product(kind: str) -> bytes:
    """Return a graph of one product: float, or uint8 by int8 into int32."""
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise missing_dependency("onnx", "quantize", "the peaks") from error
    is_float = kind == "float"
    random = np.random.default_rng(0)
    weights: NDArray[np.generic] = random.normal(size=(SIDE, SIDE)).astype(np.float32)
    given, told = TensorProto.FLOAT, TensorProto.FLOAT
    if not is_float:
        weights = random.integers(-127, 128, (SIDE, SIDE)).astype(np.int8)
        given, told = TensorProto.UINT8, TensorProto.INT32
    graph = helper.make_graph(
        [
            helper.make_node(
                "MatMul" if is_float else "MatMulInteger", ["x", "w"], ["y"]
            )
        ],
        "product",
        [helper.make_tensor_value_info("x", given, (SIDE, SIDE))],
        [helper.make_tensor_value_info("y", told, (SIDE, SIDE))],
        [numpy_helper.from_array(weights, "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    content: bytes = helper.make_model(
        graph, opset_imports=opset, ir_version=8
    ).SerializeToString()
    return content


def _open(content: bytes) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )


def _call(session: InferenceSession) -> Callable[[], object]:
    kinds = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}
    random = np.random.default_rng(0)
    feed = {
        one.name: (255 * random.random(one.shape)).astype(kinds[one.type])
        for one in session.get_inputs()
    }
    return lambda: session.run(None, feed)


def _times_ns(
    call: Callable[[], object], rounds: int, told: str, progress: Progress
) -> list[int]:
    clock = SystemClock()
    call()
    times_ns = []
    for _ in progress.track(range(rounds), rounds, told):
        start_ns = clock.now_ns()
        call()
        times_ns.append(clock.now_ns() - start_ns)
    return times_ns


def _fastest_s(call: Callable[[], object], progress: Progress, told: str) -> float:
    return min(_times_ns(call, ROUNDS, told, progress)) / NS_PER_S


def _median_ms(call: Callable[[], object], progress: Progress, told: str) -> float:
    return float(np.median(_times_ns(call, STEPS, told, progress))) / NS_PER_MS
