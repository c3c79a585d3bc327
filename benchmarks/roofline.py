"""Predict on paper how long the graphs take on NVIDIA's boards, and say by what.

A step takes the longer of its arithmetic and its memory traffic, and the launches of
its kernels besides. Nothing of this was run on a Jetson: what is printed is a
prediction with its assumptions, next to what was measured on whatever GPU there was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.records import Record, Result, load_result
from benchmarks.workload import Workload, count_graph
from edge_affect.errors import DataError
from edge_affect.model.bundle import Bundle

PREDICTED, MEASURED = "predicted", "measured"
"""What the records' ``set`` says."""
UNPROVEN = "unproven on target"
_TERA, _GIGA = 1e12, 1e9
_US_PER_S, _US_PER_MS = 1e6, 1e3


@dataclass(frozen=True, slots=True)
class Board:
    """Peak figures of a board's GPU."""

    name: str
    """What the records call it."""
    int8_tops: float
    """Dense int8 operations of the GPU alone, 1e12 per second."""
    fp16_tflops: float
    """Dense fp16 operations of the GPU alone, 1e12 per second."""
    memory_gb_s: float
    """Bandwidth of its memory, 1e9 bytes per second."""
    source: str
    """Where the figures are from."""


BOARDS = (
    Board("Orin Nano 8GB", 20.0, 10.0, 68.0, "40 sparse TOPS, no DLA; 68 GB/s"),
    Board("Orin Nano 8GB Super", 33.5, 16.8, 102.0, "67 sparse TOPS; 102 GB/s"),
    Board(
        "Orin NX 16GB",
        30.0,
        15.0,
        102.4,
        "100 sparse TOPS less 40 of its DLAs: 8 SMs at 918 MHz; 102.4 GB/s",
    ),
    Board(
        "Orin NX 16GB Super",
        38.5,
        19.2,
        102.4,
        "157 sparse TOPS less 80 of its DLAs: 8 SMs at 1173 MHz; 102.4 GB/s",
    ),
    Board(
        "AGX Orin 64GB",
        85.0,
        42.5,
        204.8,
        "275 sparse TOPS less 105 of its DLAs: 16 SMs at 1300 MHz; 204.8 GB/s",
    ),
    Board(
        "AGX Thor T5000",
        517.0,
        259.0,
        273.0,
        "2070 sparse FP4 TFLOPS, of which FP8 and int8 are a quarter dense; 273 GB/s",
    ),
)
"""Peaks of GPUs: NVIDIA's module figures count sparse operations and the DLAs in, which
run nothing of ours; an Ampere SM of Orin does 4096 dense int8 operations a cycle."""


@dataclass(frozen=True, slots=True)
class Precision:
    """A target, and how far it gets on a small batch."""

    target: str
    """One of ``labels.TARGETS``."""
    value_bytes: int
    """Size of a value in memory."""
    efficiency: float
    """Share of the peak that a batch of one reaches."""


PRECISIONS = (
    Precision("trt-int8", 1, 2.5 / 33.5),
    Precision("trt-fp16", 2, 1.96 / 16.8),
)
"""Efficiencies: YOLOv8n at batch 1 on an Orin Nano Super, 8.7 G operations in 3.49 ms
(int8) and 4.43 ms (fp16)."""


@dataclass(frozen=True, slots=True)
class Launching:
    """How kernels get to the GPU."""

    name: str
    """What the records call it."""
    fewest_us: float
    """Shortest time per kernel, µs."""
    most_us: float
    """Longest time per kernel, µs."""


LAUNCHINGS = (
    Launching("launched one by one", 5.0, 10.0),
    Launching("one CUDA graph", 1.5, 2.0),
)
"""Costs per kernel on a Cortex-A78 host."""

ASSUMPTIONS = (
    (
        "peaks: dense, of the GPU alone, from the modules' published sparse figures; "
        "clocks, the DLAs' shares and Thor's figures were not checked against NVIDIA's"
    ),
    (
        "arithmetic: 7.5 % of the dense int8 peak, 11.7 % of the dense fp16 peak: what "
        "YOLOv8n reaches at batch 1 on an Orin Nano Super, carried over to every board"
    ),
    (
        "memory: every weight and every input and output of a convolution or product "
        "goes through memory once, at full bandwidth, 1 byte (int8) or 2 (fp16) each"
    ),
    (
        "launches: 5 to 10 µs a kernel one by one, 1.5 to 2 µs in a CUDA graph; as few "
        "kernels as convolutions and products, or as many as operators"
    ),
    (
        "a step: the longer of arithmetic and memory, plus the launches; the range is "
        "that of the launches alone"
    ),
    (
        "left out: copies from and to the host, the call's own cost, waking clocks, "
        "heat, and every other program on the board"
    ),
)


