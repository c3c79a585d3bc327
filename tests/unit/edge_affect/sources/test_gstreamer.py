"""Pipelines: times, faults, hangs, and what GStreamer itself does with them."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_affect.clock import NS_PER_MS, NS_PER_S, SystemClock
from edge_affect.errors import MissingDependencyError, SourceError
from edge_affect.pixels import PixelFormat, check_pixels
from edge_affect.sources import gstreamer
from edge_affect.sources.gstreamer import GStreamerSource
from edge_affect.sources.open import open_source
from edge_affect.sources.pipelines import Pipeline
from edge_affect.sources.player import Layout, Listener, unpack
from edge_affect.types import Frame
from tests.fakes.capture import HANG_LIMIT_S
from tests.fakes.gstreamer import FakePlayer, fake_pipeline

LONG_NS = 20 * NS_PER_S
"""Never waited for in a run that passes."""
TEST_PICTURES = "gst://videotestsrc is-live=true{more} ! video/x-raw,{caps}"


def _source(player: FakePlayer, *, endless: bool = True) -> GStreamerSource:
    pipeline = fake_pipeline(endless=endless)
    return GStreamerSource(pipeline, SystemClock(), player.opener)


def _real(caps: str, more: str = "") -> GStreamerSource:
    address = TEST_PICTURES.format(caps=caps, more=more)
    source = open_source(address, clock=SystemClock())
    assert isinstance(source, GStreamerSource)
    return source


def _frames(source: GStreamerSource, count: int) -> list[Frame]:
    frames: list[Frame] = []
    while len(frames) < count and not source.ended:
        frame = source.read(LONG_NS)
        if frame is not None:
            frames.append(frame)
    return frames


def test_pipeline_presentation_times_become_capture_times() -> None:
    """A plausible time is kept; one of another clock is estimated and says so."""
    player = FakePlayer()
    with _source(player) as source:
        told_ns = SystemClock().now_ns() - 9 * NS_PER_MS
        player.give(told_ns)
        frame = source.read(LONG_NS)
        assert frame is not None
        assert (frame.t_capture_ns, frame.estimated) == (told_ns, False)
        assert frame.pixel_format is PixelFormat.NV12
    player = FakePlayer()
    with _source(player) as source:
        player.give(told_ns + LONG_NS)
        frame = source.read(LONG_NS)
        assert frame is not None
        assert frame.estimated
        assert frame.t_arrival_ns - frame.t_capture_ns == source.info.latency_ns


def test_pipeline_keeps_the_newest_picture_and_counts_the_others() -> None:
    """A slow reader gets the newest one; the index and the count show the loss."""
    player = FakePlayer()
    with _source(player) as source:
        for _ in range(3):
            player.give()
        frame = source.read(LONG_NS)
        assert frame is not None
        assert (frame.index, source.dropped) == (2, 2)
        assert source.read(0) is None


def test_pipeline_fault_while_opening_is_raised_there() -> None:
    """What the bus says of a camera that is missing is why opening fails."""
    player = FakePlayer(lambda listener: listener.fault("fake: no camera"))
    with pytest.raises(SourceError, match="fake: no camera"):
        _source(player).__enter__()
    assert player.stopped.is_set()


def test_pipeline_fault_while_running_is_raised_once_all_is_read() -> None:
    """Pictures that came are read first, then one error tells what happened."""
    player = FakePlayer()
    with _source(player) as source:
        player.give()
        assert player.listener is not None
        player.listener.fault("fake: unplugged")
        player.listener.fault("fake: and another one")
        assert source.read(LONG_NS) is not None
        assert not source.ended
        with pytest.raises(SourceError, match="unplugged"):
            source.read(LONG_NS)
        assert source.ended


def test_pipeline_that_ends_is_a_fault_for_a_camera_alone() -> None:
    """A camera does not end; a pipeline of a user's may, once all is read."""
    player = FakePlayer()
    with _source(player) as camera:
        assert player.listener is not None
        player.listener.end()
        with pytest.raises(SourceError, match="ended by itself"):
            camera.read(LONG_NS)
    player = FakePlayer()
    with _source(player, endless=False) as film:
        player.give()
        assert player.listener is not None
        player.listener.end()
        ended_early = film.ended
        assert film.read(LONG_NS) is not None
        assert (ended_early, film.ended) == (False, True)
        assert film.read(LONG_NS) is None


