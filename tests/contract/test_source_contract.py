"""What every source promises, asked of each of them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise, repeat
from pathlib import Path

import numpy as np
import pytest
from _pytest.mark import ParameterSet

from edge_affect.clock import NS_PER_MS, NS_PER_S, SimClock, SystemClock
from edge_affect.errors import StreamStateError
from edge_affect.pixels import check_pixels
from edge_affect.sources import camera
from edge_affect.sources.base import AudioSource, Closing, Source
from edge_affect.sources.camera import CameraSource
from edge_affect.sources.gstreamer import GStreamerSource
from edge_affect.sources.media import MediaSource
from edge_affect.sources.microphone import MicrophoneSource
from edge_affect.sources.open import open_source
from edge_affect.sources.player import _GstPlayer
from edge_affect.sources.replay import ReplaySource
from edge_affect.types import AudioChunk, Frame
from tests.fakes.capture import HANG_LIMIT_S, FakeCapture
from tests.fakes.gstreamer import FakePlayer, fake_pipeline
from tests.fakes.media_files import click, write_clip, write_pictures
from tests.fakes.portaudio import FakePyAudio

ITEMS = 12
LONG_NS = 20 * NS_PER_S
"""Never waited for in a run that passes."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A source under test."""

    source: Source | AudioSource
    """Not open yet."""
    live: bool
    has_video: bool
    has_audio: bool
    provide: Callable[[], object] = lambda: None
    """Makes one more item of a device available."""


Make = Callable[[Path, pytest.MonkeyPatch], Subject]


def _pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    path = write_clip(tmp_path / "a.mkv", sound=click(0.5))
    return Subject(MediaSource(path), live=False, has_video=True, has_audio=True)


