"""Time the whole frame step of a bundle's targets against each other."""

from __future__ import annotations

from collections import deque

from benchmarks.progress import Progress
from benchmarks.records import Record
from edge_affect.clock import SystemClock
from edge_affect.doctor.measure import MOST_ROUNDS, Comparison, measure
from edge_affect.model.bundle import Bundle
from edge_affect.runners.select import make_runner, rivals


def measure_targets(bundle: Bundle, progress: Progress) -> list[Record]:
    """Return the median frame step of each CPU target, and its ratio to the default.

    A frame step is every graph once, voice hop included: what
    ``edge-affect doctor --measure`` chooses by, in turns, on one thread.

    Args:
        bundle: Its default target is the reference.
        progress: Told what is going on.

    Raises:
        RunnerError: A target does not run here.
    """
    default = bundle.default_target
    runners = {t: make_runner("onnxruntime", bundle, t)[0] for t in rivals(bundle)}
    cells, seconds = bundle.manifest.timing.cell_hz
    # The measurement ends when it is steady: how many rounds that takes is not known.
    rounds = progress.track(range(2 * MOST_ROUNDS), 2 * MOST_ROUNDS, "frame step")

    def tell(_how: str, _number: int) -> None:
        next(rounds)

    try:
        found = measure(runners, default, cells / seconds, SystemClock(), tell)
        deque(rounds, maxlen=0)
    finally:
        for runner in runners.values():
            runner.close()
    return [
        *_records("frame step back_to_back", found.back_to_back),
        *_records("frame step paced", found.paced),
    ]


def _records(stage: str, comparison: Comparison) -> list[Record]:
    rounds = comparison.rounds
    records = [
        Record("p50_ms", value, stage=stage, target=target, n=rounds)
        for target, value in comparison.median_ms.items()
    ]
    records += [
        Record(
            "ratio",
            ratio.median,
            stage=stage,
            target=target,
            low=ratio.low,
            high=ratio.high,
            n=rounds,
        )
        for target, ratio in comparison.ratio.items()
    ]
    return records
