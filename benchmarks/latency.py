"""How long a frame takes: each stage, and from arrival and capture to the estimate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.arrivals import Delays
from benchmarks.looped import Drawn, LoopedSource, draw
from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.soak.load import busy_cores
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
_NAP_NS = 5 * NS_PER_MS
_STILL_NS = 15 * NS_PER_S


@dataclass(frozen=True, slots=True)
class LatencyPlan:
    """How much is measured of each target and number of threads."""

    paced: int = 3_000
    """Estimates at 30 frames per second with the default target and one thread."""
    others: int = 900
    """Estimates of every other way."""
    rushed_s: float = 30.0
    """Length of the drive that is stepped as fast as it goes, s."""
    pauses: int = 5
    """Times that the camera rests."""
    pause_s: float = 10.0
    """For how long, s."""


@dataclass(frozen=True, slots=True)
class Way:
    """What runs."""

    folder: Path | None
    """The bundle's; None for the shipped one."""
    target: str
    """Which of its graphs."""
    threads: int
    """Threads of a graph."""

    @property
    def label(self) -> str:
        """Threads, for people."""
        return f"{self.threads} thread" + ("s" if self.threads > 1 else "")

    def load(self) -> AffectModel:
        """Return the model; the caller closes it.

        Raises:
            BundleError: The bundle is damaged, or lacks the target.
            RunnerError: The target does not run here.
        """
        return AffectModel.load(
            self.folder,
            purpose="research",
            backend="onnxruntime",
            target=self.target,
            threads=self.threads,
            allow_unsigned=self.folder is not None,
        )


def measure_latency(
    ways: Sequence[Way], plan: LatencyPlan, progress: Progress
) -> list[Record]:
    """Return the times of each way to run; of the first one in more situations.

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
    for number, way in enumerate(ways):
        model = way.load()
        measured = _Measured(way, model, plan, progress, drawn)
        try:
            records += measured.back_to_back()
            records += measured.paced(plan.others if number else plan.paced)
            if not number:
                records += measured.beside_a_busy_core()
                records += measured.after_pauses()
        finally:
            model.close()
    return records


@dataclass(frozen=True, slots=True)
class _Measured:
    """One way to run."""

    way: Way
    model: AffectModel
    plan: LatencyPlan
    progress: Progress
    drawn: Drawn

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

    def paced(self, estimates: int) -> Iterator[Record]:
        """Yield what a camera's stream takes."""
        with self._running() as run:
            run.wait(estimates, self._told("paced"))
        yield from self._times(run, f"at {FPS} Hz")
        yield from self._stages(run.stream, f"at {FPS} Hz")

    def beside_a_busy_core(self) -> Iterator[Record]:
        """Yield the same while another process keeps a core busy."""
        with self._running() as run, busy_cores(1):
            run.wait(self.plan.others, self._told("beside a busy core"))
        yield from self._times(run, "beside a busy core")

    def after_pauses(self) -> Iterator[Record]:
        """Yield what the first frame takes after the camera rested."""
        count, pause_s = self.plan.pauses, self.plan.pause_s
        pauses = self.progress.track(range(count), count, self._told("after pauses"))
        with self._running() as run:
            first_ns = [run.rest(round(pause_s * NS_PER_S)) for _ in pauses]
        yield from self._of(first_ns, f"arrival to estimate, after {pause_s:g} s")

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
            # A percentile wants a few values beyond it.
            if share in (50.0, 100.0) or len(values_ms) * (100 - share) >= 100:
                value = float(np.percentile(values_ms, share))
                yield self._record(metric, value, stage, len(values_ms))

    def _stages(self, stream: AffectStream, way: str) -> Iterator[Record]:
        for name, stats in stream.stats.stages.items():
            for metric in ("p50_ms", "p99_ms", "max_ms"):
                value = float(getattr(stats, metric))
                yield self._record(metric, value, f"{name}, {way}", stats.n)

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
        """Let the camera rest; return how late its first estimate comes then, ns."""
        self._source.hold(self._clock.now_ns() + pause_ns)
        ages = self.delays.ages_ns
        self._clock.sleep_until(self._clock.now_ns() + pause_ns // 2)
        before = len(ages)
        self._until(lambda: len(ages) > before, pause_ns + _STILL_NS)
        return ages[before] - self._source.info.latency_ns

    def _until(self, is_there: Callable[[], bool], still_ns: int = _STILL_NS) -> None:
        until_ns = self._clock.now_ns() + still_ns
        while not is_there():
            if self._clock.now_ns() > until_ns:
                raise DataError(
                    f"latency: no estimate came for {still_ns / NS_PER_S:g} s; the "
                    "stream stands"
                )
            self._clock.sleep_until(self._clock.now_ns() + _NAP_NS)
