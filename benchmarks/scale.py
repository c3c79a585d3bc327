"""Where one machine ends: more streams in one process, larger frames, more of them."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from benchmarks.arrivals import Delays
from benchmarks.latency import FPS, SEED, WARM_UP
from benchmarks.looped import LATENCY_NS, Drawn, LoopedSource, draw
from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.ways import Way
from edge_affect.affect_model import AffectModel
from edge_affect.clock import NS_PER_MS, NS_PER_S, SystemClock
from edge_affect.realtime.stream import AffectStream

BUDGET_MS = 33.3
"""An estimate later than this after its frame came is a miss."""


@dataclass(frozen=True, slots=True)
class ScalePlan:
    """What is measured."""

    streams: tuple[int, ...] = (1, 2, 4, 8)
    """Streams of 640×480 at 30 frames per second in one process."""
    sizes: tuple[tuple[int, int], ...] = ((320, 240), (1280, 720), (1920, 1080))
    """Widths and heights of one stream's frames, pixels."""
    rates: tuple[int, ...] = (15, 60)
    """Frames per second of one stream."""
    seconds: float = 20.0
    """Length of each, s."""
    longest_s: float = 60.0
    """Length of that with most streams, s."""


def measure_scale(way: Way, plan: ScalePlan, progress: Progress) -> list[Record]:
    """Return delays, misses and the processors' share of every setting of ``plan``.

    Args:
        way: What runs; all streams share it.
        plan: Which settings.
        progress: Told what is going on.

    Raises:
        BundleError: The bundle is damaged, or lacks the target.
        RunnerError: The target does not run here.
    """
    model = way.load()
    records: list[Record] = []
    try:
        drawn = draw(SEED, FPS)
        for streams in plan.streams:
            most = streams == max(plan.streams)
            seconds = plan.longest_s if most else plan.seconds
            told = f"{streams} stream" + ("s" if streams > 1 else "")
            records += _measured(model, [drawn] * streams, seconds, told, progress)
        for width, height in plan.sizes:
            large = draw(SEED, FPS, (width, height))
            told = f"{width}x{height}"
            records += _measured(model, [large], plan.seconds, told, progress)
        for fps in plan.rates:
            told = f"{fps} frames per second"
            fast = draw(SEED, fps)
            records += _measured(model, [fast], plan.seconds, told, progress)
    finally:
        model.close()
    return records


def _measured(
    model: AffectModel,
    drawn: Sequence[Drawn],
    seconds: float,
    told: str,
    progress: Progress,
) -> Iterator[Record]:
    clock = SystemClock()
    with ExitStack() as stack:
        delays = [_start(model, one, clock, stack) for one in drawn]
        _let_pass(clock, WARM_UP / FPS, f"{told}, warm-up", progress)
        starts = [len(one.ages_ns) for one in delays]
        cpu_s, start_ns = _cpu_s(), clock.now_ns()
        _let_pass(clock, seconds, told, progress)
        spent_s = (clock.now_ns() - start_ns) / NS_PER_S
        share = (_cpu_s() - cpu_s) / spent_s
        ages_ns = np.concatenate(
            [one.ages_ns[n:] for one, n in zip(delays, starts, strict=True)]
        )
    # From arrival: cells without a frame are due when their rate says, which differs.
    late_ms = (ages_ns - LATENCY_NS) / NS_PER_MS
    count = len(late_ms)
    figures = {
        "p50_ms": float(np.median(late_ms)),
        "p95_ms": float(np.percentile(late_ms, 95)),
        "p99_ms": float(np.percentile(late_ms, 99)),
        "misses": float(np.mean(late_ms > BUDGET_MS)),
        "cpu_share": share,
    }
    for metric, value in figures.items():
        yield Record(metric, value, split=told, stage="stream", n=count)


def _start(
    model: AffectModel, drawn: Drawn, clock: SystemClock, stack: ExitStack
) -> Delays:
    source = LoopedSource(drawn, clock)
    wait_ns = NS_PER_S // FPS + source.info.latency_ns
    delays = Delays(clock, source.arrived_ns, wait_ns)
    stack.enter_context(AffectStream(source, model=model, sinks=[delays]))
    return delays


def _let_pass(
    clock: SystemClock, seconds: float, told: str, progress: Progress
) -> None:
    start_ns = clock.now_ns()
    tenths = round(10 * seconds)
    for tenth in progress.track(range(tenths), tenths, told):
        clock.sleep_until(start_ns + (tenth + 1) * NS_PER_S // 10)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
