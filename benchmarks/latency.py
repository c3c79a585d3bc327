"""How long a frame takes: each stage, and from arrival and capture to the estimate."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.arrivals import Delays
from benchmarks.fresh import run_fresh
from benchmarks.looped import LATENCY_NS, Drawn, LoopedSource, draw
from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.soak.load import busy_cores
from benchmarks.ways import Way
from edge_affect.affect_model import AffectModel
from edge_affect.clock import NS_PER_MS, NS_PER_S, SystemClock
from edge_affect.errors import DataError
from edge_affect.realtime.stream import AffectStream
from edge_affect.sources.simulated import SimulatedSource

FPS = 30
SEED = 0
WARM_UP = 90
"""First estimates that no time is taken of."""
TOLD = {
    "p50_ms": 50.0,
    "p90_ms": 90.0,
    "p95_ms": 95.0,
    "p99_ms": 99.0,
    "p999_ms": 99.9,
    "max_ms": 100.0,
}
"""Metrics and their percentiles."""
COLD = "in a fresh process"
"""Ends the stages of a cold start."""
COLD_STAGES = ("load of the bundle", "first step", "load to first estimate")
"""What a fresh process is timed for; imports are in footprint."""
_COLD = """
import json, sys
from pathlib import Path
from benchmarks.latency import first_estimate
folder, target, threads, backend = sys.argv[1:]
told = first_estimate(Path(folder) if folder else None, target, int(threads), backend)
print(json.dumps(told), flush=True)
"""
_NAP_NS = 5 * NS_PER_MS
_STILL_NS = 15 * NS_PER_S


@dataclass(frozen=True, slots=True)
class LatencyPlan:
    """How much is measured of each target and number of threads."""

    paced: int = 3_000
    """Estimates at 30 frames per second."""
    busy: int = 900
    """Estimates beside a busy core."""
    rushed_s: float = 30.0
    """Length of the drive that is stepped as fast as it goes, s."""
    pauses: int = 5
    """Times that the camera rests."""
    pause_s: float = 10.0
    """For how long, s."""
    cold: int = 5
    """Times that a fresh process loads the bundle and gives its first estimate."""


def measure_latency(
    ways: Sequence[Way], plan: LatencyPlan, progress: Progress
) -> list[Record]:
    """Return the times of each way to run in every situation.

    Args:
        ways: What runs.
        plan: How much.
        progress: Told what is going on.

    Raises:
        BundleError: The bundle is damaged, or lacks a target.
        DataError: The stream stood still.
        RunnerError: A target does not run here.
    """
    drawn = draw(SEED, FPS)
    records: list[Record] = []
    for way in ways:
        model = way.load()
        measured = _Measured(way, model, plan, progress, drawn)
        try:
            records += measured.cold()
            records += measured.back_to_back()
            records += measured.paced()
            records += measured.beside_a_busy_core()
            records += measured.after_pauses()
        finally:
            model.close()
    return records


def first_estimate(
    folder: Path | None, target: str, threads: int, backend: str
) -> dict[str, int]:
    """Load a bundle and step once; return how long both took, ns.

    For a fresh process; arguments as the fields of ``Way``.
    """
    clock = SystemClock()
    start_ns = clock.now_ns()
    model = Way(folder, target, threads, backend).load()
    loaded_ns = clock.now_ns()
    with AffectStream(SimulatedSource(SEED, 1.0, FPS), model=model) as stream:
        next(iter(stream))
        told_ns = clock.now_ns()
        step_ms = stream.stats.stages["step"].max_ms
    model.close()
    taken_ns = loaded_ns - start_ns, round(step_ms * NS_PER_MS), told_ns - start_ns
    return dict(zip(COLD_STAGES, taken_ns, strict=True))


@dataclass(frozen=True, slots=True)
class _Measured:
    """One way to run."""

    way: Way
    model: AffectModel
    plan: LatencyPlan
    progress: Progress
    drawn: Drawn

    def cold(self) -> Iterator[Record]:
        """Yield what fresh processes take to load the bundle, and for one estimate."""
        folder = "" if self.way.folder is None else str(self.way.folder.resolve())
        given = folder, self.way.target, str(self.way.threads), self.way.backend
        times = range(self.plan.cold)
        shown = self.progress.track(times, self.plan.cold, self._told("cold"))
        taken = [json.loads(run_fresh(_COLD, *given)) for _ in shown]
        for name in COLD_STAGES:
            yield from self._of([one[name] for one in taken], f"{name}, {COLD}")

    def back_to_back(self) -> Iterator[Record]:
        """Yield what each stage takes when a file is read."""
        source = SimulatedSource(SEED, self.plan.rushed_s, FPS)
        cells = round(self.plan.rushed_s * FPS)
        stream = AffectStream(source, model=self.model)
        with stream:
            shown = self.progress.track(stream, cells, self._told("back to back"))
            for _ in shown:
                pass
        yield from self._stages(stream, "back to back")

    def paced(self) -> Iterator[Record]:
        """Yield what a camera's stream takes."""
        with self._running() as run:
            run.wait(self.plan.paced, self._told("paced"))
        yield from self._times(run, f"at {FPS} Hz")
        yield from self._stages(run.stream, f"at {FPS} Hz")

    def beside_a_busy_core(self) -> Iterator[Record]:
        """Yield the same while another process keeps a core busy."""
        with self._running() as run, busy_cores(1):
            run.wait(self.plan.busy, self._told("beside a busy core"))
        yield from self._times(run, "beside a busy core")
        yield from self._stages(run.stream, "beside a busy core")

    def after_pauses(self) -> Iterator[Record]:
        """Yield what the first frame takes after the camera rested."""
        count, pause_s = self.plan.pauses, self.plan.pause_s
        pauses = self.progress.track(range(count), count, self._told("after pauses"))
        with self._running() as run:
            ages_ns = [run.rest(round(pause_s * NS_PER_S)) for _ in pauses]
        late_ns = [age_ns - LATENCY_NS for age_ns in ages_ns]
        yield from self._of(late_ns, f"arrival to estimate, after {pause_s:g} s")
        yield from self._of(ages_ns, f"capture to estimate, after {pause_s:g} s")

    def _running(self) -> _Running:
        return _Running(
            self.model, LoopedSource(self.drawn, SystemClock()), self.progress
        )

    def _told(self, way: str) -> str:
        return f"{self.way.target} {self.way.label} {way}"

    def _times(self, run: _Running, way: str) -> Iterator[Record]:
        yield from self._of(
            run.delays.values_ns[WARM_UP:], f"arrival to estimate, {way}"
        )
        yield from self._of(run.delays.ages_ns[WARM_UP:], f"capture to estimate, {way}")

    def _of(self, values_ns: list[int], stage: str) -> Iterator[Record]:
        values_ms = np.array(values_ns, np.float64) / NS_PER_MS
        for metric, share in TOLD.items():
            if _is_told(share, len(values_ms)):
                value = float(np.percentile(values_ms, share))
                yield self._record(metric, value, stage, len(values_ms))

    def _stages(self, stream: AffectStream, way: str) -> Iterator[Record]:
        for name, stats in stream.stats.stages.items():
            for metric, share in TOLD.items():
                value = getattr(stats, metric, None)  # streams keep no 95th one
                if value is not None and _is_told(share, stats.n):
                    yield self._record(metric, float(value), f"{name}, {way}", stats.n)

    def _record(self, metric: str, value: float, stage: str, count: int) -> Record:
        return Record(
            metric,
            value,
            split=self.way.label,
            stage=stage,
            n=count,
            model="ours-s",
            target=self.way.target,
        )


