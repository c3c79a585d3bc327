"""Time as the SDK sees it: monotonic integer nanoseconds from an injected clock."""

from __future__ import annotations

import threading
import time
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

_BOOT_TIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)
"""Linux's clock that goes on while the machine is suspended."""


class Clock(Protocol):
    """Tells the time and waits."""

    def now_ns(self) -> int:
        """Return monotonic time, ns."""

    def wall_ns(self) -> int:
        """Return UTC since 1970, ns; for display only."""

    def slept_ns(self) -> int:
        """Return for how long the machine was suspended since it started, ns.

        Monotonic time stands still meanwhile, and nothing else tells of it.
        """

    def wait(self, condition: threading.Condition, until_ns: int | None) -> None:
        """Wait, holding ``condition``, for a notification or until ``until_ns``."""

    def sleep_until(self, t_ns: int) -> None:
        """Return when the clock shows ``t_ns`` or later."""


class SystemClock:
    """The machine's monotonic clock, the one that V4L2 and PortAudio stamp with."""

    def now_ns(self) -> int:
        """Return monotonic time, ns."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """Return UTC since 1970, ns; for display only."""
        return time.time_ns()

    def slept_ns(self) -> int:
        """Return for how long the machine was suspended; 0 where it does not tell."""
        if _BOOT_TIME is None:
            return 0
        return time.clock_gettime_ns(_BOOT_TIME) - time.monotonic_ns()

    def wait(self, condition: threading.Condition, until_ns: int | None) -> None:
        """Wait, holding ``condition``, for a notification or until ``until_ns``."""
        if until_ns is None:
            condition.wait()
            return
        left_ns = until_ns - self.now_ns()
        if left_ns > 0:
            condition.wait(left_ns / NS_PER_S)

    def sleep_until(self, t_ns: int) -> None:
        """Return when the clock shows ``t_ns`` or later."""
        while (left_ns := t_ns - self.now_ns()) > 0:
            time.sleep(left_ns / NS_PER_S)


class SimClock:
    """A clock that moves only when told: simulated runs and files read at full speed.

    For one thread: a wait jumps straight to its end.
    """

    def __init__(self, start_ns: int = 0, wall_start_ns: int = 0) -> None:
        self._now_ns = start_ns
        self._wall_offset_ns = wall_start_ns - start_ns
        self._slept_ns = 0

    def now_ns(self) -> int:
        """Return simulated monotonic time, ns."""
        return self._now_ns

    def wall_ns(self) -> int:
        """Return simulated UTC, ns."""
        return self._now_ns + self._wall_offset_ns

    def slept_ns(self) -> int:
        """Return the sum of all ``suspend``, ns."""
        return self._slept_ns

    def suspend(self, by_ns: int) -> None:
        """Be suspended for ``by_ns``: the clock on the wall goes on, this one not."""
        self._slept_ns += by_ns
        self._wall_offset_ns += by_ns

    def advance_to(self, t_ns: int) -> None:
        """Move to ``t_ns`` unless that has passed already."""
        self._now_ns = max(self._now_ns, t_ns)

    def wait(self, condition: threading.Condition, until_ns: int | None) -> None:
        """Jump to ``until_ns``."""
        del condition
        if until_ns is not None:
            self.advance_to(until_ns)

    def sleep_until(self, t_ns: int) -> None:
        """Jump to ``t_ns``."""
        self.advance_to(t_ns)
