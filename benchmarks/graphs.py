"""Time graph files against each other, in one run and in turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.progress import Progress
from benchmarks.records import Record
from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.errors import DataError
from training.metrics import bootstrap

WARM_UP = 20
"""Calls of each graph before anything is timed."""
PACE_HZ = 30
"""Calls a second when paced: a camera's rate, with the processor idle in between."""
STAGE = {False: "back_to_back", True: "paced"}
"""What the records call the two ways."""


@dataclass(frozen=True, slots=True)
class Timed:
    """One graph file, opened."""

    path: Path
    """The file."""
    session: Any
    """ONNX Runtime's session, one thread."""
    feed: dict[str, NDArray[np.float32]]
    """What every call is given."""

    def call_ns(self) -> int:
        """Return how long one call takes."""
        before = perf_counter_ns()
        self.session.run(None, self.feed)
        return perf_counter_ns() - before


def measure_graphs(
    paths: Sequence[Path], rounds: int, progress: Progress, *, paced: bool
) -> list[Record]:
    """Time the graphs in turns and return percentiles and ratios to the first one.

    A ratio compares calls of the same round, so that a neighbour on the machine slows
    both; its interval is over rounds.

    Args:
        paths: Graph files with the same inputs; the first is the reference.
        rounds: Calls of each.
        progress: Told what is going on.
        paced: Whether rounds come 30 times a second instead of back to back.

    Raises:
        DataError: A file cannot be run, or takes other inputs than the first.
    """
    graphs = [_open(path) for path in paths]
    for graph in graphs[1:]:
        if {k: v.shape for k, v in graph.feed.items()} != {
            k: v.shape for k, v in graphs[0].feed.items()
        }:
            raise DataError(
                f"{graph.path}: takes other inputs than {graphs[0].path.name}; "
                "compare graphs of one role"
            )
    times = _times_ns(graphs, rounds, progress, paced=paced)
    records = []
    for row, graph in enumerate(graphs):
        records += _records(graph.path, times[row], times[0], STAGE[paced])
    return records


def _open(path: Path) -> Timed:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        random = np.random.default_rng(0)
        feed = {
            value.name: random.random(value.shape, np.float32)
            for value in session.get_inputs()
        }
        timed = Timed(path, session, feed)
        for _ in range(WARM_UP):
            timed.call_ns()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # onnxruntime's own errors share no narrower base
        raise DataError(f"{path}: ONNX Runtime refuses it ({error})") from error
    return timed


def _times_ns(
    graphs: Sequence[Timed], rounds: int, progress: Progress, *, paced: bool
) -> NDArray[np.int64]:
    clock = SystemClock()
    times = np.empty((len(graphs), rounds), np.int64)
    due_ns = clock.now_ns()
    for number in progress.track(range(rounds), rounds, STAGE[paced]):
        if paced:
            due_ns += NS_PER_S // PACE_HZ
            clock.sleep_until(due_ns)
        # Each goes first in its turn: whoever follows a sleep pays for waking up.
        for step in range(len(graphs)):
            row = (number + step) % len(graphs)
            times[row, number] = graphs[row].call_ns()
    return times


def _records(
    path: Path, times_ns: NDArray[np.int64], reference_ns: NDArray[np.int64], stage: str
) -> list[Record]:
    name, target, *_ = [*path.name.split("."), "", ""]
    common: dict[str, Any] = {"stage": f"{name} {stage}", "target": target}
    ms = times_ns / 1e6
    records = [
        Record(f"p{digits}_ms", float(np.percentile(ms, share)), n=len(ms), **common)
        for digits, share in (("50", 50), ("90", 90), ("99", 99))
    ]
    records.append(Record("max_ms", float(ms.max()), n=len(ms), **common))
    ratio = bootstrap(
        lambda rows: float(np.median(times_ns[rows]) / np.median(reference_ns[rows])),
        len(ms),
    )
    records.append(
        Record(
            "ratio", ratio.value, low=ratio.low, high=ratio.high, n=len(ms), **common
        )
    )
    return records