def _is_told(share: float, count: int) -> bool:
    """Tell whether there are enough values: a percentile wants some beyond it."""
    return share in (50.0, 100.0) or count * (100 - share) >= 100


class _Running:
    """A live stream of a looped camera, watched."""

    def __init__(
        self, model: AffectModel, source: LoopedSource, progress: Progress
    ) -> None:
        self._clock = SystemClock()
        self._source = source
        wait_ns = NS_PER_S // FPS + source.info.latency_ns
        self.delays = Delays(self._clock, source.arrived_ns, wait_ns)
        self.stream = AffectStream(source, model=model, sinks=[self.delays])
        self._progress = progress

    def __enter__(self) -> _Running:
        self.stream.__enter__()
        self.wait(WARM_UP, "warm-up")
        return self

    def __exit__(self, *exc: object) -> None:
        self.stream.close()

    def wait(self, estimates: int, label: str) -> None:
        """Return after so many more estimates."""
        times, start = self.delays.values_ns, len(self.delays.values_ns)
        for done in self._progress.track(range(estimates), estimates, label):
            wanted = start + done
            self._until(partial(lambda wanted: len(times) > wanted, wanted))

    def rest(self, pause_ns: int) -> int:
        """Let the camera rest; return how old its first estimate is then, ns."""
        self._source.hold(self._clock.now_ns() + pause_ns)
        ages = self.delays.ages_ns
        self._clock.sleep_until(self._clock.now_ns() + pause_ns // 2)
        before = len(ages)
        self._until(lambda: len(ages) > before, pause_ns + _STILL_NS)
        return ages[before]

    def _until(self, is_there: Callable[[], bool], still_ns: int = _STILL_NS) -> None:
        until_ns = self._clock.now_ns() + still_ns
        while not is_there():
            if self._clock.now_ns() > until_ns:
                raise DataError(
                    f"latency: no estimate came for {still_ns / NS_PER_S:g} s; the "
                    "stream stands"
                )
            self._clock.sleep_until(self._clock.now_ns() + _NAP_NS)
