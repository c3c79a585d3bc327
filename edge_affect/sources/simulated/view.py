"""The part of a picture that a moving head may change, and where things lie in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.brush import blend, box_px, fill
from edge_affect.sources.simulated.head import Points, Pose

_REACH = (1.25, 1.4)
"""Half width and half height of what moves with the head, half head heights."""


@dataclass(frozen=True, slots=True)
class View:
    """A window of one picture around the head."""

    pixels: NDArray[np.uint8]
    """``(h, w, 3)`` window of the picture; drawing on it draws on the picture."""
    left: int
    """Of the window in the picture, pixels."""
    top: int
    """Of the window in the picture, pixels."""
    centre_px: tuple[float, float]
    """Middle of the head in the picture."""
    scale_px: float
    """Half a head height."""
    pose: Pose
    """Of the head."""

    @property
    def region(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of the window in the picture, pixels."""
        height, width = self.pixels.shape[:2]
        return self.left, self.top, width, height

    def place(self, offsets: Points) -> Points:
        """Return the window's pixels of offsets to the head's middle."""
        corner = np.array([self.left, self.top])
        moved = offsets * self.scale_px + (np.array(self.centre_px) - corner)
        return np.asarray(moved, np.float32)

    def project(self, places: Points) -> Points:
        """Return the window's pixels of ``(N, 3)`` places in the head."""
        return self.place((places @ self.pose.rotation().T)[:, :2])

    def cut_from(self, pattern: NDArray[np.uint8], points_px: Points) -> None:
        """Fill a polygon of the window with what ``pattern`` shows there.

        Args:
            pattern: ``(H, W, 3)`` uint8, as large as the whole picture.
            points_px: Corners in the window.
        """
        rows, columns = box_px(points_px, 2, self.pixels)
        patch = self.pixels[rows, columns]
        if patch.size == 0:
            return
        mask = np.zeros(patch.shape[:2], np.uint8)
        fill(mask, points_px - np.array([columns.start, rows.start]), 255)
        left, top = self.left + columns.start, self.top + rows.start
        height, width = patch.shape[:2]
        blend(patch, pattern[top : top + height, left : left + width], mask)


def view_of(
    picture: NDArray[np.uint8],
    centre_px: tuple[float, float],
    scale_px: float,
    pose: Pose,
) -> View:
    """Return the window around a head, cut to the picture; it may be empty."""
    height, width = picture.shape[:2]
    left = min(width, max(0, int(centre_px[0] - _REACH[0] * scale_px)))
    top = min(height, max(0, int(centre_px[1] - _REACH[1] * scale_px)))
    right = min(width, max(left, int(centre_px[0] + _REACH[0] * scale_px)))
    bottom = min(height, max(top, int(centre_px[1] + _REACH[1] * scale_px)))
    pixels = picture[top:bottom, left:right]
    return View(pixels, left, top, centre_px, scale_px, pose)
