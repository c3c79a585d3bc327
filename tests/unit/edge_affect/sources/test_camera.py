"""The camera's reader thread: newest frame wins, and nothing that hangs stops us."""

from __future__ import annotations

import threading
from itertools import repeat

import pytest

from edge_affect.clock import NS_PER_MS, NS_PER_S, SystemClock
from edge_affect.errors import SourceError, StreamStateError, UsageError
from edge_affect.sources.camera import CameraSource
from edge_affect.sources.capture import CameraSettings, Capture
from tests.fakes.capture import HANG_LIMIT_S, FakeCapture

LONG_NS = 10 * NS_PER_S
"""Never waited for in a run that passes."""


def _camera(capture: FakeCapture, **settings: int) -> CameraSource:
    wanted = CameraSettings(**settings)
    return CameraSource(0, SystemClock(), wanted, open_capture=capture.opener)


def test_camera_stamps_capture_before_arrival() -> None:
    """Capture is the arrival less the latency, and says that it is estimated."""
    pace = threading.Semaphore(1)
    clock = SystemClock()
    start_ns = clock.now_ns()
    with _camera(FakeCapture(repeat(True), pace), latency_ns=7 * NS_PER_MS) as camera:
        frame = camera.read(LONG_NS)
        assert frame is not None
        assert start_ns <= frame.t_arrival_ns <= clock.now_ns()
        assert frame.t_arrival_ns - frame.t_capture_ns == 7 * NS_PER_MS
        assert frame.estimated
        assert camera.info.latency_ns == 7 * NS_PER_MS
        pace.release()


def test_camera_believes_what_the_driver_tells() -> None:
    """A plausible buffer time is the capture time; one of another clock is not."""
    for age_ns, estimated in ((9 * NS_PER_MS, False), (-LONG_NS, True)):
        pace = threading.Semaphore(1)
        capture = FakeCapture(repeat(True), pace)
        capture.age_ns = age_ns
        with _camera(capture) as camera:
            frame = camera.read(LONG_NS)
            assert frame is not None
            assert frame.estimated is estimated
            if not estimated:
                assert abs(frame.t_arrival_ns - frame.t_capture_ns - age_ns) < NS_PER_S
            pace.release()


def test_camera_keeps_the_newest_frame_and_counts_the_others() -> None:
    """A slow reader gets the newest frame; the index and the count show the loss."""
    hang = threading.Event()
    capture = FakeCapture([True, True, True, hang])
    with _camera(capture) as camera:
        while camera.dropped < 2:
            SystemClock().sleep_until(SystemClock().now_ns() + NS_PER_MS)
        frame = camera.read(LONG_NS)
        assert frame is not None
        assert frame.index == 2
        assert camera.dropped == 2
        assert camera.read(0) is None
        hang.set()


def test_camera_read_returns_in_time_while_the_device_hangs() -> None:
    """A device that gives nothing lets read come back empty-handed."""
    hang = threading.Event()
    with _camera(FakeCapture([hang])) as camera:
        assert camera.read(NS_PER_MS) is None
        assert not camera.ended
        hang.set()


def test_camera_close_leaves_a_hung_reader_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A reader that does not answer is counted and logged, and closes when it can."""
    hang = threading.Event()
    capture = FakeCapture([hang])
    with _camera(capture) as camera:
        pass
    assert camera.abandoned == 1
    assert "left behind" in caplog.text
    assert not capture.released.is_set()
    hang.set()
    assert capture.released.wait(HANG_LIMIT_S)


def test_camera_close_releases_the_device() -> None:
    """A device that answers is released before close returns."""
    capture = FakeCapture(repeat(True))
    with _camera(capture) as camera:
        assert camera.read(LONG_NS) is not None
    assert capture.released.is_set()
    assert camera.abandoned == 0
    assert camera.ended


def test_camera_says_when_the_device_is_gone() -> None:
    """Frames that came are read first, then one error tells that the device stopped."""
    with _camera(FakeCapture([True])) as camera:
        assert camera.read(LONG_NS) is not None
        assert not camera.ended
        with pytest.raises(SourceError, match="camera 0: stopped giving frames"):
            camera.read(LONG_NS)
        assert camera.ended


def test_camera_forgives_single_failures() -> None:
    """A read that fails now and then is tried again."""
    hang = threading.Event()
    with _camera(FakeCapture([False, False, True, hang])) as camera:
        assert camera.read(LONG_NS) is not None
        hang.set()


def test_camera_that_does_not_open_in_time_is_given_up() -> None:
    """Opening has a limit, and a device that opens too late is released at once."""
    hang = threading.Event()
    capture = FakeCapture(repeat(True))

    def open_late(device: int | str, settings: CameraSettings) -> Capture:
        hang.wait(HANG_LIMIT_S)
        return capture

    settings = CameraSettings(open_limit_ns=10 * NS_PER_MS)
    camera = CameraSource(0, SystemClock(), settings, open_capture=open_late)
    with pytest.raises(SourceError, match=r"camera 0: did not open within 0\.01 s"):
        camera.__enter__()
    hang.set()
    assert capture.released.wait(HANG_LIMIT_S)


@pytest.mark.parametrize(
    ("error", "message"),
    [(SourceError("camera 0: no"), "camera 0: no"), (OSError("odd"), "failed: odd")],
)
def test_camera_that_cannot_be_opened_says_why(error: Exception, message: str) -> None:
    """Whatever opening raises in the thread is raised where it was opened."""

    def refuse(device: int | str, settings: CameraSettings) -> Capture:
        raise error

    camera = CameraSource(0, SystemClock(), open_capture=refuse)
    with pytest.raises(SourceError, match=message):
        camera.__enter__()
    assert camera.ended


@pytest.mark.parametrize("number", [-1, 2**31, 10**20])
def test_camera_refuses_a_number_that_none_has(number: int) -> None:
    """What OpenCV cannot take as a number is wrong usage, in one line."""
    with pytest.raises(UsageError, match=f"got number {number}, expected 0 to"):
        CameraSource(number, SystemClock())


def test_camera_is_opened_once() -> None:
    """A camera that was opened or closed is not opened again."""
    camera = _camera(FakeCapture(repeat(True)))
    with camera, pytest.raises(StreamStateError):
        camera.__enter__()
    with pytest.raises(StreamStateError):
        camera.__enter__()
