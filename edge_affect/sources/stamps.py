"""Say when a frame was captured: the device's own time, where that can be true."""

from __future__ import annotations

from edge_affect.clock import NS_PER_S

OLDEST_NS = 5 * NS_PER_S
"""No device holds frames for longer: an older time is one of another clock."""


class CaptureStamps:
    """Tells the capture of each frame of one device; it rises from frame to frame.

    A device's time is believed when it is past, not older than ``OLDEST_NS``, and later
    than the one before. In place of any other stands the arrival less the usual
    latency.
    """

    def __init__(self, latency_ns: int) -> None:
        """Begin a run.

        Args:
            latency_ns: Usual time from capture to arrival, ns.
        """
        self._latency_ns = latency_ns
        self._device_ns: int | None = None
        self._last_ns: int | None = None

    def stamp(self, device_ns: int | None, arrival_ns: int) -> tuple[int, bool]:
        """Return when the frame was captured, and whether that is estimated.

        Args:
            device_ns: What the device says, monotonic ns; None when it says nothing.
            arrival_ns: When the frame reached us, monotonic ns.
        """
        believed = device_ns is not None and self._is_plausible(device_ns, arrival_ns)
        if device_ns is not None and believed:
            self._device_ns = device_ns
            capture_ns = device_ns
        else:
            capture_ns = arrival_ns - self._latency_ns
        if self._last_ns is not None and capture_ns <= self._last_ns:
            # An estimate before was too late; this one must still follow it.
            capture_ns, believed = min(self._last_ns + 1, arrival_ns), False
        self._last_ns = capture_ns
        return capture_ns, not believed

    def _is_plausible(self, device_ns: int, arrival_ns: int) -> bool:
        rises = self._device_ns is None or device_ns > self._device_ns
        return rises and 0 <= arrival_ns - device_ns <= OLDEST_NS
