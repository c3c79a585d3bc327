"""Open a camera or a video stream with OpenCV, or say in one line why not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from numpy.typing import NDArray

from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.errors import SourceError

if TYPE_CHECKING:
    from cv2 import VideoCapture

_READ_LIMIT_MS = 5_000
"""A network stream that gives nothing for so long counts as broken."""
_BUFFERS = 2
"""One to fill while one is read: more would only hold stale frames."""
_DEVICES = Path("/dev")


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """What to ask of a camera; a device may give something else."""

    width_px: int = 640
    """Width of the picture."""
    height_px: int = 480
    """Height of the picture."""
    fps: float = 30.0
    """Frames per second."""
    latency_ns: int = 50 * NS_PER_MS
    """Usual time from light to arrival: read-out, transfer and buffers, ns."""
    open_limit_ns: int = 10 * NS_PER_S
    """Longest that opening may take, ns."""


class Capture(Protocol):
    """An open device."""

    def grab(self) -> bool:
        """Wait for the next frame; False when there is none."""

    def stamp_ns(self) -> int | None:
        """Return when the grabbed frame was captured, monotonic ns, if that is told."""

    def retrieve(self) -> tuple[bool, NDArray[Any]]:
        """Return the grabbed frame, BGR uint8, newly made."""

    def release(self) -> None:
        """Close the device."""


class OpenCvCapture:
    """A device that OpenCV has open."""

    def __init__(self, capture: VideoCapture, *, tells_times: bool) -> None:
        """Take over ``capture``.

        Args:
            capture: Open.
            tells_times: Whether its position is the time of the driver's buffer, as
                with V4L2, and not a place in a film.
        """
        self._capture = capture
        self._tells_times = tells_times

    def grab(self) -> bool:
        """Wait for the next frame; False when there is none."""
        return self._capture.grab()

    def stamp_ns(self) -> int | None:
        """Return when the grabbed frame was captured, monotonic ns, if that is told."""
        import cv2

        if not self._tells_times:
            return None
        position_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        return round(position_ms * NS_PER_MS) if position_ms > 0 else None

    def retrieve(self) -> tuple[bool, NDArray[Any]]:
        """Return the grabbed frame, BGR uint8, newly made."""
        return self._capture.retrieve()

    def release(self) -> None:
        """Close the device."""
        self._capture.release()


OpenCapture = Callable[["int | str", CameraSettings], Capture]
"""Opens a device; may take as long as it likes."""


def open_opencv(device: int | str, settings: CameraSettings) -> Capture:
    """Open a camera by its number, or a stream by its address, with OpenCV.

    Raises:
        SourceError: It cannot be opened.
    """
    with _quiet_opencv():
        if isinstance(device, int):
            capture = _open_number(device, settings)
        else:
            capture = _open_address(device, settings)
    if not capture.isOpened():
        capture.release()
        why = _why_no_camera(device) if isinstance(device, int) else _NO_STREAM
        raise SourceError(f"{device_name(device)}: cannot be opened; {why}")
    return OpenCvCapture(capture, tells_times=capture.getBackendName() == "V4L2")


def device_name(device: int | str) -> str:
    """Return what a user would call ``device``, without passwords or keys."""
    if isinstance(device, int):
        return f"camera {device}"
    try:
        address = urlsplit(device)
    except ValueError:
        return "stream"
    host = address.netloc.rpartition("@")[2]
    return f"{address.scheme}://{host}{address.path}"


_NO_STREAM = "is the address right, and does its server run?"


def _open_number(device: int, settings: CameraSettings) -> VideoCapture:
    import cv2

    linux = sys.platform.startswith("linux")
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2 if linux else cv2.CAP_ANY)
    if capture.isOpened():
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width_px)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height_px)
        capture.set(cv2.CAP_PROP_FPS, settings.fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, _BUFFERS)
    return capture


def _open_address(address: str, settings: CameraSettings) -> VideoCapture:
    import cv2

    if cv2.CAP_FFMPEG not in cv2.videoio_registry.getStreamBackends():
        return cv2.VideoCapture(address)
    limits = [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, settings.open_limit_ns // NS_PER_MS),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_LIMIT_MS),
    ]
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Silence OpenCV's warnings; our error says what they would."""
    from cv2.utils import logging

    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)


def _why_no_camera(number: int) -> str:
    found = sorted(str(path) for path in _DEVICES.glob("video*"))
    if not found:
        return f"found no {_DEVICES}/video* at all; is a camera connected?"
    wanted = str(_DEVICES / f"video{number}")
    if wanted not in found:
        return f"there is no {wanted}; found {', '.join(found)}"
    if not os.access(wanted, os.R_OK | os.W_OK):
        return f"{wanted} may not be read; add the user to the group 'video'"
    return f"is {wanted} in use by another program, or not for capture?"
