"""Take a source as callers give it: one of their own, or what names one."""

from __future__ import annotations

from pathlib import Path

from edge_affect.clock import Clock
from edge_affect.sources.base import AudioSource, Source
from edge_affect.sources.open import open_audio, open_source

VideoLike = int | str | Path | Source
AudioLike = int | str | AudioSource | None


def as_source(video: VideoLike, clock: Clock) -> Source:
    """Return the source that was given or named.

    Raises:
        UsageError: It names nothing.
    """
    if isinstance(video, (int, str, Path)):
        return open_source(video, clock=clock)
    return video


def as_audio(audio: AudioLike, clock: Clock) -> AudioSource | None:
    """Return the sound that was given or named; None for none.

    Raises:
        UsageError: It names nothing.
    """
    if audio is None or isinstance(audio, (int, str)):
        return open_audio(audio, clock=clock)
    return audio
