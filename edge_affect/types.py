"""Values that travel through a stream: frames, sound, faces, estimates, health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect import pixels
from edge_affect.pixels import PixelFormat

SAMPLE_RATE_HZ = 16_000
"""Rate of all sound inside the SDK; sources resample to it."""


class Memory(str, Enum):
    """Where a frame's pixels are."""

    HOST = "host"


@dataclass(frozen=True, slots=True)
class Frame:
    """One video image with its times."""

    data: NDArray[Any]
    """Pixels in ``pixel_format``: ``(H, W, 3)`` uint8 for BGR and RGB, ``(H, W)``
    uint8 or uint16 for the greys, ``(H * 3 / 2, W)`` uint8 for NV12. Never written
    to after the frame is made."""
    t_capture_ns: int
    """When the light was taken: monotonic, ns."""
    t_arrival_ns: int
    """When the frame reached us: monotonic, ns, not before ``t_capture_ns``."""
    index: int
    """The source's own count of frames, from 0; a jump means lost frames."""
    pixel_format: PixelFormat = PixelFormat.BGR
    memory: Memory = Memory.HOST
    estimated: bool = False
    """Whether ``t_capture_ns`` is the arrival less the source's usual latency."""

    @property
    def width_px(self) -> int:
        """Width of the picture."""
        return int(self.data.shape[1])

    @property
    def height_px(self) -> int:
        """Height of the picture."""
        return pixels.picture_height(self.data, self.pixel_format)

    def crop(
        self, affine: NDArray[np.float32], size: tuple[int, int], channels: int
    ) -> NDArray[np.uint8]:
        """Read an affine crop, converting only the pixels that it covers.

        Args:
            affine: ``(2, 3)`` map from crop to frame coordinates, pixels.
            size: Width and height of the crop, pixels.
            channels: 1 for luma, 3 for RGB.

        Returns:
            ``(h, w)`` uint8 luma or ``(h, w, 3)`` uint8 RGB, newly made; black
            outside of the frame.

        Raises:
            UsageError: ``channels`` is neither 1 nor 3.
        """
        return pixels.crop(self.data, self.pixel_format, affine, size, channels)


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Sound as the source delivers it."""

    samples: NDArray[np.float32]
    """``(samples,)`` float32 mono at 16 kHz in [-1, 1]."""
    t_capture_ns: int
    """When the first sample was taken: monotonic, ns."""
    t_arrival_ns: int
    """When the chunk reached us: monotonic, ns."""
    index: int
    """The source's own count of chunks, from 0."""
    gap_before: bool = False
    """Whether samples were lost between the chunk before and this one."""
    estimated: bool = False
    """Whether ``t_capture_ns`` is the arrival less the source's usual latency."""
    cut_off_share: float | None = None
    """Share of the device's samples, in any of its channels, that were cut off, in
    [0, 1]; None: not known, and ``samples`` are looked at."""

    @property
    def duration_ns(self) -> int:
        """Length of the sound."""
        return len(self.samples) * 1_000_000_000 // SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Face:
    """A face found in a frame."""

    box: tuple[float, float, float, float]
    """Left, top, width and height in frame pixels, as the Haar cascade frames it."""
    score: float
    """Confidence of the locator or tracker, in [0, 1]."""
    points: NDArray[np.float32] | None = None
    """``(5, 2)`` float32 frame pixels: the eyes, the nose tip and the mouth corners,
    the one nearer to the picture's left side first; None where only a box is known."""


class HealthState(str, Enum):
    """How far one modality can be trusted."""

    OK = "ok"
    DEGRADED = "degraded"
    STALE = "stale"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Health:
    """Health of both modalities at one estimate."""

    face: HealthState
    voice: HealthState
    reasons: tuple[str, ...] = ()
    """Reason codes of everything that is not ``ok``, sorted."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is known of the driver at one instant; what is unknown is None."""

    index: int
    """Cell of the grid, from 0."""
    t_ns: int
    """The instant it is for: its frame's capture, or the cell's end when held."""
    t_ms: float
    """The same from the start of the stream, ms."""
    age_ms: float
    """From ``t_ns`` to when the estimate was ready, ms."""
    held: bool
    """Whether no new frame reached the cell."""
    rung: int
    """Rung of the degradation ladder, 0 is full service."""
    health: Health
    valence: float | None = None
    """In [-1, 1], unpleasant to pleasant."""
    arousal: float | None = None
    """In [-1, 1], calm to excited."""
    valence_std: float | None = None
    """Spread (one deviation) of ``valence``, at least 0."""
    arousal_std: float | None = None
    """Spread (one deviation) of ``arousal``, at least 0."""
    valence_ahead: float | None = None
    """Valence predicted for 1/3 s later, in [-1, 1]."""
    arousal_ahead: float | None = None
    """Arousal predicted for 1/3 s later, in [-1, 1]."""
    expression: Mapping[str, float] | None = None
    """Probability of each of the bundle's expressions; sums to 1."""
    confidence: float | None = None
    """Probability of the likeliest expression, lowered as its input ages, in [0, 1]."""
    action_units: Mapping[str, float] | None = None
    """Activation of each action unit in [0, 1]; not a probability."""
    driver: Mapping[str, float] | None = None
    """Driver signals in [0, 1]."""
    frame: int | None = None
    """Index of the frame it was made from; None when held."""
    hop: int | None = None
    """Number of the voice hop it used; None when masked."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Frames and estimates dropped so far, by reason."""
    lost_chunks: tuple[tuple[int, int], ...] = ()
    """Chunks of live sound that were pushed out unheard since the estimate before, as
    runs of their indices: first and last of each."""

    @property
    def label(self) -> str | None:
        """The likeliest expression."""
        return likeliest(self.expression)


@dataclass(frozen=True, slots=True)
class StillEstimate:
    """What one picture tells without context; None where nothing is known."""

    face: Face | None
    """The face that was read; None when there is none."""
    valence: float | None = None
    """In [-1, 1], unpleasant to pleasant."""
    arousal: float | None = None
    """In [-1, 1], calm to excited."""
    expression: Mapping[str, float] | None = None
    """Probability of each of the bundle's expressions; sums to 1."""

    @property
    def label(self) -> str | None:
        """The likeliest expression."""
        return likeliest(self.expression)


def likeliest(shares: Mapping[str, float] | None) -> str | None:
    """Return the name with the largest share; None when there are no shares."""
    return None if shares is None else max(shares, key=shares.__getitem__)
