"""Cameras and video streams by OpenCV, read by a thread that may hang alone."""

from __future__ import annotations

import logging
import threading
from typing import final

from edge_affect.clock import NS_PER_MS, NS_PER_S, Clock
from edge_affect.errors import SourceError, StreamStateError, UsageError
from edge_affect.realtime.slots import LatestSlot
from edge_affect.sources.base import Closing, SourceInfo
from edge_affect.sources.capture import (
    CameraSettings,
    Capture,
    OpenCapture,
    device_name,
    open_opencv,
)
from edge_affect.types import Frame

_LOG = logging.getLogger(__name__)

_FAILURES = 10
"""So many reads that fail in a row mean that the device is gone."""
_RETRY_NS = 50 * NS_PER_MS
_MAX_NUMBER = 2**31 - 1
"""OpenCV takes a camera's number as a C int."""
_JOIN_S = 1.0
"""Longest that closing waits for the reader."""


@final
class CameraSource(Closing):
    """A camera by its number, or a stream by its address.

    A daemon thread opens and reads the device into a slot where the newest frame wins,
    so a driver that hangs stops neither ``read`` nor ``close``. Capture times are the
    arrival less the usual latency, and marked as estimated.
    """

    def __init__(
        self,
        device: int | str,
        clock: Clock,
        settings: CameraSettings | None = None,
        open_capture: OpenCapture | None = None,
    ) -> None:
        """Name the device; ``with`` opens it.

        Args:
            device: Number of a camera, or an address with ``://``.
            clock: Stamps the frames.
            settings: What to ask of the device.
            open_capture: Opens it; None for OpenCV.

        Raises:
            UsageError: No camera can have the number.
        """
        if isinstance(device, int) and not 0 <= device <= _MAX_NUMBER:
            raise UsageError(
                f"camera: got number {device}, expected 0 to {_MAX_NUMBER}; "
                "the first camera is 0"
            )
        self._device = device
        self._clock = clock
        self._settings = settings or CameraSettings()
        self._open_capture = open_capture or open_opencv
        self._name = device_name(device)
        self._slot: LatestSlot[Frame] = LatestSlot()
        self._changed = self._slot.condition
        self._thread: threading.Thread | None = None
        self._opened = self._closed = self._failed = False
        self._fault: str | None = None
        self._abandoned = 0

    @property
    def info(self) -> SourceInfo:
        """What is known of the camera."""
        return SourceInfo(self._name, live=True, latency_ns=self._settings.latency_ns)

    @property
    def dropped(self) -> int:
        """Frames that a newer one replaced before they were read."""
        return self._slot.dropped

    @property
    def abandoned(self) -> int:
        """Reader threads that did not end when asked and were left behind."""
        return self._abandoned

    @property
    def ended(self) -> bool:
        """Whether it was closed, or failed and said so."""
        return self._closed or self._failed

    def __enter__(self) -> CameraSource:
        """Open the device.

        Raises:
            SourceError: It cannot be opened, or not within the limit.
            StreamStateError: It was opened before.
        """
        if self._thread is not None or self._closed:
            raise StreamStateError(f"{self._name}: was opened before; make another")
        self._thread = threading.Thread(
            target=self._run, name=f"edge_affect-{self._name}", daemon=True
        )
        try:
            self._thread.start()
            self._wait_until_open()
        except BaseException:
            self.close()
            raise
        return self

    def _wait_until_open(self) -> None:
        until_ns = self._clock.now_ns() + self._settings.open_limit_ns
        with self._changed:
            while not (self._opened or self._fault or self._closed):
                if self._clock.now_ns() >= until_ns:
                    limit_s = self._settings.open_limit_ns / NS_PER_S
                    raise SourceError(
                        f"{self._name}: did not open within {limit_s:g} s; "
                        "is it in use or unplugged?"
                    )
                self._clock.wait(self._changed, until_ns)
            if self._fault:
                raise SourceError(self._fault)

    def read(self, timeout_ns: int) -> Frame | None:
        """Return the newest frame that was not read yet, or None after the time-out.

        Raises:
            SourceError: The device is gone.
            StreamStateError: It is not open yet.
        """
        if self._thread is None and not self._closed:
            raise StreamStateError(f"{self._name}: read it inside 'with'")
        until_ns = self._clock.now_ns() + timeout_ns
        with self._changed:
            while not (self._slot.filled or self._fault or self._closed):
                if self._clock.now_ns() >= until_ns:
                    return None
                self._clock.wait(self._changed, until_ns)
            if self._closed:
                return None
            frame = self._slot.take()
            if frame is None and self._fault:
                self._failed = True
                raise SourceError(self._fault)
            return frame

    def close(self) -> None:
        """Close the device; from any thread, idempotent, within about a second."""
        with self._changed:
            first = not self._closed
            self._closed = True
            self._changed.notify_all()
        if not first or self._thread is None:
            return
        self._thread.join(_JOIN_S)
        if self._thread.is_alive():
            self._abandoned += 1
            _LOG.warning("%s: does not answer; its reader is left behind", self._name)

    def _run(self) -> None:
        try:
            capture = self._open_capture(self._device, self._settings)
            try:
                self._read_all(capture)
            finally:
                capture.release()
        except Exception as error:  # noqa: BLE001 - raised again by read
            message = str(error) if isinstance(error, SourceError) else None
            self._fail(message or f"{self._name}: failed: {error}")

    def _fail(self, message: str) -> None:
        with self._changed:
            self._fault = message
            self._changed.notify_all()

    def _read_all(self, capture: Capture) -> None:
        with self._changed:
            self._opened = True
            self._changed.notify_all()
        failures = index = 0
        while not self._closed and failures < _FAILURES:
            grabbed = capture.grab()
            t_ns = self._clock.now_ns()
            retrieved, picture = capture.retrieve() if grabbed else (False, None)
            if not retrieved or picture is None:
                failures += 1
                self._pause()
                continue
            failures = 0
            capture_ns = t_ns - self._settings.latency_ns
            self._slot.put(Frame(picture, capture_ns, t_ns, index, estimated=True))
            index += 1
        if failures >= _FAILURES:
            self._fail(f"{self._name}: stopped giving frames; is it still connected?")

    def _pause(self) -> None:
        until_ns = self._clock.now_ns() + _RETRY_NS
        with self._changed:
            while not self._closed and self._clock.now_ns() < until_ns:
                self._clock.wait(self._changed, until_ns)
