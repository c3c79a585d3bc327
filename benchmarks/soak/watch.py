"""Holds every estimate of a simulated run against what really happened."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.soak.device import ScriptedDevice
from benchmarks.soak.script import Do
from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.realtime.accounts import REPEATED, SOURCE
from edge_affect.realtime.feed import LoopFeed
from edge_affect.realtime.health import CLIPPED, LOST_NS, STALE_NS
from edge_affect.realtime.ladder import RUNGS
from edge_affect.realtime.loop import StreamLoop
from edge_affect.sensing.quality import DARK, FROZEN
from edge_affect.types import Estimate, HealthState

FLAG_FRAMES = 10
"""Frames within which a dark or frozen camera must be told."""
RETURN_NS = NS_PER_S
"""Time within which a source that returned must be ``ok``."""
SILENT_NS = NS_PER_S
"""Time within which dead sound must be told."""
CLIPPED_NS = 500 * NS_PER_MS
"""Time within which sound that is cut off must be told."""
SOUND_GONE_NS = LOST_NS + 300 * NS_PER_MS
"""Age of sound from which it must be ``lost``: the lag of a step and two hops more."""
CLIMB_NS = 10 * NS_PER_S
"""Time within which full service must be back after a slow model."""
_SETTLED_NS = NS_PER_S
"""A model that is well for so long has no old work left."""
_TOLD_MOST = 5
_GONE = (HealthState.STALE, HealthState.LOST)
_NUMBERS = ("valence", "arousal", "valence_std", "arousal_std", "confidence")
_SLOW = (Do.MODEL_SLOW, Do.MODEL_HEAT, Do.MODEL_HANG)


@dataclass(slots=True)
class Findings:
    """What a run showed."""

    broken: Counter[str] = field(default_factory=Counter)
    """Times that each promise was broken."""
    told: list[str] = field(default_factory=list)
    """The first of these times for each promise, one line each."""
    worst: dict[str, float] = field(default_factory=dict)
    """Largest value seen of each figure."""
    counted: Counter[str] = field(default_factory=Counter)
    """Times that each promise was put to the test."""

    def joined(self, later: Findings) -> Findings:
        """Return both as one."""
        figures = self.worst.keys() | later.worst.keys()
        lowest = -math.inf
        return Findings(
            self.broken + later.broken,
            self.told + later.told,
            {
                figure: max(
                    self.worst.get(figure, lowest), later.worst.get(figure, lowest)
                )
                for figure in figures
            },
            self.counted + later.counted,
        )


class Watch:
    """Sees every estimate as it is emitted."""

    def __init__(
        self, loop: StreamLoop, feed: LoopFeed, device: ScriptedDevice, budget_ns: int
    ) -> None:
        """Start before the first estimate.

        Args:
            loop: Its accounts and counters.
            feed: Where a frame may wait.
            device: Knows the truth.
            budget_ns: The steps' budget.
        """
        self.findings = Findings()
        self._loop = loop
        self._feed = feed
        self._device = device
        self._budget_ns = budget_ns
        self._next_cell = 0
        self._skipped = 0
        self._last_ns = -1
        self._misses = 0
        self._flag_open: Do | None = None
        self._unflagged = 0
        self._face_before = HealthState.LOST
        self._low_since_ns: int | None = None

    def see(self, estimate: Estimate, now_ns: int) -> None:
        """Check one estimate, emitted at ``now_ns``."""
        self._order(estimate)
        self._accounts(estimate)
        self._values(estimate)
        self._face_age(estimate)
        self._flags(estimate)
        self._face_back(estimate)
        self._voice(estimate)
        self._ladder(estimate, now_ns)
        self._misses_when_well(estimate, now_ns)

    def end(self) -> None:
        """Check what must hold after the last estimate."""
        accounts, truth = self._loop.accounts, self._device.truth
        self.hold("accounting", accounts.waiting == 0, f"{accounts.waiting} wait")
        counts = (accounts.captured, accounts.dropped.get(REPEATED, 0))
        true = (truth.captured, truth.repeated)
        self.hold("accounting", counts == true, f"got {counts}, truly {true}")
        lost = accounts.dropped.get(SOURCE, 0)
        self.hold("accounting", lost == truth.lost, f"got {lost}, lost {truth.lost}")

    def hold(self, promise: str, kept: bool, told: str = "") -> None:  # noqa: FBT001
        """Count one test of ``promise``, and the first times that it was broken."""
        findings = self.findings
        findings.counted[promise] += 1
        if not kept:
            findings.broken[promise] += 1
            if findings.broken[promise] <= _TOLD_MOST:
                at_s = self._last_ns / NS_PER_S
                findings.told.append(f"{promise}: {told} ({at_s:.3f} s)")

    def _measure(self, figure: str, value: float) -> None:
        worst = self.findings.worst
        worst[figure] = max(value, worst.get(figure, -math.inf))

    def _order(self, estimate: Estimate) -> None:
        skipped = self._loop.skipped - self._skipped
        self._skipped += skipped
        expected = self._next_cell + skipped
        told = f"cell {estimate.index}, expected {expected}"
        self.hold("order", estimate.index == expected, told)
        self.hold("order", estimate.t_ns > self._last_ns, f"{told}: time went back")
        self._next_cell = estimate.index + 1
        self._last_ns = estimate.t_ns

    def _accounts(self, estimate: Estimate) -> None:
        accounts, truth = self._loop.accounts, self._device.truth
        in_hand = accounts.waiting - self._feed.frame_waits
        # A frame in hand waits for the cells before its own to be held.
        kept = in_hand == 0 or (in_hand == 1 and estimate.held)
        kept &= accounts.captured == truth.captured
        told = f"{accounts.waiting} wait of {accounts.captured}, {truth.captured} true"
        self.hold("accounting", kept, told)

    def _values(self, estimate: Estimate) -> None:
        numbers = [getattr(estimate, name) for name in _NUMBERS]
        finite = all(x is None or math.isfinite(x) for x in numbers)
        self.hold("finite", finite, f"{numbers}")
        health = estimate.health
        if health.face is HealthState.LOST and health.voice in _GONE:
            dead = estimate.valence is None and estimate.confidence is None
            self.hold("no value from dead input", dead, f"cell {estimate.index}")

    def _face_age(self, estimate: Estimate) -> None:
        truth = self._device.truth
        before, face = self._face_before, estimate.health.face
        self._face_before = face
        # A camera that repeats a picture is told by ``frozen``, not by its age.
        if truth.good_ns is None or truth.camera_fault in (Do.FREEZE, Do.SWAP):
            return
        age_ns = estimate.t_ns - truth.good_ns
        told = f"face {face.value} {age_ns / NS_PER_MS:.1f} ms after its last picture"
        if age_ns >= LOST_NS:
            self.hold("lost at 330 ms", face is HealthState.LOST, told)
        elif age_ns >= STALE_NS:
            self.hold("stale at 170 ms", face in _GONE, told)
        if truth.camera_fault is Do.UNPLUG and truth.model_fault is None:
            if before is not face is HealthState.STALE and age_ns < LOST_NS:
                self._measure("stale after ms", age_ns / NS_PER_MS)
            if before is HealthState.STALE and face is HealthState.LOST:
                self._measure("lost after ms", age_ns / NS_PER_MS)

    def _flags(self, estimate: Estimate) -> None:
        truth = self._device.truth
        fault = truth.camera_fault
        if fault not in (Do.FREEZE, Do.SWAP, Do.DARK):
            self._flag_open = None
            return
        if fault is not self._flag_open:
            self._flag_open, self._unflagged = fault, 0
        if estimate.frame is None or estimate.frame < truth.bad_frames[0]:
            return
        reason = DARK if fault is Do.DARK else FROZEN
        if reason in estimate.health.reasons:
            if self._unflagged >= 0:
                self._measure(f"{reason} after frames", self._unflagged + 1)
                self.hold("dead picture told", self._unflagged < FLAG_FRAMES)
            self._unflagged = -1
        elif self._unflagged >= 0:
            self._unflagged += 1
            told = f"{fault.value}: {self._unflagged} frames without {reason}"
            self.hold("dead picture told", self._unflagged < FLAG_FRAMES, told)
        else:
            # Of two pictures by turns one may long be left out by the grid; when it
            # comes it is new, and must be told anew.
            self._unflagged = 1

    def _face_back(self, estimate: Estimate) -> None:
        truth = self._device.truth
        if truth.back_ns is None:
            return
        if not RUNGS[estimate.rung].vision_every or truth.model_fault is not None:
            truth.back_ns = None  # nothing is seen: another promise's matter
            return
        late_ns = estimate.t_ns - truth.back_ns
        if estimate.health.face is HealthState.OK and late_ns >= 0:
            self.hold("source back is ok", late_ns < RETURN_NS)
            self._measure("camera ok after ms", late_ns / NS_PER_MS)
            truth.back_ns = None
        elif late_ns >= RETURN_NS:
            face = estimate.health
            self.hold("source back is ok", False, f"face is {face}")
            truth.back_ns = None

    def _voice(self, estimate: Estimate) -> None:
        truth = self._device.truth
        # What was taken while the model was slow or broken may be told late.
        ailing = truth.model_fault is not None or estimate.t_ns < truth.model_well_ns
        if truth.sound_ns is None or ailing:
            if truth.model_fault is not None:
                truth.sound_back_ns = None
            return
        voice = estimate.health.voice
        if truth.sound_fault is Do.MIC_UNPLUG:
            age_ns = estimate.t_ns - truth.sound_ns
            if age_ns >= SOUND_GONE_NS:
                told = f"voice {voice.value} {age_ns / NS_PER_MS:.0f} ms after sound"
                self.hold("dead sound told", voice is HealthState.LOST, told)
        silent = truth.sound_fault in (Do.SILENCE, Do.DC)
        if silent and estimate.t_ns - truth.sound_fault_ns >= SILENT_NS:
            told = f"voice {voice.value} in {truth.sound_fault}"
            self.hold("dead sound told", voice in _GONE, told)
        cut_off_ns = estimate.t_ns - truth.sound_fault_ns
        if truth.sound_fault is Do.CLIP and cut_off_ns >= CLIPPED_NS:
            told = f"voice {voice.value} {estimate.health.reasons} in clipped sound"
            is_told = CLIPPED in estimate.health.reasons
            self.hold("clipped sound told", is_told or voice in _GONE, told)
        if truth.sound_back_ns is None:
            return
        late_ns = estimate.t_ns - truth.sound_back_ns
        if voice is HealthState.OK and late_ns >= 0:
            self.hold("source back is ok", late_ns < RETURN_NS)
            self._measure("sound ok after ms", late_ns / NS_PER_MS)
            truth.sound_back_ns = None
        elif late_ns >= RETURN_NS:
            self.hold("source back is ok", False, f"voice is {estimate.health}")
            truth.sound_back_ns = None

    def _ladder(self, estimate: Estimate, now_ns: int) -> None:
        truth = self._device.truth
        self._measure("lowest rung", estimate.rung)
        if truth.model_fault is not None:
            self._low_since_ns = None
            return
        if self._low_since_ns is not None:  # nothing can climb while the machine sleeps
            self._low_since_ns = max(self._low_since_ns, truth.suspended_ns or 0)
        if not estimate.rung:
            if self._low_since_ns is not None:
                late_ns = now_ns - self._low_since_ns
                self._measure("full service after s", late_ns / NS_PER_S)
                self.hold("back to full service", late_ns <= CLIMB_NS)
            self._low_since_ns = None
            return
        if self._low_since_ns is None:
            self._low_since_ns = max(truth.model_well_ns, truth.suspended_ns or 0)
        late_ns = now_ns - self._low_since_ns
        if late_ns > CLIMB_NS:
            told = f"rung {estimate.rung} {late_ns / NS_PER_S:.1f} s after"
            self.hold("back to full service", False, told)

    def _misses_when_well(self, estimate: Estimate, now_ns: int) -> None:
        truth = self._device.truth
        misses = self._loop.misses - self._misses
        self._misses += misses
        well = truth.model_fault is None
        well &= now_ns - truth.model_well_ns > _SETTLED_NS
        woke_ns = truth.suspended_ns
        well &= woke_ns is None or now_ns - woke_ns > _SETTLED_NS
        if well:
            self.findings.counted["healthy steps"] += 1
            self.hold("no miss when healthy", not misses, f"cell {estimate.index}")
            if estimate.health.face is HealthState.OK and estimate.frame is not None:
                self._measure("age when ok, ms", estimate.age_ms)
