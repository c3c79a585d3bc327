"""When a sample was taken, and whether a device's rate is what it says."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.errors import WrongRateError

_RISE_DIVISOR = 2_000
"""The envelope may run late by 500 ppm: more than any crystal drifts."""
_GAP_NS = 100 * NS_PER_MS
"""What lies further off is no scatter: samples were lost, or a time is no time."""
_GAP_PATIENCE_NS = 500 * NS_PER_MS
"""A stalled thread catches up sooner; samples lost unsaid never do."""
_FAR_NS = NS_PER_S
"""What lies so far off needs no patience: the machine was suspended, most likely."""
_WINDOW_NS = 10 * NS_PER_S
"""Measurements that count: a crystal that is off by 200 ppm drifts 2 ms in them."""
_MOST = 1_000


class CaptureMap:
    """Maps counts of samples to capture times; one run of continuous sound.

    A device's ADC times scatter both ways, and a driver's glitch may be off by far: the
    map follows the median of what was measured in the last ten seconds, a regression
    whose slope is the nominal rate. Its lag behind a crystal 200 ppm off is 1 ms.

    Without them there are arrivals, which can be late but never early: the map follows
    their lowest and may rise only as fast as a crystal drifts.
    """

    def __init__(self, rate_hz: int, *, has_adc: bool) -> None:
        """Know nothing yet.

        Args:
            rate_hz: The device's sample rate.
            has_adc: Whether what will be measured are ADC times, or else arrivals.
        """
        self._rate_hz = rate_hz
        self._measured: deque[tuple[int, int]] | None = None
        if has_adc:
            self._measured = deque(maxlen=_MOST)
        self._start_ns: int | None = None
        self._seen_ns = 0
        self._away_since_ns: int | None = None

    def measure(self, count: int, t_ns: int) -> bool:
        """Learn that sample ``count`` was measured to be taken at ``t_ns``.

        Returns:
            Whether time has run away from the count: samples were lost unsaid, or
            the map began with a time that was none.
        """
        start_ns = t_ns - count * NS_PER_S // self._rate_hz
        if self._start_ns is None:
            self._start_ns, self._seen_ns = start_ns, t_ns
        if self._measured is not None:
            off_ns = self._follow_adc(t_ns, start_ns)
        else:
            off_ns = self._follow_arrivals(t_ns, start_ns)
        self._seen_ns = t_ns
        if off_ns <= _GAP_NS:
            self._away_since_ns = None
        elif self._away_since_ns is None:
            self._away_since_ns = t_ns
        since_ns = self._away_since_ns
        patient = since_ns is None or t_ns - since_ns <= _GAP_PATIENCE_NS
        return not patient or off_ns > _FAR_NS

    def _follow_adc(self, t_ns: int, start_ns: int) -> int:
        """Follow the median, but for what is too far off; return how far that is."""
        off_ns = abs(start_ns - (self._start_ns or 0))
        if self._measured is not None and off_ns <= _GAP_NS:
            self._start_ns = _median(self._measured, t_ns, start_ns)
        return off_ns

    def _follow_arrivals(self, t_ns: int, start_ns: int) -> int:
        """Follow the lowest; return how far ``start_ns`` lies above."""
        rise_ns = max(0, t_ns - self._seen_ns) // _RISE_DIVISOR
        self._start_ns = min(start_ns, (self._start_ns or 0) + rise_ns)
        return start_ns - self._start_ns

    def t_ns(self, count: int, rate_hz: int) -> int:
        """Return when the sample ``count`` at ``rate_hz`` was taken."""
        return (self._start_ns or 0) + count * NS_PER_S // rate_hz


def _median(measured: deque[tuple[int, int]], t_ns: int, start_ns: int) -> int:
    """Take one measurement in; return the median start of those that still count."""
    measured.append((t_ns, start_ns))
    while t_ns - measured[0][0] > _WINDOW_NS:
        measured.popleft()
    # Around one of them: a float holds a difference exactly, not a time since boot.
    return start_ns + int(np.median([start - start_ns for _, start in measured]))


@dataclass(frozen=True, slots=True)
class _Window:
    """How long samples are counted, and what is too far off."""

    span_ns: int
    """Length of a window."""
    share: float
    """Share by which the rate may be off."""
    patience: int
    """Windows in a row that must agree: a thread that stalls falsifies one."""


_WINDOWS = (
    _Window(NS_PER_S // 2, 0.25, 4),  # 44.1 kHz said to be 16: two seconds
    _Window(5 * NS_PER_S, 0.02, 2),  # crystals are a thousand times better
)
SETTLED_NS = max(window.span_ns * window.patience for window in _WINDOWS) + NS_PER_S
"""A device that gave sound for so long has the rate that it says."""


class RateCheck:
    """Counts how many samples a second really come."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._wrong = [0] * len(_WINDOWS)
        self._seen_ns = 0
        self.begin()

    def begin(self) -> None:
        """Count anew: samples were lost, and the device said so."""
        self._first: list[tuple[int, int] | None] = [None] * len(_WINDOWS)

    def see(self, count: int, t_arrival_ns: int) -> None:
        """Take note that ``count`` samples had come by ``t_arrival_ns``.

        Raises:
            WrongRateError: The device's rate is another one than it says.
        """
        if t_arrival_ns - self._seen_ns > _FAR_NS:
            self.begin()  # the machine was suspended, or whoever calls stood still
        self._seen_ns = t_arrival_ns
        for number, window in enumerate(_WINDOWS):
            first = self._first[number]
            if first is None:
                self._first[number] = count, t_arrival_ns
                continue
            samples, span_ns = count - first[0], t_arrival_ns - first[1]
            if span_ns < window.span_ns:
                continue
            measured_hz = samples * NS_PER_S / span_ns
            is_off = abs(measured_hz / self._rate_hz - 1) > window.share
            self._wrong[number] = self._wrong[number] + 1 if is_off else 0
            self._first[number] = count, t_arrival_ns
            if self._wrong[number] >= window.patience:
                raise WrongRateError(
                    f"sound: got {measured_hz:.0f} samples a second, but the device "
                    f"says {self._rate_hz}; choose another of its rates, or another "
                    "device"
                )
