"""Make the source that a command line or a caller names."""

from __future__ import annotations

import os

from edge_affect.clock import Clock
from edge_affect.errors import UsageError
from edge_affect.sources.base import AudioSource, Source
from edge_affect.sources.pipelines import CSI, GST, csi_pipeline, given_pipeline

SIMULATED = "simulated"
"""Name of the embedded source."""
NO_AUDIO = "none"
"""Name for going without sound."""


def open_source(
    spec: int | str | os.PathLike[str],
    *,
    clock: Clock,
    audio: int | str | None = "default",
) -> Source:
    """Return the source that ``spec`` names; ``with`` opens it.

    Args:
        spec: Digits are a camera, ``csi://`` and a number one at a Jetson's CSI port,
            ``gst://`` and its elements a GStreamer pipeline, any other ``://`` a
            stream, ``simulated`` the embedded source, all else a path.
        clock: Stamps the frames of a live source.
        audio: None or ``none`` leaves out the sound that comes with the pictures.

    Raises:
        UsageError: ``spec`` names nothing.
    """
    with_sound = audio is not None and audio != NO_AUDIO
    number = _number(spec)
    if number is not None:
        from edge_affect.sources.camera import CameraSource

        return CameraSource(number, clock)
    if spec == SIMULATED:
        from edge_affect.sources.simulated import SimulatedSource

        return SimulatedSource(audio=with_sound, clock=clock)
    if isinstance(spec, str) and spec.startswith((CSI, GST)):
        from edge_affect.sources.gstreamer import GStreamerSource

        is_csi = spec.startswith(CSI)
        pipeline = csi_pipeline(spec) if is_csi else given_pipeline(spec)
        return GStreamerSource(pipeline, clock)
    if isinstance(spec, str) and "://" in spec:
        from edge_affect.sources.camera import CameraSource

        return CameraSource(spec, clock)
    if isinstance(spec, int) or not os.fspath(spec):
        raise UsageError(
            f"source: got {spec!r}, expected a camera's number, an address with '://', "
            f"{SIMULATED!r} or a file"
        )
    from edge_affect.sources.media import MediaSource

    return MediaSource(spec, audio=with_sound)


def open_audio(spec: int | str | None, *, clock: Clock) -> AudioSource | None:
    """Return the microphone that ``spec`` names, or None for no sound.

    Args:
        spec: ``default``, a number, part of a device's name, ``none`` or None.
        clock: Stamps the chunks.

    Raises:
        UsageError: ``spec`` names nothing.
    """
    if spec is None or spec == NO_AUDIO:
        return None
    number = _number(spec)
    if number is None and (isinstance(spec, int) or not spec):
        raise UsageError(
            f"audio: got {spec!r}, expected 'default', a device's number "
            f"or {NO_AUDIO!r}"
        )
    from edge_affect.sources.microphone import MicrophoneSource

    return MicrophoneSource(spec if number is None else number, clock)


def _number(spec: object) -> int | None:
    """Return the number that ``spec`` is or writes; None for anything else."""
    if isinstance(spec, int) and not isinstance(spec, bool) and spec >= 0:
        return spec
    if isinstance(spec, str) and spec.isascii() and spec.isdecimal():
        return int(spec)
    return None
