"""What the driver is doing, from the face's signals over time: eyes, yawns, turns away.

The definitions are ours. PERCLOS is the share of time that the eyes are closed
(Wierwille et al. 1994, DOT HS 808 247), here over the last minute and from half closed
on, since the closure that a face graph tells is not a measured share of the pupil.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.model.affect import FaceReading, FaceSignals

PERCLOS_NS = 60 * NS_PER_S
"""Span that PERCLOS looks back over."""
PERCLOS_LEAST_NS = 10 * NS_PER_S
"""Time that a face must have been seen in it."""
CLOSED = 0.5
"""Closure from which the eyes count as closed."""
YAWN_NS = 1_200 * NS_PER_MS
"""Time that the mouth stays open in a yawn; in speech it closes sooner."""
AWAY_DEG = 45.0
"""Turn from the usual direction at which ``head_away`` is 1."""
_GAP_NS = 200 * NS_PER_MS
"""A face unseen for longer than this was unseen: the time between does not count."""
_BIN_DEG = 5.0
_FORGET_NS = 300 * NS_PER_S
"""What was usual loses two thirds of its weight in this time."""
_JAW = "AU26"


@dataclass(frozen=True, slots=True)
class _Seen:
    t_ns: int
    span_ns: int
    """Time that it stands for, from the face before."""
    closed: bool
    jaw: float


class DriverSignals:
    """Follows one driver; reset for another."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the driver."""
        self._seen: deque[_Seen] = deque()
        self._watched_ns = self._closed_ns = 0
        self._usual = (_Usual(), _Usual())

    def update(self, t_ns: int, reading: FaceReading) -> Mapping[str, float] | None:
        """Take what the face of one frame told.

        Args:
            t_ns: Capture of the frame; rises from call to call.
            reading: What the face graph told.

        Returns:
            Signals in [0, 1] by their names, as far as they are known; None where the
            bundle has no such head.
        """
        signals = reading.signals
        if signals is None:
            return None
        span_ns = t_ns - self._seen[-1].t_ns if self._seen else 0
        if span_ns > _GAP_NS:
            span_ns = 0
        jaw = signals.action_units.get(_JAW, 0.0)
        closed = signals.eyes_closed >= CLOSED
        self._seen.append(_Seen(t_ns, span_ns, closed, jaw))
        self._count(self._seen[-1], 1)
        while self._seen[0].t_ns <= t_ns - PERCLOS_NS:
            self._count(self._seen.popleft(), -1)
        values = {"eyes_closed": signals.eyes_closed}
        yawn = self._yawn(t_ns)
        if yawn is not None:
            values["yawn"] = yawn
        values["head_away"] = self._away(signals, span_ns)
        perclos = self._perclos()
        if perclos is not None:
            values["perclos"] = perclos
        return values

    def _count(self, seen: _Seen, sign: int) -> None:
        self._watched_ns += sign * seen.span_ns
        self._closed_ns += sign * seen.span_ns * seen.closed

    def _perclos(self) -> float | None:
        if self._watched_ns < PERCLOS_LEAST_NS:
            return None
        return self._closed_ns / self._watched_ns

    def _yawn(self, t_ns: int) -> float | None:
        """Return the least opening of the jaw in the time that a yawn takes."""
        least, watched = 1.0, 0
        for seen in reversed(self._seen):
            least = min(least, seen.jaw)
            if seen.t_ns <= t_ns - YAWN_NS:
                return least
            if seen.span_ns == 0:
                return None  # nothing was seen just before
            watched += seen.span_ns
        return least if watched >= YAWN_NS else None

    def _away(self, signals: FaceSignals, span_ns: int) -> float:
        """Return how far the head is turned from where it usually looks."""
        apart = [
            usual.apart(angle, span_ns)
            for usual, angle in zip(
                self._usual, (signals.yaw_deg, signals.pitch_deg), strict=True
            )
        ]
        return min(1.0, math.hypot(*apart) / AWAY_DEG)


class _Usual:
    """The running mode of an angle; straight ahead until something else is usual."""

    _PRIOR_NS = 20 * NS_PER_S
    """Time that straight ahead counts for."""

    def __init__(self) -> None:
        self._weights = {0: float(self._PRIOR_NS)}

    def apart(self, angle_deg: float, span_ns: int) -> float:
        """Return degrees from the mode, then count the angle with the time it stood."""
        mode = max(sorted(self._weights), key=self._near)
        keep = 1 - span_ns / _FORGET_NS
        self._weights = {b: w * keep for b, w in self._weights.items() if w * keep > 1}
        own = round(angle_deg / _BIN_DEG)
        self._weights[own] = self._weights.get(own, 0.0) + span_ns
        return angle_deg - mode * _BIN_DEG

    def _near(self, bin_: int) -> float:
        """Return the weight of a bin and of half of each neighbour."""
        beside = self._weights.get(bin_ - 1, 0.0) + self._weights.get(bin_ + 1, 0.0)
        return self._weights[bin_] + beside / 2
