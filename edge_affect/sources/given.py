"""Take a source as callers give it: one of their own, or what names one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from edge_affect.clock import NS_PER_S, Clock
from edge_affect.sources.base import AudioSource, Source
from edge_affect.sources.open import SIMULATED, open_audio, open_source
from edge_affect.sources.reconnect import Reconnecting, RetrySettings

VideoLike = int | str | Path | Source
AudioLike = int | str | AudioSource | None

_NETWORK = RetrySettings(hang_ns=5 * NS_PER_S, first_item_ns=10 * NS_PER_S)
"""A network may pause for longer than a device that is plugged in."""
_LOCAL = RetrySettings()
_PLUGGED_IN = ("csi://", "gst://")


def as_source(video: VideoLike, clock: Clock, audio: int | str = "default") -> Source:
    """Return the source that was given or named; a named device is reconnected.

    Args:
        video: A source, or what names one.
        clock: Time.
        audio: ``none`` for a named source without its own sound.

    Raises:
        UsageError: It names nothing.
    """
    if isinstance(video, (int, str, Path)):
        first = open_source(video, clock=clock, audio=audio)
        if not first.info.live or video == SIMULATED:
            return first
        named = str(video)
        remote = "://" in named and not named.startswith(_PLUGGED_IN)
        return Reconnecting(
            lambda: open_source(video, clock=clock, audio=audio),
            clock,
            _NETWORK if remote else _LOCAL,
            _presence(named),
        )
    return video


def as_audio(audio: AudioLike, clock: Clock) -> AudioSource | None:
    """Return the sound that was given or named, None for none.

    A named microphone is reconnected.

    Raises:
        UsageError: It names nothing.
    """
    if audio is None or isinstance(audio, (int, str)):
        first = open_audio(audio, clock=clock)
        if first is None:
            return None
        return Reconnecting(
            lambda: _microphone(audio, clock), clock, _LOCAL, sound_presence()
        )
    return audio


def _microphone(audio: int | str | None, clock: Clock) -> AudioSource:
    source = open_audio(audio, clock=clock)
    assert source is not None  # noqa: S101 - as_audio asked before
    return source


def sound_presence(folder: Path = Path("/dev/snd")) -> Callable[[], bool] | None:
    """Return what tells whether as many sound inputs are there as ever, on Linux.

    Which of them a sound server gives is its own matter: that one came back is enough
    for another try at once.

    Args:
        folder: Where the kernel shows a file for each; ``pcm…c`` are inputs.
    """
    if not folder.is_dir():
        return None
    most = 0

    def is_present() -> bool:
        nonlocal most
        count = sum(1 for _ in folder.glob("pcm*c"))
        most = max(most, count)
        return count == most

    is_present()
    return is_present


def _presence(named: str) -> Callable[[], bool] | None:
    """Return what tells whether the camera of that number is plugged in, on Linux."""
    if not named.isdecimal() or not sys.platform.startswith("linux"):
        return None
    return Path(f"/dev/video{int(named)}").exists
