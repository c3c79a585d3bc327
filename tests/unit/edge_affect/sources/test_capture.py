"""Opening by OpenCV: names without secrets and reasons that help."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge_affect.errors import SourceError
from edge_affect.sources import capture
from edge_affect.sources.capture import (
    CameraSettings,
    OpenCvCapture,
    device_name,
    open_opencv,
)

NO_SUCH_CAMERA = 63


@pytest.mark.parametrize(
    ("device", "name"),
    [
        (2, "camera 2"),
        (
            "rtsp://user:secret@cam.local:554/live?key=secret",
            "rtsp://cam.local:554/live",
        ),
        ("http://[broken/", "stream"),
    ],
)
def test_device_name_holds_no_secret(device: int | str, name: str) -> None:
    """A name tells the device, never its password or key."""
    assert device_name(device) == name


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ([], "found no .*video.* at all"),
        (["video0", "video1"], "there is no .*video63; found .*video0, .*video1"),
        (["video63"], "in use by another program"),
    ],
)
def test_open_opencv_says_what_cameras_there_are(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    found: list[str],
    reason: str,
) -> None:
    """A camera that cannot be opened is one line that lists the devices."""
    for name in found:
        (tmp_path / name).touch()
    monkeypatch.setattr(capture, "_DEVICES", tmp_path)
    with pytest.raises(SourceError, match=reason) as caught:
        open_opencv(NO_SUCH_CAMERA, CameraSettings())
    assert str(caught.value).startswith("camera 63: cannot be opened; ")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_open_opencv_names_the_right_a_user_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that may not be read names the group that may."""
    (tmp_path / "video63").touch()
    monkeypatch.setattr(capture, "_DEVICES", tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SourceError, match="group 'video'"):
        open_opencv(NO_SUCH_CAMERA, CameraSettings())


def test_open_opencv_refuses_an_address_without_server() -> None:
    """A stream that nobody serves is an error that asks for the server."""
    with pytest.raises(SourceError, match=r"http://127\.0\.0\.1:9/x: .*server"):
        open_opencv("http://127.0.0.1:9/x", CameraSettings())


class FakeVideoCapture:
    """What OpenCV's object has, at a place in time that a test chooses."""

    def __init__(self, position_ms: float) -> None:
        self.position_ms = position_ms

    def get(self, what: int) -> float:
        assert what == cv2.CAP_PROP_POS_MSEC
        return self.position_ms


@pytest.mark.parametrize(
    ("tells_times", "position_ms", "told_ns"),
    [
        (True, 48_063_505.535, 48_063_505_535_000),
        (True, 0.0, None),  # V4L2 before the first buffer
        (True, -1.0, None),  # a driver without times
        (False, 48_063_505.535, None),  # a place in a film
    ],
)
def test_opencv_capture_tells_the_time_of_a_buffer_alone(
    *, tells_times: bool, position_ms: float, told_ns: int | None
) -> None:
    """Milliseconds of the monotonic clock become ns, to the microsecond."""
    fake: Any = FakeVideoCapture(position_ms)
    told = OpenCvCapture(fake, tells_times=tells_times).stamp_ns()
    if told_ns is None:
        assert told is None
    else:
        assert told is not None
        assert abs(told - told_ns) < 1_000
