"""What is around family B's head: cabin, passing landscape, body."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.brush import blend, fill, shade, stroke
from training.synthetic.family_b.person import Person

_SCENERY = 94
_AHEAD = 6
"""Widths of the window that the landscape has before it comes again."""

Picture = NDArray[np.uint8]


class Scenery:
    """Paints one car's inside and what passes outside of it."""

    def __init__(
        self,
        person: Person,
        size: tuple[int, int],
        neck_px: tuple[float, float],
        scale_px: float,
    ) -> None:
        """Paint what does not move.

        Args:
            person: Who sits there.
            size: Width and height of the pictures, pixels.
            neck_px: Where the neck starts.
            scale_px: Half a head height, pixels.
        """
        random = np.random.default_rng([person.seed, _SCENERY])
        width, height = size
        self._speed = float(random.uniform(0.15, 0.9)) * width
        trim = float(random.uniform(0.12, 0.6)) * random.uniform(0.85, 1.15, 3)
        picture = np.empty((height, width, 3), np.uint8)
        picture[:] = shade(_colour(trim), 0.8)
        fall = np.linspace(1.25, 0.55, height)[:, None, None]
        self._cabin = np.asarray(np.clip(picture * fall, 0, 255), np.uint8)
        self._window = np.zeros((height, width), np.uint8)
        self._draw_windows(random, size)
        self._strip = _landscape(random, (width, height))
        self._body = np.zeros((height, width), np.uint8)
        self._clothed = self._cabin.copy()
        self._draw_body(person, neck_px, scale_px)

    def at(self, t_s: float, brightness: float) -> Picture:
        """Return ``(H, W, 3)`` uint8 BGR without the head, newly made."""
        width = self._cabin.shape[1]
        shift = int(self._speed * t_s) % (self._strip.shape[1] - width)
        outside = np.ascontiguousarray(self._strip[:, shift : shift + width])
        picture = self._cabin.copy()
        blend(picture, outside, self._window)
        blend(picture, self._clothed, self._body)
        return np.asarray(cv2.convertScaleAbs(picture, alpha=brightness), np.uint8)

    def _draw_windows(self, random: np.random.Generator, size: tuple[int, int]) -> None:
        width, height = size
        side = float(random.choice([-1, 1]))
        panes = [
            [(0.12, 0.08), (0.52, 0.02), (0.52, 0.44), (0.2, 0.5)],
            [(-0.5, 0.14), (-0.3, 0.12), (-0.26, 0.4), (-0.5, 0.42)],
        ]
        for pane in panes:
            corners = np.array([(0.5 + side * x, y) for x, y in pane]) * [width, height]
            fill(self._window, corners, 255)
            stroke(self._cabin, corners, (18, 18, 18), 0.03 * height, closed=True)
        self._window = np.asarray(cv2.GaussianBlur(self._window, (0, 0), 1.2), np.uint8)

    def _draw_body(
        self,
        person: Person,
        neck_px: tuple[float, float],
        scale_px: float,
    ) -> None:
        looks, wide = person.looks, 0.62 * person.head.width
        seat = [
            (-1.0, -1.3),
            (1.0, -1.3),
            (1.25, 0.2),
            (1.4, 4),
            (-1.4, 4),
            (-1.25, 0.2),
        ]
        torso = [
            *((-2.1, 4), (-1.9, 1.1), (-1.5, 0.75), (-wide, 0.32)),
            *((wide, 0.32), (1.5, 0.75), (1.9, 1.1), (2.1, 4)),
        ]
        neck = [
            *((-wide, -0.7), (wide, -0.7), (wide, 0.2), (wide + 0.14, 0.4)),
            *((0, 0.62), (-wide - 0.14, 0.4), (-wide, 0.2)),
        ]
        picture = self._clothed
        for outline, colour, light in (
            (seat, (0.05, 0.05, 0.06), 1.0),
            (torso, looks.cloth, 0.8),
            (neck, looks.skin, 0.6),
        ):
            points = np.array(outline) * scale_px + neck_px
            fill(self._body, points, 255)
            root = np.sqrt(np.array(colour))
            fill(picture, points, shade(_colour(root), light))
        strap = np.array([(-1.0, 0.5), (-0.75, 0.42), (0.9, 4), (0.5, 4)])
        fill(picture, strap * scale_px + neck_px, (30, 30, 32))
        soft = max(0.5, 0.025 * scale_px)
        self._clothed = np.asarray(cv2.GaussianBlur(picture, (0, 0), soft), np.uint8)
        self._body = np.asarray(cv2.GaussianBlur(self._body, (0, 0), 0.8), np.uint8)


def _colour(values: NDArray[np.float64]) -> tuple[float, float, float]:
    blue, green, red = np.clip(values, 0, 1).tolist()
    return blue, green, red


def _landscape(random: np.random.Generator, size: tuple[int, int]) -> Picture:
    """Return a strip of sky, trees and houses that begins as it ends."""
    width, height = size
    strip = np.empty((height, _AHEAD * width, 3), np.uint8)
    sky = random.uniform(0.35, 1.0) * np.array([0.98, 0.9, 0.82])
    strip[:] = shade(_colour(sky))
    strip[height // 2 :] = shade(_colour(0.45 * sky * [0.8, 1.0, 0.95]))
    for _ in range(10 * _AHEAD):
        x = random.uniform(0, strip.shape[1])
        half, top = random.uniform(0.02, 0.12) * width, random.uniform(0.1, 0.45)
        colour = _colour(random.uniform(0.1, 0.5) * random.uniform(0.6, 1.2, 3))
        corners = [(x - half, top), (x + half, top), (x + half, 0.55), (x - half, 0.55)]
        fill(strip, np.array(corners) * [1, height], shade(colour))
    strip = np.asarray(cv2.blur(strip, (max(3, width // 40), 5)), np.uint8)
    return np.concatenate([strip, strip[:, :width]], 1)