def _opencv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    path = write_pictures(tmp_path / "a.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    return Subject(MediaSource(path), live=False, has_video=True, has_audio=False)


def _replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    path = write_clip(tmp_path / "a.mkv", sound=click(0.5))
    source = ReplaySource(MediaSource(path), SimClock())
    return Subject(source, live=True, has_video=True, has_audio=True)


def _camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.setattr(camera, "_JOIN_S", 0.02)  # its fake waits for the test
    pace = threading.Semaphore(0)
    opener = FakeCapture(repeat(True), pace).opener
    source = CameraSource(0, SystemClock(), open_capture=opener)
    return Subject(
        source, live=True, has_video=True, has_audio=False, provide=pace.release
    )


def _microphone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    fake = FakePyAudio().install(monkeypatch)
    source = MicrophoneSource(None, SystemClock())
    sound = np.full((320, 1), 8_192, np.int16)
    return Subject(
        source,
        live=True,
        has_video=False,
        has_audio=True,
        provide=lambda: fake.feed(sound, age_s=0.025),
    )


def _simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    from edge_affect.sources.simulated import SimulatedSource

    source = SimulatedSource(seed=3, duration_s=0.5, clock=SimClock())
    return Subject(source, live=False, has_video=True, has_audio=True)


def _simulated_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    from edge_affect.sources.simulated import SimulatedSource

    source = SimulatedSource(seed=3, duration_s=0.5, live=True, clock=SimClock())
    return Subject(source, live=True, has_video=True, has_audio=True)


def _pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    player = FakePlayer()
    source = GStreamerSource(fake_pipeline(), SystemClock(), player.opener)
    return Subject(
        source, live=True, has_video=True, has_audio=False, provide=player.give
    )


def _gstreamer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    source = open_source(
        "gst://appsrc name=feed is-live=true format=time do-timestamp=true "
        "caps=video/x-raw,format=GRAY8,width=64,height=48,framerate=30/1",
        clock=SystemClock(),
    )
    assert isinstance(source, GStreamerSource)

    def push() -> None:
        player = source._player
        if isinstance(player, _GstPlayer):
            buffer = player._gst.Buffer.new_wrapped(bytes(64 * 48))
            player._bin.get_by_name("feed").emit("push-buffer", buffer)

    return Subject(source, live=True, has_video=True, has_audio=False, provide=push)


FINITE: dict[str, Make] = {
    "media by PyAV": _pyav,
    "media by OpenCV": _opencv,
    "replay": _replay,
    "simulated": _simulated,
    "simulated live": _simulated_live,
}
DEVICES: dict[str, Make] = {
    "camera": _camera,
    "microphone": _microphone,
    "pipeline": _pipeline,
    "gstreamer": _gstreamer,
}
MARKS = {"gstreamer": pytest.mark.gst}
"""What a source needs of the machine."""


def _params(sources: Mapping[str, Make]) -> list[ParameterSet]:
    return [pytest.param(name, marks=MARKS.get(name, ())) for name in sources]


@pytest.fixture(params=_params(FINITE | DEVICES))
def subject(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Subject:
    """Make each source in turn."""
    return (FINITE | DEVICES)[request.param](tmp_path, monkeypatch)


@pytest.fixture(params=_params(FINITE))
def finite(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Subject:
    """Make each source that ends by itself."""
    return FINITE[request.param](tmp_path, monkeypatch)


@pytest.fixture(params=_params(DEVICES))
def device(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Subject:
    """Make each source that goes on until it is closed."""
    return DEVICES[request.param](tmp_path, monkeypatch)


def _read(subject: Subject, count: int = ITEMS) -> list[Frame | AudioChunk]:
    """Read up to ``count`` items of the open source."""
    items: list[Frame | AudioChunk] = []
    while len(items) < count and not subject.source.ended:
        subject.provide()
        item = subject.source.read(LONG_NS)
        if item is not None:
            items.append(item)
    return items


def test_source_gives_items_in_order_of_arrival(subject: Subject) -> None:
    """Arrivals never go back, and nothing arrives before it is captured."""
    with subject.source:
        items = _read(subject, 200)
    assert len(items) >= ITEMS
    assert all(item.t_capture_ns <= item.t_arrival_ns for item in items)
    assert all(a.t_arrival_ns <= b.t_arrival_ns for a, b in pairwise(items))


@pytest.mark.parametrize("kind", [Frame, AudioChunk])
def test_source_counts_each_kind_from_zero(
    subject: Subject, kind: type[Frame | AudioChunk]
) -> None:
    """Indices begin at 0 and increase, for frames and for chunks; captures do too."""
    with subject.source:
        items = [item for item in _read(subject, 200) if isinstance(item, kind)]
    wanted = subject.has_video if kind is Frame else subject.has_audio
    assert bool(items) == wanted
    assert [item.index for item in items[:1]] == ([0] if wanted else [])
    assert all(a.index < b.index for a, b in pairwise(items))
    assert all(a.t_capture_ns < b.t_capture_ns for a, b in pairwise(items))


def test_source_gives_well_formed_items(subject: Subject) -> None:
    """Pictures are as their format says, sound is float32 mono in [-1, 1]."""
    with subject.source:
        items = _read(subject, 50)
    for item in items:
        if isinstance(item, Frame):
            check_pixels(item.data, item.pixel_format)
        else:
            assert item.samples.dtype == np.float32
            assert item.samples.ndim == 1
            assert len(item.samples)
            assert np.abs(item.samples).max() <= 1


def test_source_sound_is_continuous(subject: Subject) -> None:
    """Without a gap marked, each chunk begins where the last ended, within 2 ms."""
    if not subject.has_audio:
        pytest.skip("no sound")
    with subject.source:
        items = _read(subject, 100)
    chunks = [item for item in items if isinstance(item, AudioChunk)]
    if not subject.live:
        for a, b in pairwise(chunks):
            end_ns = a.t_capture_ns + a.duration_ns
            assert b.gap_before or abs(b.t_capture_ns - end_ns) <= 2 * NS_PER_MS


def test_source_frames_are_not_reused(subject: Subject) -> None:
    """A frame keeps its pixels while later ones are read."""
    with subject.source:
        first = next((i for i in _read(subject) if isinstance(i, Frame)), None)
        if first is None:
            pytest.skip("no pictures")
        before = first.data.copy()
        _read(subject)
    assert np.array_equal(first.data, before)


def test_source_tells_what_it_is(subject: Subject) -> None:
    """Once open, info tells name, kind and latency truly."""
    with subject.source as opened:
        assert opened is subject.source
        info = opened.info
        assert info.name
        assert info.live == subject.live
        assert (info.has_video, info.has_audio) == (
            subject.has_video,
            subject.has_audio,
        )
        assert info.latency_ns >= 0


def test_source_ends_and_says_so(finite: Subject) -> None:
    """A finite source ends; then read gives None, at once and for ever."""
    with finite.source as source:
        ended_at_once = source.ended
        items = _read(finite, 10_000)
        assert items
        assert not ended_at_once
        assert source.ended
        assert source.read(LONG_NS) is None
        assert source.read(0) is None


def test_source_of_a_device_does_not_end(device: Subject) -> None:
    """Silence of a device is None within the time-out, not the end."""
    with device.source as source:
        assert source.read(NS_PER_MS) is None
        assert not source.ended
        assert _read(device, 1)


def test_source_closes_twice(subject: Subject) -> None:
    """Closing again does nothing; reading a closed source gives None and ended."""
    with subject.source as source:
        _read(subject, 2)
        source.close()
        assert source.ended
        assert source.read(LONG_NS) is None
        source.close()
    assert source.read(0) is None
    source.close()


def test_source_is_closed_by_with_as_every_other(subject: Subject) -> None:
    """Leaving ``with`` closes it, by the one rule that all sources share."""
    assert type(subject.source).__exit__ is Closing.__exit__
    with pytest.raises(ZeroDivisionError), subject.source:
        raise ZeroDivisionError
    assert subject.source.ended


def test_source_closes_before_it_opens(subject: Subject) -> None:
    """A source that was never opened can be closed."""
    subject.source.close()
    assert subject.source.ended


def test_source_is_read_only_inside_with(subject: Subject) -> None:
    """Reading a source that is not open yet is an error of the caller."""
    with pytest.raises(StreamStateError, match="with"):
        subject.source.read(0)
    subject.source.close()


def test_source_is_opened_once(subject: Subject) -> None:
    """A source is used once: opening it again is an error of the caller."""
    with subject.source:
        pass
    with pytest.raises(StreamStateError):
        subject.source.__enter__()


def test_source_closed_by_another_thread_frees_the_reader(device: Subject) -> None:
    """A read that waits comes back with None when another thread closes."""
    results: list[object] = []
    with device.source as source:
        reader = threading.Thread(target=lambda: results.append(source.read(LONG_NS)))
        reader.start()
        source.close()
        reader.join(HANG_LIMIT_S / 2)
    assert results == [None]
    device.provide()  # lets the fake end


def test_replay_closed_by_another_thread_frees_the_reader(tmp_path: Path) -> None:
    """A replay that waits for its next item comes back when another thread closes."""
    path = write_clip(tmp_path / "a.mkv", frame_ms=[0, 30_000])
    results: list[object] = []
    with ReplaySource(MediaSource(path), SystemClock()) as source:
        assert source.read(0) is not None
        reader = threading.Thread(target=lambda: results.append(source.read(LONG_NS)))
        reader.start()
        source.close()
        reader.join(HANG_LIMIT_S / 2)
    assert results == [None]
