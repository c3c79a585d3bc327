"""What a stream says of itself: what runs, and how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_affect.realtime.budget import StageStats


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a stream runs on."""

    source: str
    """Name of the video source."""
    audio: str | None
    """Name of the sound source; None without sound."""
    live: bool
    """Whether it runs in real time."""
    backend: str
    """Backend that runs the graphs."""
    provider: str
    """Provider that really runs them."""
    target: str
    """Target of the graphs, such as ``cpu-fp32``."""
    target_reason: str
    """Why that target runs: it was asked for, measured here, or is the default."""
    bundle: str
    """Name and version of the bundle."""
    bundle_digest: str
    """SHA-256 of the bundle's manifest, hex."""
    purpose: str
    """Declared purpose."""
    cell_hz: tuple[int, int] = (30, 1)
    """Cells per second, as numerator and denominator."""
    notes: tuple[str, ...] = ()
    """One line each for whatever the user should know, such as absent sound."""


def printable(text: str) -> str:
    r"""Return ``text`` with bytes that are no letters spelt out, as ``\udcff``.

    The name of a file may hold such bytes; a page or a terminal cannot.
    """
    return text.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, slots=True)
class StreamStats:
    """How a stream went so far."""

    stages: Mapping[str, StageStats]
    """Durations of each stage that ran."""
    captured: int
    """Frames that the source counted."""
    processed: int
    """Frames that reached a cell."""
    dropped: Mapping[str, int]
    """Frames dropped, by reason; captured = processed + dropped once closed."""
    misses: int
    """Steps that overran the budget."""
    masked_hops: int
    """Cells whose voice hop was not computed in time."""
    lost_samples: int
    """Samples of live sound that could not be heard in time."""
    cells: int
    """Cells that were stepped."""
    skipped: int
    """Cells left out by a stall of the process or a gap in the source's time."""
    consumer_dropped: int
    """Estimates that a slow consumer never read."""
    face_ok_share: float
    """Share of cells whose face was ``ok``, in [0, 1]."""
