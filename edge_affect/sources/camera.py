"""Cameras and video streams by OpenCV, read by a thread that may hang alone."""

from __future__ import annotations

import logging
import threading
from typing import final

from edge_affect.clock import NS_PER_MS, Clock
from edge_affect.errors import SourceError, UsageError
from edge_affect.sources.base import Closing, SourceInfo
from edge_affect.sources.capture import (
    CameraSettings,
    Capture,
    OpenCapture,
    device_name,
    open_opencv,
)
from edge_affect.sources.handover import Handover
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
    so a driver that hangs stops neither ``read`` nor ``close``. Capture times are those
    of the driver where it tells plausible ones, as V4L2's do; else they are the arrival
    less the usual latency, and marked as estimated.
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
        self._handover = Handover(self._name, clock, self._settings.latency_ns)
        self._thread: threading.Thread | None = None
        self._abandoned = 0

    @property
    def info(self) -> SourceInfo:
        """What is known of the camera."""
        return SourceInfo(self._name, live=True, latency_ns=self._settings.latency_ns)

    @property
    def dropped(self) -> int:
        """Frames that a newer one replaced before they were read."""
        return self._handover.dropped

    @property
    def hangs(self) -> bool:
        """Whether it was closed and its reader still waits for the driver."""
        thread = self._thread
        return self._handover.closed and thread is not None and thread.is_alive()

    @property
    def abandoned(self) -> int:
        """Reader threads that did not end when asked and were left behind."""
        return self._abandoned

    @property
    def ended(self) -> bool:
        """Whether it was closed, or failed and said so."""
        return self._handover.ended

    def __enter__(self) -> CameraSource:
        """Open the device.

        Raises:
            SourceError: It cannot be opened, or not within the limit.
            StreamStateError: It was opened before.
        """
        self._handover.begin()
        self._thread = threading.Thread(
            target=self._run, name=f"edge_affect-{self._name}", daemon=True
        )
        try:
            self._thread.start()
            self._handover.wait_until_open(self._settings.open_limit_ns)
        except BaseException:
            self.close()
            raise
        return self

    def read(self, timeout_ns: int) -> Frame | None:
        """Return the newest frame that was not read yet, or None after the time-out.

        Raises:
            SourceError: The device is gone.
            StreamStateError: It is not open yet.
        """
        return self._handover.read(timeout_ns)

    def close(self) -> None:
        """Close the device; from any thread, idempotent, within about a second."""
        if not self._handover.close() or self._thread is None:
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
            self._handover.fail(message or f"{self._name}: failed: {error}")

    def _read_all(self, capture: Capture) -> None:
        self._handover.open()
        failures = 0
        while not self._handover.closed and failures < _FAILURES:
            grabbed = capture.grab()
            t_ns = self._clock.now_ns()
            device_ns = capture.stamp_ns() if grabbed else None
            retrieved, picture = capture.retrieve() if grabbed else (False, None)
            if not retrieved or picture is None:
                failures += 1
                self._handover.pause(_RETRY_NS)
                continue
            failures = 0
            self._handover.put(picture, t_ns, device_ns)
        if failures >= _FAILURES:
            self._handover.fail(
                f"{self._name}: stopped giving frames; is it still connected?"
            )