def test_pipeline_that_does_not_stop_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A driver that hangs in its end is counted and logged, and holds nobody up."""
    monkeypatch.setattr(gstreamer, "_STOP_LIMIT_S", 0.02)
    player = FakePlayer()
    player.hang = threading.Event()
    with _source(player) as source:
        pass
    assert source.abandoned == 1
    assert "left behind" in caplog.text
    player.hang.set()
    assert player.stopped.wait(HANG_LIMIT_S)


def test_pipeline_that_opens_too_late_is_stopped_at_once() -> None:
    """Opening has a limit, and what opens after it does not go on playing."""
    late = threading.Event()
    player = FakePlayer(lambda listener: (late.wait(HANG_LIMIT_S), None)[1])
    pipeline = Pipeline("slow", "", 0, 10 * NS_PER_MS, endless=True)
    source = GStreamerSource(pipeline, SystemClock(), player.opener)
    with pytest.raises(SourceError, match=r"slow: did not open within 0\.01 s"):
        source.__enter__()
    late.set()
    assert player.stopped.wait(HANG_LIMIT_S)


def test_pipeline_without_pygobject_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line names the packages and the extra."""
    monkeypatch.setitem(sys.modules, "gi", None)
    with pytest.raises(MissingDependencyError, match=r"python3-gi .*\[gstreamer\]"):
        open_source("csi://0", clock=SystemClock()).__enter__()


def test_listener_hears_when_nobody_listens_any_more() -> None:
    """A pipeline that still opens can see that it was given up."""
    heard: list[bool] = []

    def look(listener: Listener) -> None:
        heard.append(listener.gave_up)
        listener.fault("fake: gone")
        heard.append(listener.gave_up)

    with pytest.raises(SourceError):
        _source(FakePlayer(look)).__enter__()
    assert heard == [False, True]


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("pixel_format", ["bgr", "rgb", "grey8", "nv12"])
def test_unpack_leaves_out_what_pads_the_rows(pixel_format: str, padding: int) -> None:
    """The picture is the same however a driver lays it out in memory."""
    kind = PixelFormat(pixel_format)
    rng = np.random.default_rng(4)
    channels = 3 if kind in (PixelFormat.BGR, PixelFormat.RGB) else 1
    planes = [rng.integers(0, 256, (6, 8 * channels), np.uint8)]
    if kind is PixelFormat.NV12:
        planes.append(rng.integers(0, 256, (3, 8), np.uint8))
    data, strides, offsets = b"junk", [], []
    for plane in planes:
        offsets.append(len(data))
        strides.append(plane.shape[1] + padding)
        data += np.pad(plane, ((0, 0), (0, padding)), constant_values=255).tobytes()
    data = data[: len(data) - padding]  # the last row of all need not be padded
    picture = unpack(data, Layout(kind, 8, 6, tuple(strides), tuple(offsets)))
    check_pixels(picture, kind)
    assert np.array_equal(picture.reshape(-1), np.concatenate(planes).reshape(-1))


def test_unpack_makes_an_odd_nv12_even() -> None:
    """Chroma of half a pixel cannot be: the last row and column go."""
    data = bytes(range(8 * 5 + 8 * 3))
    layout = Layout(PixelFormat.NV12, 7, 5, (8, 8), (0, 40))
    picture = unpack(data, layout)
    check_pixels(picture, PixelFormat.NV12)
    assert picture.shape == (6, 6)
    assert picture[4, 0] == 40


@pytest.mark.gst
def test_gstreamer_times_are_monotonic_and_evenly_spaced() -> None:
    """PTS and base time together are the machine's monotonic clock, not an estimate."""
    start_ns = SystemClock().now_ns()
    with _real("format=NV12,width=64,height=48,framerate=50/1") as source:
        frames = _frames(source, 6)
    assert all(start_ns <= frame.t_capture_ns <= frame.t_arrival_ns for frame in frames)
    assert not any(frame.estimated for frame in frames)
    for a, b in pairwise(frames):
        apart_ns = b.t_capture_ns - a.t_capture_ns
        assert apart_ns == (b.index - a.index) * 20 * NS_PER_MS


