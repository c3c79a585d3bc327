"""Tell pictures that show nothing useful: dark, blown out, frozen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect import pixels
from edge_affect.pixels import PixelFormat

DARK = "dark"
BRIGHT = "bright"
FROZEN = "frozen"

FROZEN_FRAMES = 5
"""Frames in a row that repeat before the camera counts as frozen."""
FROZEN_REPEATS = 2
"""Repeats that it takes at least, however long they last."""

_WIDTH_PX = 32
_BLACK, _WHITE = 24, 250
_DARK_SHARE, _BRIGHT_SHARE = 0.95, 0.5


class FrameQuality:
    """Checks every frame of one camera.

    A simulated or still source repeats itself rightly: what to make of ``frozen`` is
    the caller's to decide.
    """

    def __init__(self, frozen_ns: int) -> None:
        """Start without a frame.

        Args:
            frozen_ns: A picture that was new so long ago counts as frozen.
        """
        self._frozen_ns = frozen_ns
        self.reset()

    def reset(self) -> None:
        """Forget every frame."""
        self._state = _State()

    def check(self, luma: NDArray[np.uint8], t_capture_ns: int) -> tuple[str, ...]:
        """Return the reason codes of a frame, sorted; none when it is good.

        Args:
            luma: ``(h, w)`` uint8, the whole frame.
            t_capture_ns: Its capture.

        Frozen: of the last ``FROZEN_FRAMES`` frames each after the first equals, to
        the bit, one of the two pictures before it: one again and again, or two by
        turns.
        A slow camera need not come that far: ``FROZEN_REPEATS`` will do once the last
        new picture is ``frozen_ns`` old.
        """
        picture = thumbnail(luma)
        state = self._state
        # Two different ones are kept, however often each was seen: of two by turns at a
        # high rate some are left out, and so the same one may come twice.
        others = tuple(x for x in state.last if not np.array_equal(picture, x))
        repeats = len(others) < len(state.last)
        run = state.run + 1 if repeats else 1
        new_ns = state.new_ns if repeats else t_capture_ns
        self._state = _State((picture, *others[:1]), run, new_ns)
        old = t_capture_ns - new_ns >= self._frozen_ns
        many = run >= FROZEN_FRAMES or (old and run > FROZEN_REPEATS)
        frozen = (FROZEN,) if many else ()
        return tuple(sorted((*exposure(picture), *frozen)))


@dataclass(frozen=True, slots=True)
class _State:
    """What is kept of the frames so far."""

    last: tuple[NDArray[np.uint8], ...] = ()
    """Thumbnails of the last two pictures that differ, newest first."""
    run: int = 0
    """Frames up to the last one since a frame was new."""
    new_ns: int = 0
    """Capture of the last frame that was new."""


def thumbnail(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``(H, W)`` uint8 luma as ``(h, 32)``.

    Each value is the mean of so many pixels, and there are so many values, that the
    noise of a sensor changes some in each frame.
    """
    scale = luma.shape[1] / _WIDTH_PX
    height = max(1, round(luma.shape[0] / scale))
    down = luma.shape[0] / height
    affine = [[scale, 0, (scale - 1) / 2], [0, down, (down - 1) / 2]]
    size = _WIDTH_PX, height
    grey = PixelFormat.GREY8
    return pixels.crop(luma, grey, np.array(affine, np.float32), size, channels=1)


def exposure(luma: NDArray[np.uint8]) -> tuple[str, ...]:
    """Return ``dark`` or ``bright`` for luma of any shape; nothing if it is usable."""
    if np.mean(luma < _BLACK) >= _DARK_SHARE:
        return (DARK,)
    if np.mean(luma >= _WHITE) >= _BRIGHT_SHARE:
        return (BRIGHT,)
    return ()
