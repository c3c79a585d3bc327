"""What SOURCE and --audio mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_affect.clock import SimClock
from edge_affect.errors import UsageError
from edge_affect.sources.base import Source
from edge_affect.sources.camera import CameraSource
from edge_affect.sources.media import MediaSource
from edge_affect.sources.microphone import MicrophoneSource
from edge_affect.sources.open import open_audio, open_source


@pytest.mark.parametrize(
    ("spec", "kind", "name"),
    [
        (0, CameraSource, "camera 0"),
        ("12", CameraSource, "camera 12"),
        ("rtsp://cam/live", CameraSource, "rtsp://cam/live"),
        ("drive.mp4", MediaSource, "drive.mp4"),
        (Path("clips/drive.mp4"), MediaSource, "drive.mp4"),
        ("²", MediaSource, "²"),
        ("-1", MediaSource, "-1"),
    ],
)
def test_open_source_tells_cameras_streams_and_files(
    spec: int | str | Path, kind: type[Source], name: str
) -> None:
    """Digits are a camera, an address is a stream, all else is a path."""
    source = open_source(spec, clock=SimClock())
    assert isinstance(source, kind)
    assert source.info.name == name


def test_open_source_makes_the_embedded_source() -> None:
    """The name ``simulated`` is the embedded source."""
    from edge_affect.sources.simulated import SimulatedSource

    assert isinstance(open_source("simulated", clock=SimClock()), SimulatedSource)


@pytest.mark.parametrize("spec", ["", -1, True])
def test_open_source_refuses_what_names_nothing(spec: int | str) -> None:
    """A negative number, a truth value and an empty name are wrong usage."""
    with pytest.raises(UsageError, match="source: got"):
        open_source(spec, clock=SimClock())


@pytest.mark.parametrize("audio", [None, "none"])
def test_open_source_leaves_out_sound(audio: str | None) -> None:
    """Without sound wanted, a file's sound is left out too."""
    assert not open_source("a.mp4", clock=SimClock(), audio=audio).info.has_audio


@pytest.mark.parametrize("spec", [None, "none"])
def test_open_audio_may_be_none(spec: str | None) -> None:
    """No sound is no source."""
    assert open_audio(spec, clock=SimClock()) is None


@pytest.mark.parametrize(
    ("spec", "name"), [("default", "default"), (3, "3"), ("3", "3"), ("usb", "usb")]
)
def test_open_audio_names_a_microphone(spec: int | str, name: str) -> None:
    """A number, a name and ``default`` are microphones."""
    source = open_audio(spec, clock=SimClock())
    assert isinstance(source, MicrophoneSource)
    assert source.info.name == f"microphone {name}"


@pytest.mark.parametrize("spec", ["", -1, True])
def test_open_audio_refuses_what_names_nothing(spec: int | str) -> None:
    """A negative number, a truth value and an empty name are wrong usage."""
    with pytest.raises(UsageError, match="audio: got"):
        open_audio(spec, clock=SimClock())
