"""A run by the machine's clock: the shipped bundle over the embedded camera."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.arrivals import Delays
from benchmarks.progress import Progress
from benchmarks.soak.load import OtherLoad, StolenTime, busy_cores
from benchmarks.soak.process import ProcessWatch
from benchmarks.soak.rows import Row
from benchmarks.soak.watch import CLIMB_NS
from edge_affect.affect_model import AffectModel
from edge_affect.clock import NS_PER_MS, NS_PER_S, SystemClock
from edge_affect.config import RealtimeSettings, StreamConfig
from edge_affect.errors import DataError
from edge_affect.realtime.stream import AffectStream
from edge_affect.sources.base import Closing, SourceInfo
from edge_affect.sources.simulated import SimulatedSource
from edge_affect.types import AudioChunk, Frame

FPS = 30
BUDGET_MS = 33.3
WARM_UP_FRAMES = 90
MISS_SHARE = 0.001
"""Share of estimates that may be late in a run of more than 3,000; in those none."""
_FEW = 3_000
_LOOPS_PER_CORE = 8
"""Busy loops on each core of a starved machine. With one, the scheduler gives short
steps their turn at once, and no rung is left."""
_NAP_NS = 5 * NS_PER_MS
_STILL_NS = 5 * NS_PER_S
MOST_STEAL = 0.01
"""Share of the processors' time that others may have stolen; above it nothing that
was measured says anything."""
MOST_PAUSE_MS = 1.0


@dataclass(frozen=True, slots=True)
class RealtimePlan:
    """How long each part takes."""

    frames: int = 3_000
    """Frames of the healthy part."""
    cycles: int = 20
    """Times that every core is kept busy."""
    starve_s: float = 4.0
    """For how long each time, s."""

    def __post_init__(self) -> None:
        if self.cycles < 0 or not 0 < self.starve_s <= 600:
            raise DataError(
                f"soak: got {self.cycles} cycles of {self.starve_s:g} s, expected 0 or "
                "more of up to 600 s"
            )


@dataclass(frozen=True, slots=True)
class RealtimeOutcome:
    """What a run in real time brought up."""

    rows: Sequence[Row]
    told: Sequence[str]
    """One line for each thing that speaks against the figures."""
    model: str
    """What was measured."""
    run: Mapping[str, object]
    """What ran."""


class _Stamped(Closing):
    """A source that remembers when its frames arrived."""

    def __init__(self, source: SimulatedSource) -> None:
        self._source = source
        self._arrivals: dict[int, int] = {}

    def forget(self, index: int) -> int:
        """Return when frame ``index`` arrived; forget it and those before it."""
        arrival_ns = self._arrivals[index]
        for older in [k for k in tuple(self._arrivals) if k <= index]:
            del self._arrivals[older]
        return arrival_ns

    @property
    def info(self) -> SourceInfo:
        """What is known of the source."""
        return self._source.info

    def __enter__(self) -> _Stamped:
        """Open the source."""
        self._source.__enter__()
        return self

    def read(self, timeout_ns: int) -> Frame | AudioChunk | None:
        """Return the next item."""
        item = self._source.read(timeout_ns)
        if isinstance(item, Frame):
            self._arrivals[item.index] = item.t_arrival_ns
        return item

    @property
    def ended(self) -> bool:
        """Whether every item was read."""
        return self._source.ended

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def soak_realtime(plan: RealtimePlan, seed: int, progress: Progress) -> RealtimeOutcome:
    """Run the healthy part, then the starved one; return the rows.

    Raises:
        DataError: The stream stood still.
    """
    clock = SystemClock()
    source = _Stamped(SimulatedSource(seed, None, FPS, live=True, clock=clock))
    wait_ns = NS_PER_S // FPS + source.info.latency_ns
    delays = Delays(clock, source.forget, wait_ns)
    model = AffectModel.load(purpose="research")
    steal, process = StolenTime(), ProcessWatch()
    try:
        # As `edge-affect run` has it: the oldest generation rests.
        settings = RealtimeSettings(freeze_collector=True)
        config = StreamConfig("research", budget_ms=BUDGET_MS, realtime=settings)
        stream = AffectStream(
            source, model=model, sinks=[delays], config=config, clock=clock
        )
        with stream:
            run = _Run(stream, delays, clock, progress)
            run.wait_for(WARM_UP_FRAMES, "warm-up")
            process.start()
            steal.start()
            with process:
                others = OtherLoad()
                healthy = run.healthy(plan.frames)
                healthy.append(others.row())
                starved = run.starved(plan)
            stolen = steal.share()
        left = stream.stats
    finally:
        model.close()
    unaccounted = left.captured - left.processed - sum(left.dropped.values())
    growth, cells = process.growth, len(delays.values_ns)
    rows = [
        *healthy,
        *starved,
        Row("frames unaccounted for", "count", unaccounted, 0, left.captured),
        Row("collections of generation 2", "count", growth.collections, 0, cells),
        Row("collector pause", "max_ms", growth.pause_ms, MOST_PAUSE_MS, cells),
        Row("open files more", "count", growth.handles, 0, cells),
        Row("threads more", "count", growth.threads, 0, cells),
        Row("share of time stolen", "ratio", round(stolen, 5), MOST_STEAL, 1),
    ]
    told = []
    if stolen > MOST_STEAL:
        told.append(f"void: {100 * stolen:.1f} % of the processors' time was stolen")
    bundle = model.bundle
    return RealtimeOutcome(
        rows,
        told,
        bundle.manifest.name,
        {
            "bundle": {
                "name": bundle.manifest.name,
                "version": bundle.manifest.version,
                "digest": bundle.digest,
            },
            "target": model.target,
            "budget_ms": BUDGET_MS,
            "settings": asdict(plan),
        },
    )


class _Run:
    """The parts of a run over an open stream."""

    def __init__(
        self,
        stream: AffectStream,
        delays: Delays,
        clock: SystemClock,
        progress: Progress,
    ) -> None:
        self._stream = stream
        self._delays = delays
        self._clock = clock
        self._progress = progress

    def wait_for(self, estimates: int, label: str) -> None:
        """Return after so many more estimates."""
        times = self._delays.values_ns
        start = len(times)
        for done in self._progress.track(range(estimates), estimates, label):
            before, until_ns = len(times), self._clock.now_ns() + _STILL_NS
            while len(times) - start <= done:
                self._nap()
                if len(times) == before and self._clock.now_ns() > until_ns:
                    raise DataError("soak: no estimate came for 5 s; the stream stands")

    def _nap(self) -> None:
        self._clock.sleep_until(self._clock.now_ns() + _NAP_NS)

    def healthy(self, frames: int) -> list[Row]:
        """Return the rows of ``frames`` estimates that nothing disturbs."""
        start, misses = len(self._delays.values_ns), self._stream.stats.misses
        self.wait_for(frames, "healthy")
        misses = self._stream.stats.misses - misses
        delays_ms = np.array(self._delays.values_ns[start:]) / NS_PER_MS
        n = len(delays_ms)
        allowed = 0 if n <= _FEW else n * MISS_SHARE
        rows = [Row("misses while healthy", "count", misses, allowed, n)]
        bounds = {"p50_ms": math.inf, "p99_ms": BUDGET_MS / 2, "p999_ms": math.inf}
        for (metric, most), share in zip(bounds.items(), (50, 99, 99.9), strict=True):
            seen = round(float(np.percentile(delays_ms, share)), 2)
            rows.append(Row(f"{share:g} % of estimates within", metric, seen, most, n))
        longest = round(float(delays_ms.max()), 2)
        return [*rows, Row("all estimates within", "max_ms", longest, math.inf, n)]

    def starved(self, plan: RealtimePlan) -> list[Row]:
        """Return the rows of cycles in which every core is busy with other things."""
        before = self._stream.stats.misses
        back_ms: list[float] = []
        lowest = 0
        for _ in self._progress.track(range(plan.cycles), plan.cycles, "starved"):
            self._delays.lowest = 0
            with busy_cores(_LOOPS_PER_CORE * len(os.sched_getaffinity(0))):
                self._let_pass(round(plan.starve_s * NS_PER_S))
            took_ms = self._until_full() / NS_PER_MS
            if self._delays.lowest:  # else there was nothing to come back from
                back_ms.append(took_ms)
            lowest = max(lowest, self._delays.lowest)
        misses = self._stream.stats.misses - before
        worst = round(max(back_ms, default=0.0), 1)
        most, n = CLIMB_NS / NS_PER_MS, plan.cycles
        return [
            Row("starved, until full service", "max_ms", worst, most, len(back_ms)),
            Row("misses while starved", "count", misses, math.inf, n),
            Row("lowest rung", "count", lowest, math.inf, n),
        ]

    def _let_pass(self, span_ns: int) -> None:
        until_ns = self._clock.now_ns() + span_ns
        while self._clock.now_ns() < until_ns:
            self.wait_for(1, "starved")

    def _until_full(self) -> int:
        """Return the time until full service is back, and stays for a second."""
        start_ns = self._clock.now_ns()
        while True:
            self.wait_for(1, "starved")
            now_ns, low_ns = self._clock.now_ns(), self._delays.low_ns
            stays = now_ns - max(low_ns, start_ns) >= NS_PER_S
            if stays or now_ns - start_ns > 2 * CLIMB_NS:
                return max(0, low_ns - start_ns) if stays else now_ns - start_ns