@pytest.mark.gst
@pytest.mark.parametrize(
    ("name", "kind"),
    [("NV12", "nv12"), ("GRAY8", "grey8"), ("BGR", "bgr"), ("RGB", "rgb")],
)
def test_gstreamer_pictures_are_taken_as_they_are(name: str, kind: str) -> None:
    """Each layout arrives unconverted, rows of an odd width without their padding."""
    width = 64 if name == "NV12" else 61
    with _real(f"format={name},width={width},height=48", " pattern=red") as source:
        (frame,) = _frames(source, 1)
    check_pixels(frame.data, frame.pixel_format)
    assert frame.pixel_format is PixelFormat(kind)
    assert (frame.width_px, frame.height_px) == (width, 48)
    whole = np.eye(2, 3, dtype=np.float32)
    red = frame.crop(whole, (width, 48), 1 if name == "GRAY8" else 3)
    inside = red[2:-2, 2:-2]  # a crop in colour fades at the picture's rim
    assert np.ptp(inside, axis=(0, 1)).max() <= 2
    if name != "GRAY8":
        assert inside[0, 0, 0] > 200
        assert inside[0, 0, 1] < 60


@pytest.mark.gst
def test_gstreamer_other_layouts_are_converted() -> None:
    """A camera's YUY2 comes as one of the layouts that we read."""
    with _real("format=YUY2,width=64,height=48") as source:
        (frame,) = _frames(source, 1)
    check_pixels(frame.data, frame.pixel_format)


@pytest.mark.gst
def test_gstreamer_pipeline_that_ends_is_read_to_its_end() -> None:
    """A pipeline of three pictures gives them and has ended."""
    with _real("format=GRAY8,width=64,height=48", " num-buffers=3") as source:
        frames = _frames(source, 10)
        assert source.ended
    assert frames[-1].index == 2


@pytest.mark.gst
@pytest.mark.parametrize(
    ("elements", "why"),
    [
        ("no_such_element", 'gst no_such_element: no element "no_such_element"'),
        ("videotestsrc !! x", "gst videotestsrc: "),
        ("v4l2src device=/dev/no_such_camera", "no_such_camera"),
        ("videotestsrc ! video/x-raw,width=64,framerate=30/1 ! jpegenc", "link"),
    ],
)
def test_gstreamer_says_in_one_line_why_it_cannot_play(elements: str, why: str) -> None:
    """Whatever is wrong with a pipeline is a SourceError in GStreamer's words."""
    with pytest.raises(SourceError, match=why) as caught:
        open_source(f"gst://{elements}", clock=SystemClock()).__enter__()
    assert "\n" not in str(caught.value)


@pytest.mark.gst
def test_gstreamer_fault_while_playing_reaches_the_reader() -> None:
    """An element that fails after three pictures ends the source by one error."""
    with _real("width=64,height=48 ! identity error-after=4") as source:
        with pytest.raises(SourceError, match="gst videotestsrc: Failed"):
            _frames(source, 10)
        assert source.ended


@pytest.mark.gst
def test_gstreamer_threads_end_with_the_source() -> None:
    """Opening and closing again and again leaves no thread behind."""
    before = len(list(Path("/proc/self/task").iterdir()))
    for _ in range(5):
        with _real("width=64,height=48,framerate=100/1") as source:
            assert _frames(source, 2)
    until_ns = SystemClock().now_ns() + LONG_NS
    # GStreamer's pool keeps a thread or two for the next pipeline.
    while len(list(Path("/proc/self/task").iterdir())) > before + 3:
        assert SystemClock().now_ns() < until_ns, "threads pile up"


@pytest.mark.gst
@pytest.mark.parametrize(
    "address",
    [
        TEST_PICTURES.format(more="", caps="width=64,height=48,framerate=100/1"),
        "gst://v4l2src device=/dev/none",
        "gst://no_such_element ! videoconvert",
    ],
)
def test_gstreamer_files_and_players_end_with_the_source(address: str) -> None:
    """A camera that is opened again for hours must not run out of files."""

    def turn() -> None:
        with contextlib.suppress(SourceError):
            source = open_source(address, clock=SystemClock())
            with source:
                source.read(LONG_NS)

    for _ in range(3):
        turn()  # GStreamer keeps some files for itself
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        turn()
    gc.collect()
    players = [one for one in gc.get_objects() if type(one).__name__ == "_GstPlayer"]
    assert len(players) <= 1
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 4


@pytest.mark.gst
def test_gstreamer_bus_does_not_fill_while_pictures_come() -> None:
    """What elements say all the time is read away: it holds the pipeline's memory."""
    with _real("width=64,height=48,framerate=100/1") as source:
        assert _frames(source, 40)
        player: Any = source._player
        left = 0
        while player._bus.pop() is not None:
            left += 1
    assert left < 20