@dataclass(frozen=True, slots=True)
class Prediction:
    """How long one step of a graph might take."""

    low_ms: float
    """With all light operators fused and launches cheap."""
    high_ms: float
    """With nothing fused and launches dear."""
    bound: str
    """What takes longest: ``arithmetic``, ``memory`` or ``launches``."""


def predict(
    load: Workload, board: Board, precision: Precision, launching: Launching
) -> Prediction:
    """Return how long a step of ``load`` might take on ``board``."""
    int8 = precision.value_bytes == 1
    peak = (board.int8_tops if int8 else board.fp16_tflops) * _TERA
    arithmetic_us = 2 * load.multiply_adds / (peak * precision.efficiency) * _US_PER_S
    traffic = load.bytes_of(precision.value_bytes)
    memory_us = traffic / (board.memory_gb_s * _GIGA) * _US_PER_S
    fewest_us = load.fewest_kernels * launching.fewest_us
    most_us = load.most_kernels * launching.most_us
    parts = {
        "arithmetic": arithmetic_us,
        "memory": memory_us,
        "launches": (fewest_us + most_us) / 2,
    }
    work_us = max(arithmetic_us, memory_us)
    return Prediction(
        (work_us + fewest_us) / _US_PER_MS,
        (work_us + most_us) / _US_PER_MS,
        max(parts, key=lambda part: parts[part]),
    )


def count_bundle(bundle: Bundle) -> dict[str, Workload]:
    """Return what a step of each of a bundle's graphs asks for.

    All targets of a graph are of one network, so the float one is counted.

    Raises:
        DataError: A graph cannot be counted.
    """
    return {
        graph: count_graph(files["cpu-fp32"].content, graph)
        for graph, files in bundle.graphs.items()
        if "cpu-fp32" in files
    }


def predictions(loads: Mapping[str, Workload]) -> list[Record]:
    """Return the predicted time of each graph on each board, in both precisions."""
    return [
        Record(
            "predicted_ms",
            (told.low_ms + told.high_ms) / 2,
            set=PREDICTED,
            split=f"{board.name}, {launching.name}",
            stage=graph,
            low=told.low_ms,
            high=told.high_ms,
            target=precision.target,
        )
        for board in BOARDS
        for launching in LAUNCHINGS
        for graph, load in loads.items()
        for precision in PRECISIONS
        for told in [predict(load, board, precision, launching)]
    ]


def read_measured(paths: Sequence[Path]) -> list[Record]:
    """Return the medians of TensorRT's graphs in result files, each with its GPU.

    Raises:
        DataError: A file cannot be read, or holds none.
    """
    records: list[Record] = []
    for path in paths:
        result = load_result(path)
        found = [
            Record(
                record.metric,
                record.value,
                set=MEASURED,
                split=_gpu(result),
                stage=record.stage,
                low=record.low,
                high=record.high,
                n=record.n,
                target=record.target,
            )
            for record in result.records
            if record.metric == "p50_ms" and str(record.target).startswith("trt-")
        ]
        if not found:
            raise DataError(f"{path.name}: holds no p50_ms of a target trt-…")
        records += found
    return records


def _gpu(result: Result) -> str:
    told = result.machine.get("gpu", result.run.get("gpu", "a GPU that was not named"))
    return str(told.get("name", told) if isinstance(told, dict) else told)


def roofline_text(
    loads: Mapping[str, Workload], measured: Sequence[Record] = ()
) -> str:
    """Return predictions, assumptions and measurements for people."""
    lines = [
        f"On paper, {UNPROVEN}: milliseconds per step, from few to many launches",
        "",
        f"{'graph':8} {'multiply-adds':>14} {'weights':>10} {'values':>8}  kernels",
    ]
    for graph, load in loads.items():
        lines.append(
            f"{graph:8} {load.multiply_adds:>14,} {load.weights:>10,} "
            f"{load.values:>8,}  {load.fewest_kernels} to {load.most_kernels}"
        )
    for launching in LAUNCHINGS:
        for precision in PRECISIONS:
            lines += ["", f"{precision.target}, {launching.name}"]
            for board in BOARDS:
                cells = [
                    f"{graph} {told.low_ms:.3f} to {told.high_ms:.3f} ({told.bound})"
                    for graph, load in loads.items()
                    for told in [predict(load, board, precision, launching)]
                ]
                lines.append(f"  {board.name:20} {'  '.join(cells)}")
    lines += ["", "Assumptions"]
    lines += [f"  {assumption}" for assumption in ASSUMPTIONS]
    lines += [f"  {board.name}: {board.source}" for board in BOARDS]
    lines += ["", "Measured"]
    for one in measured:
        lines.append(f"  {one.split}: {one.stage} {one.target} {one.value:.3f} ms")
    if not measured:
        lines.append(f"  no GPU's result was given (--measured FILE): {UNPROVEN}")
    return "\n".join(lines)
