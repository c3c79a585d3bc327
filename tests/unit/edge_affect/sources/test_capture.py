"""Opening by OpenCV: names without secrets and reasons that help."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_affect.errors import SourceError
from edge_affect.sources import capture
from edge_affect.sources.capture import CameraSettings, device_name, open_opencv

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
