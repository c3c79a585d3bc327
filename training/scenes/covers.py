"""What lies before a face in a cabin: masks, dark glasses, hands and their like."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]


def cover_face(random: np.random.Generator, picture: Picture, points: Points) -> None:
    """Draw over a part of one face of ``(H, W)`` uint8 luma.

    Args:
        random: Decides what.
        picture: Drawn on.
        points: ``(5, 2)``: eyes, nose tip, mouth corners, px.
    """
    kind = random.integers(3)
    if kind == 0:
        _mask(random, picture, points)
    elif kind == 1:
        _glasses(random, picture, points)
    else:
        _hand(random, picture, points)


def _frame(points: Points) -> tuple[Points, Points, Points]:
    """Return the middle of the eyes, and the face's axes: eye to eye, eyes to mouth."""
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    return eyes, points[1] - points[0], mouth - eyes


def _mask(random: np.random.Generator, picture: Picture, points: Points) -> None:
    eyes, across, down = _frame(points)
    top = random.uniform(0.35, 0.6)
    outline = [(-1, top), (0, top - 0.15), (1, top), (0.9, 1.3), (0, 1.9), (-0.9, 1.3)]
    corners = np.array([eyes + x * across + y * down for x, y in outline])
    level = float(random.uniform(20, 250))
    cv2.fillPoly(picture, [corners.astype(np.int32)], level, cv2.LINE_AA)
    for y in (0.8, 1.1):
        fold = np.array([eyes + x * across + y * down for x in (-0.8, 0.8)])
        start, end = fold.astype(int)
        cv2.line(picture, start, end, 0.85 * level, 1, cv2.LINE_AA)


def _glasses(random: np.random.Generator, picture: Picture, points: Points) -> None:
    _, across, _ = _frame(points)
    span = float(np.hypot(*across))
    angle = float(np.degrees(np.arctan2(across[1], across[0])))
    level = float(random.uniform(0, 70))
    axes = max(1, round(0.38 * span)), max(1, round(random.uniform(0.24, 0.34) * span))
    for eye in points[:2]:
        place = eye.astype(int)
        cv2.ellipse(picture, place, axes, angle, 0, 360, level, -1, cv2.LINE_AA)
    ends = np.stack([points[0] - 0.9 * across, points[1] + 0.9 * across]).astype(int)
    thick = max(1, round(0.06 * span))
    cv2.line(picture, ends[0], ends[1], level, thick, cv2.LINE_AA)


def _hand(random: np.random.Generator, picture: Picture, points: Points) -> None:
    """Draw fingers that reach into the face from below or from a side."""
    eyes, across, down = _frame(points)
    span = float(np.hypot(*across))
    x, y = random.uniform(-1.1, 1.1), random.uniform(0.6, 1.6)
    tip = eyes + x * across + y * down
    away = np.sign(x) * across + random.uniform(0.3, 1.5) * down
    away = away / max(1.0, float(np.hypot(*away))) * span
    level = float(random.uniform(30, 220))
    beside = np.array([-away[1], away[0]]) * 0.28
    for finger in range(random.integers(1, 5)):
        start = tip + finger * beside + random.uniform(-0.2, 0.2) * away
        end = start + 3 * away
        width = max(1, round(0.24 * span))
        shade = level * random.uniform(0.8, 1.1)
        cv2.line(picture, start.astype(int), end.astype(int), shade, width, cv2.LINE_AA)
