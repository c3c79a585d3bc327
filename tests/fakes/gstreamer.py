"""A pipeline made of a script, and why a real one cannot play here."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from edge_affect.clock import NS_PER_S
from edge_affect.pixels import PixelFormat
from edge_affect.sources.pipelines import Pipeline
from edge_affect.sources.player import Listener
from tests.fakes.capture import HANG_LIMIT_S


def fake_pipeline(*, endless: bool = True) -> Pipeline:
    """Describe a pipeline that only a fake can play."""
    return Pipeline("fake", "fakesrc", 50_000_000, 10 * NS_PER_S, endless=endless)


class FakePlayer:
    """Gives a picture whenever a test says so, in the test's thread."""

    def __init__(self, on_open: Callable[[Listener], None] | None = None) -> None:
        self.on_open = on_open
        """Called with the listener while the pipeline opens."""
        self.hang: threading.Event | None = None
        """Stopping waits for this, where a test sets it."""
        self.stopped = threading.Event()
        self.listener: Listener | None = None
        self._number = 0

    def opener(self, pipeline: Pipeline, listener: Listener) -> FakePlayer:
        """Open as ``GStreamerSource`` asks for it."""
        if self.on_open is not None:
            self.on_open(listener)
        self.listener = listener
        return self

    def give(self, device_ns: int | None = None) -> None:
        """Give one more NV12 picture."""
        if self.listener is None or self.stopped.is_set():
            return
        self._number += 1
        picture = np.full((72, 64), self._number % 256, np.uint8)
        self.listener.picture(picture, PixelFormat.NV12, device_ns)

    def stop(self) -> None:
        if self.hang is not None:
            self.hang.wait(HANG_LIMIT_S)
        self.stopped.set()
