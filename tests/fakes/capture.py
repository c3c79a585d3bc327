"""A camera made of a script."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edge_affect.clock import SystemClock
from edge_affect.sources.capture import CameraSettings

HANG_LIMIT_S = 20.0
"""No fake blocks longer, so that a failing test ends."""


class FakeCapture:
    """Gives a frame for each True of its script, fails for each False, then for ever.

    At an event it hangs until that is set. ``pace`` must be released once for each
    grab, where a test gives one.
    """

    def __init__(
        self,
        script: Iterable[bool | threading.Event],
        pace: threading.Semaphore | None = None,
    ) -> None:
        self.script = iter(script)
        self.pace = pace
        self.age_ns: int | None = None
        """Age of a frame when it is grabbed, as the driver tells it, if it does."""
        self.released = threading.Event()
        self._number = 0

    def grab(self) -> bool:
        if self.pace is not None:
            self.pace.acquire(timeout=HANG_LIMIT_S)
        step = next(self.script, False)
        if isinstance(step, threading.Event):
            return step.wait(HANG_LIMIT_S)
        return step

    def stamp_ns(self) -> int | None:
        if self.age_ns is None:
            return None
        return SystemClock().now_ns() - self.age_ns

    def retrieve(self) -> tuple[bool, NDArray[np.uint8]]:
        self._number += 1
        return True, np.full((48, 64, 3), self._number % 256, np.uint8)

    def release(self) -> None:
        self.released.set()

    def opener(self, device: int | str, settings: CameraSettings) -> FakeCapture:
        """Open at once, as ``CameraSource`` asks for it."""
        return self
