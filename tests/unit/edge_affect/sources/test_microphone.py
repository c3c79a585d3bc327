"""The microphone around its callback: devices, formats, losses and closing."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from edge_affect.clock import NS_PER_S, SimClock, SystemClock
from edge_affect.errors import MissingDependencyError, SourceError, StreamStateError
from edge_affect.sources import microphone as module
from edge_affect.sources.microphone import MicrophoneSource
from tests.fakes.portaudio import FakePyAudio, microphone

LONG_NS = 10 * NS_PER_S
SPEAKER = microphone(0, "speaker", channels=0)
ARRAY = microphone(1, "USB array", channels=4, rate_hz=48_000)
WEBCAM = microphone(2, "Webcam", channels=2, rate_hz=16_000)
SOUND = np.full((320, 1), 8_192, np.int16)


def test_microphone_delivers_what_the_callback_got(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A chunk comes with the device's ADC time on our clock."""
    fake = FakePyAudio().install(monkeypatch)
    with MicrophoneSource(None, SimClock(NS_PER_S)) as source:
        fake.feed(SOUND, age_s=0.025)
        chunk = source.read(0)
        assert chunk is not None
        assert chunk.samples == pytest.approx(np.full(320, 0.25))
        assert chunk.t_arrival_ns == NS_PER_S
        assert chunk.t_capture_ns == pytest.approx(NS_PER_S - 25_000_000, abs=10)
        assert not chunk.estimated
        assert source.read(0) is None


def test_microphone_marks_an_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device's overflow flag becomes a gap before the chunk that carries it."""
    fake = FakePyAudio().install(monkeypatch)
    with MicrophoneSource(0, SimClock()) as source:
        for status in (0, fake.paInputOverflow, 0):
            fake.feed(SOUND, 0.025, status)
        chunks = [source.read(0) for _ in range(3)]
    assert [chunk and chunk.gap_before for chunk in chunks] == [False, True, False]


def test_microphone_that_is_not_read_loses_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The queue is bounded; what it lost is counted and marked as a gap."""
    fake = FakePyAudio().install(monkeypatch)
    with MicrophoneSource(0, SimClock()) as source:
        fake.feed(SOUND, 0.025)
        assert source.read(0) is not None
        for _ in range(103):
            fake.feed(SOUND, 0.025)
        chunk = source.read(0)
        assert chunk is not None
        assert chunk.gap_before
        assert source.dropped == 3


@pytest.mark.parametrize(
    ("wanted", "name"),
    [(None, "Webcam"), ("default", "Webcam"), (1, "USB array"), ("usb", "USB array")],
)
def test_microphone_finds_the_device(
    monkeypatch: pytest.MonkeyPatch, wanted: int | str | None, name: str
) -> None:
    """A device is the default, a number, or part of a name."""
    pytest.importorskip("soxr", reason="soxr is not installed")
    fake = FakePyAudio([SPEAKER, ARRAY, WEBCAM], default=2).install(monkeypatch)
    with MicrophoneSource(wanted, SimClock()) as source:
        assert source.info.name == f"microphone {name}"
        assert source.info.latency_ns == 40_000_000
        assert source.info.has_audio
        assert not source.info.has_video
    assert (fake.closed, fake.terminated) == (1, 1)


def test_microphone_takes_the_format_that_the_device_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mono at the device's own rate is tried first, then more channels, then rates."""
    pytest.importorskip("soxr", reason="soxr is not installed")
    refused = {(48_000, 1), (48_000, 2), (48_000, 4), (44_100, 1)}
    fake = FakePyAudio([SPEAKER, ARRAY], default=1, refused=refused).install(
        monkeypatch
    )
    with MicrophoneSource("default", SimClock()) as source:
        for _ in range(10):
            fake.feed(np.full((882, 2), 8_192, np.int16), 0.025)
        chunk = source.read(0)
    assert (fake.opened["rate"], fake.opened["channels"]) == (44_100, 2)
    assert fake.opened["frames_per_buffer"] == 882
    assert chunk is not None
    assert chunk.samples.max() == pytest.approx(0.25, rel=0.2)


