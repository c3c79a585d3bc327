"""What a frozen backbone is: pictures or sound in, feature vectors out."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class FaceBackbone(Protocol):
    """Turns aligned faces into vectors, each by itself."""

    @property
    def key(self) -> str:
        """Names weights, revision and pre-processing; safe as a folder's name."""

    @property
    def size_px(self) -> int:
        """Side of the square pictures it takes."""

    @property
    def width(self) -> int:
        """Length of its vectors."""

    def embed(self, crops: NDArray[np.uint8]) -> Floats:
        """Return ``(N, width)`` for ``(N, size_px, size_px, 3)`` uint8 RGB."""


class SoundBackbone(Protocol):
    """Turns sound into vectors, each from the past of its time alone."""

    @property
    def key(self) -> str:
        """Names weights, revision and pre-processing; safe as a folder's name."""

    @property
    def width(self) -> int:
        """Length of its vectors."""

    def embed(self, sound: Floats, times_s: NDArray[np.float64]) -> Floats:
        """Return ``(T, width)``: for each time what was heard until then.

        Args:
            sound: ``(samples,)`` float32 in [-1, 1], 16 kHz, beginning at 0 s.
            times_s: ``(T,)`` seconds, rising. Before the first window has ended the
                vector is 0.
        """


def newest_by(
    features: Floats, hop_s: float, times_s: NDArray[Any], width: int
) -> Floats:
    """Return for each time the newest feature that ended at or before it, else 0.

    Args:
        features: ``(n, width)``; feature k ends at ``(k + 1) * hop_s``.
        hop_s: Seconds from one feature's end to the next one's.
        times_s: ``(T,)`` seconds.
        width: Length of a vector, for a sound too short for one feature.
    """
    # A hop that ends at the frame's own time counts; floats may sit a hair below it.
    newest = np.floor(np.asarray(times_s) / hop_s + 1e-6).astype(np.int64) - 1
    held = np.minimum(newest, len(features) - 1)
    out = np.zeros((len(held), width), np.float32)
    out[held >= 0] = features[held[held >= 0]]
    return out
