"""A run in simulated time: the real loop over a scripted device, in one thread."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.soak.device import LATENCY_NS, Picture, ScriptedDevice
from benchmarks.soak.process import Growth, ProcessWatch
from benchmarks.soak.script import Event, make_script
from benchmarks.soak.stub import StubRunner
from benchmarks.soak.watch import Findings, Watch
from edge_affect.affect_model import AffectModel
from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.config import RealtimeSettings, StreamConfig
from edge_affect.events import FACE, SERVICE, VOICE, EventLog
from edge_affect.realtime.budget import StageTimes
from edge_affect.realtime.feed import LoopFeed
from edge_affect.realtime.ladder import RUNGS
from edge_affect.realtime.loop import LoopTiming, StreamLoop
from edge_affect.realtime.process import in_real_time
from edge_affect.realtime.slots import BoundedQueue
from edge_affect.realtime.stepper import CellStepper
from edge_affect.sinks.record import estimate_record, line_from_record
from edge_affect.testing import EventClock, FakeModel
from edge_affect.types import Estimate, HealthState

START_NS = NS_PER_S
WARM_UP_SHARE = 0.1
"""Share of the frames after which memory is looked at first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one simulated run brought up."""

    frames: int
    """Frames that reached the stream."""
    cells: int
    """Estimates that came."""
    simulated_s: float
    """Time that passed in the simulation."""
    digest: str
    """SHA-256 of the estimates' lines and the events between them."""
    findings: Findings
    growth: Growth
    misses: int
    """Steps over the budget, faults included."""
    openings: int
    """Times that a device was opened again."""
    log_lines: int
    """Warnings in the log."""
    read: int
    """Estimates that the consumer read."""
    pushed_out: int
    """Estimates that a stalled consumer lost, counted."""

    def joined(self, later: Outcome) -> Outcome:
        """Return both as one run; of memory the larger growth counts."""
        return Outcome(
            self.frames + later.frames,
            self.cells + later.cells,
            self.simulated_s + later.simulated_s,
            hashlib.sha256((self.digest + later.digest).encode()).hexdigest(),
            self.findings.joined(later.findings),
            self.growth.joined(later.growth),
            self.misses + later.misses,
            self.openings + later.openings,
            self.log_lines + later.log_lines,
            self.read + later.read,
            self.pushed_out + later.pushed_out,
        )


class SimulatedRun:
    """One device, one loop, one consumer; used once."""

    def __init__(
        self,
        seed: int,
        model: AffectModel | None = None,
        pictures: Sequence[Picture] | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            seed: Of the script and the costs.
            model: What steps, without taking time; None for the stub, at its costs.
            pictures: What the camera sees; None for what the stub takes for a face.
        """
        self._seed = seed
        self._clock = EventClock(START_NS)
        self._runner = StubRunner(self._clock, seed)
        model = model or FakeModel(runner=self._runner, tracks=False)
        config = StreamConfig("research")
        stepper = CellStepper(model, config, StageTimes(self._clock))
        rate = model.bundle.manifest.timing.cell_hz
        wait_ns = NS_PER_S * rate[1] // rate[0] + LATENCY_NS
        budget_ns = int(config.budget_ms * NS_PER_MS)
        self._loop = StreamLoop(
            stepper, self._clock, self._emit, LoopTiming(rate, wait_ns, budget_ns)
        )
        self._feed = LoopFeed(self._loop, self._clock)
        self._device = ScriptedDevice(
            self._clock, self._runner, self._feed.take, self._stall, pictures
        )
        self._watch = Watch(self._loop, self._feed, self._device, budget_ns)
        self._ready: BoundedQueue[Estimate] = BoundedQueue(config.queue_capacity)
        self._stalled = False
        self._read = 0
        self._newest = -1
        self._digest = hashlib.sha256()
        self._events = EventLog()
        self._told = (HealthState.LOST.value, HealthState.LOST.value, RUNGS[0].name)

    def run(self, frames: int, tell: Callable[[int], None] = lambda _: None) -> Outcome:
        """Run until ``frames`` frames have come.

        Args:
            frames: How many reach the stream, to within an episode.
            tell: Told now and then how many have come.
        """
        process = ProcessWatch()
        events = self._observed(make_script(self._seed, frames), frames, process, tell)
        self._clock.follow(self._device.calls(events))
        # As `edge-affect run` has it. With the oldest generation at rest, what the loop
        # leaves behind would show as memory that grows.
        with (
            process,
            _counted_log() as lines,
            in_real_time(RealtimeSettings(freeze_collector=True)),
        ):
            try:
                self._feed.run()
            except AssertionError as error:  # the loop's own books do not add up
                self._watch.hold("accounting", False, str(error))
        self._consume()
        self._watch.end()
        findings = self._watch.findings
        lost = self._loop.cells - self._read - self._ready.dropped
        findings.counted["order"] += 1
        findings.broken["order"] += lost
        return Outcome(
            self._device.frames,
            self._loop.cells,
            (self._clock.now_ns() - START_NS) / NS_PER_S,
            self._digest.hexdigest(),
            findings,
            process.growth,
            self._loop.misses,
            self._device.camera.opened + self._device.microphone.opened - 2,
            len(lines),
            self._read,
            self._ready.dropped,
        )

    def _observed(
        self,
        events: Iterator[Event],
        frames: int,
        process: ProcessWatch,
        tell: Callable[[int], None],
    ) -> Iterator[Event]:
        """Yield ``events``; look at the process after warm-up; end the feed."""
        warm = False
        told = -1
        for event in events:
            done = self._device.frames
            if not warm and done >= frames * WARM_UP_SHARE:
                process.start()
                warm = True
            if done // 1_000 != told:
                told = done // 1_000
                tell(min(done, frames))
            yield event
        self._feed.end()

    def _emit(self, estimate: Estimate) -> None:
        line = line_from_record(estimate_record(estimate))
        self._digest.update(line.encode())
        self._watch.see(estimate, self._clock.now_ns())
        self._follow(estimate)
        self._ready.put(estimate)
        if not self._stalled:
            self._consume()

    def _follow(self, estimate: Estimate) -> None:
        """Check that whoever knows the events alone knows the state."""
        self._events.see(estimate, self._ready.dropped)
        state = dict(zip((FACE, VOICE, SERVICE), self._told, strict=True))
        for event in self._events.take():
            self._digest.update(repr(event).encode())
            if event.what in state:
                kept = state[event.what] == event.before
                self._watch.hold("events", kept, f"{event}")
                state[event.what] = event.after
        self._told = (state[FACE], state[VOICE], state[SERVICE])
        health = estimate.health
        true = (health.face.value, health.voice.value, RUNGS[estimate.rung].name)
        self._watch.hold("events", self._told == true, f"{self._told}, truly {true}")

    def _stall(self, stalled: bool) -> None:  # noqa: FBT001
        self._stalled = stalled

    def _consume(self) -> None:
        while (estimate := self._ready.take()) is not None:
            if estimate.index <= self._newest:
                self._watch.findings.broken["order"] += 1
            self._newest = estimate.index
            self._read += 1


@contextlib.contextmanager
def _counted_log() -> Iterator[deque[None]]:
    """Keep the library's warnings from the terminal; yield as many as there were."""
    lines: deque[None] = deque()

    class Counting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            del record
            lines.append(None)

    logger, handler = logging.getLogger("edge_affect"), Counting(logging.WARNING)
    logger.addHandler(handler)
    propagate, logger.propagate = logger.propagate, False
    try:
        yield lines
    finally:
        logger.propagate = propagate
        logger.removeHandler(handler)