@pytest.mark.parametrize(
    ("fake", "wanted", "reason"),
    [
        (FakePyAudio([], None), "default", "no sound input"),
        (FakePyAudio([SPEAKER], None), 0, "no sound input"),
        (FakePyAudio([SPEAKER, WEBCAM | {"index": 1}], 1), 7, "found 1 'Webcam'"),
        (FakePyAudio([SPEAKER, WEBCAM | {"index": 1}], 1), 0, "found 1 'Webcam'"),
        (
            FakePyAudio(
                refused=[(r, 1) for r in (16_000, 48_000, 44_100, 32_000)],
            ),
            0,
            "cannot be opened at any rate .Invalid sample rate",
        ),
    ],
)
def test_microphone_says_in_one_line_why_it_cannot_be_opened(
    monkeypatch: pytest.MonkeyPatch, fake: FakePyAudio, wanted: int | str, reason: str
) -> None:
    """What is missing is one line that lists the inputs, and PortAudio is let go."""
    fake.install(monkeypatch)
    source = MicrophoneSource(wanted, SimClock())
    with pytest.raises(SourceError, match=reason) as caught:
        source.__enter__()
    assert "\n" not in str(caught.value)
    assert fake.terminated == 1
    assert source.ended


def test_microphone_without_default_takes_the_first_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine that names no default input still has one by that name or none."""
    pulse = microphone(0, "default")
    FakePyAudio([pulse], default=None).install(monkeypatch)
    with MicrophoneSource(None, SimClock()) as source:
        assert source.info.name == "microphone default"


def test_microphone_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PyAudio the error names the extra that brings it."""
    monkeypatch.setitem(sys.modules, "pyaudio", None)
    with pytest.raises(MissingDependencyError, match=r"edge_affect\[audio\]"):
        MicrophoneSource(None, SimClock()).__enter__()


def test_microphone_says_when_the_device_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was captured is read first, then one error tells that the device stopped."""
    fake = FakePyAudio().install(monkeypatch)
    with MicrophoneSource(None, SimClock()) as source:
        fake.feed(SOUND, 0.025)
        fake.active = False
        assert source.read(0) is not None
        with pytest.raises(SourceError, match="stopped giving sound"):
            source.read(0)
        assert source.ended


def test_microphone_close_leaves_a_hung_device_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A sound server that hangs does not hang close."""
    hang = threading.Event()
    fake = FakePyAudio().install(monkeypatch)
    fake.while_closing = lambda: hang.wait(20)
    monkeypatch.setattr(module, "_CLOSE_LIMIT_S", 0.01)
    with MicrophoneSource(None, SystemClock()) as source:
        pass
    assert "left behind" in caplog.text
    assert source.ended
    hang.set()


def test_microphone_that_opens_too_late_is_released(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Opening has a limit, and a device that opens after it is closed at once."""
    hang, closed = threading.Event(), threading.Event()
    fake = FakePyAudio().install(monkeypatch)
    monkeypatch.setattr(fake, "get_device_count", lambda: hang.wait(20) and 1)
    fake.while_closing = closed.set
    monkeypatch.setattr(module, "_OPEN_LIMIT_S", 0.01)
    with pytest.raises(SourceError, match="did not open within"):
        MicrophoneSource(None, SystemClock()).__enter__()
    hang.set()
    assert closed.wait(20)


def test_closing_wakes_whoever_opens_a_microphone_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stream that stops while its microphone is opened again does not wait for it."""
    hang = threading.Event()
    fake = FakePyAudio().install(monkeypatch)
    monkeypatch.setattr(fake, "get_device_count", lambda: hang.wait(20) and 1)
    source = MicrophoneSource(None, SystemClock())
    threading.Timer(0.05, source.close).start()
    with pytest.raises(SourceError, match="closed while it opened"):
        source.__enter__()
    assert not hang.is_set()
    hang.set()


def test_microphone_is_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A microphone that was opened is not opened again."""
    FakePyAudio().install(monkeypatch)
    source = MicrophoneSource(None, SimClock())
    with source, pytest.raises(StreamStateError):
        source.__enter__()
