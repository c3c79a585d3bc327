"""Hand frames from a device's own thread to the reader; the newest wins."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from edge_affect.clock import NS_PER_S, Clock
from edge_affect.errors import SourceError, StreamStateError
from edge_affect.pixels import PixelFormat
from edge_affect.realtime.slots import LatestSlot
from edge_affect.sources.stamps import CaptureStamps
from edge_affect.types import Frame


class Handover:
    """What a live camera's thread and its reader share.

    The thread says that it has opened, puts frames, and says how it ended; the reader
    waits for any of it, never longer than it wants to.
    """

    def __init__(self, name: str, clock: Clock, latency_ns: int) -> None:
        """Make one for a camera that is not open yet.

        Args:
            name: What a user would call the camera.
            clock: Tells the time.
            latency_ns: Usual time from capture to arrival, ns.
        """
        self._name = name
        self._clock = clock
        self._stamps = CaptureStamps(latency_ns)
        self._slot: LatestSlot[Frame] = LatestSlot()
        self._changed = self._slot.condition
        self._begun = self._opened = self._over = self._closed = self._failed = False
        self._fault: str | None = None
        self._index = 0

    @property
    def dropped(self) -> int:
        """Frames that a newer one replaced before they were read."""
        return self._slot.dropped

    @property
    def closed(self) -> bool:
        """Whether nobody reads any more."""
        return self._closed

    @property
    def failed(self) -> bool:
        """Whether the device met a fault, told already or not."""
        return self._fault is not None

    @property
    def ended(self) -> bool:
        """Whether it was closed, failed and said so, or gave its last frame."""
        over = self._over and not self._slot.filled
        return self._closed or self._failed or over

    def begin(self) -> None:
        """Note that the device is being opened.

        Raises:
            StreamStateError: It was before.
        """
        with self._changed:
            if self._begun or self._closed:
                raise StreamStateError(f"{self._name}: was opened before; make another")
            self._begun = True

    def open(self) -> None:
        """Tell the reader that the device is open."""
        with self._changed:
            self._opened = True
            self._changed.notify_all()

    def put(
        self,
        picture: NDArray[Any],
        arrival_ns: int,
        device_ns: int | None = None,
        pixel_format: PixelFormat = PixelFormat.BGR,
    ) -> None:
        """Leave a frame; an older one that nobody read is dropped.

        Args:
            picture: Newly made, never written to again.
            arrival_ns: When it reached us, monotonic ns.
            device_ns: When it was captured, if the device says so, monotonic ns.
            pixel_format: Layout of ``picture``.
        """
        capture_ns, estimated = self._stamps.stamp(device_ns, arrival_ns)
        self._slot.put(
            Frame(
                picture,
                capture_ns,
                arrival_ns,
                self._index,
                pixel_format,
                estimated=estimated,
            )
        )
        self._index += 1

    def fail(self, message: str) -> None:
        """Tell the reader what is wrong; the first message counts."""
        with self._changed:
            self._fault = self._fault or message
            self._changed.notify_all()

    def finish(self) -> None:
        """Tell the reader that no frame follows, though nothing is wrong."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def wait_until_open(self, limit_ns: int) -> None:
        """Return once the device is open.

        Raises:
            SourceError: It cannot be opened, or not within ``limit_ns``.
        """
        until_ns = self._clock.now_ns() + limit_ns
        with self._changed:
            while not (self._opened or self._fault or self._closed):
                if self._clock.now_ns() >= until_ns:
                    raise SourceError(
                        f"{self._name}: did not open within {limit_ns / NS_PER_S:g} s; "
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
        if not self._begun and not self._closed:
            raise StreamStateError(f"{self._name}: read it inside 'with'")
        until_ns = self._clock.now_ns() + timeout_ns
        with self._changed:
            while not (self._slot.filled or self._fault or self._over or self._closed):
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

    def close(self) -> bool:
        """Let a reader that waits go; return whether this was the first time."""
        with self._changed:
            first = not self._closed
            self._closed = True
            self._changed.notify_all()
        return first

    def pause(self, pause_ns: int) -> None:
        """Wait in the device's thread, no longer than until it is closed."""
        until_ns = self._clock.now_ns() + pause_ns
        with self._changed:
            while not self._closed and self._clock.now_ns() < until_ns:
                self._clock.wait(self._changed, until_ns)
