"""Draw pictures with a face that detectors take for one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_affect.types import Frame

WIDTH_PX, HEIGHT_PX = 640, 480
HAAR_WIDTHS = 1.17
"""Width of the Haar cascade's box, in widths of a drawn face."""

_SUBPIXEL_BITS = 4
_PARTS = (
    # x, y, half width, half height in widths of the face, and brightness
    (0.0, -0.1, 0.52, 0.68, 45),
    (0.0, 0.03, 0.42, 0.58, 190),
    *((side * 0.2, -0.13, 0.13, 0.07, 120) for side in (-1, 1)),
    *((side * 0.2, -0.22, 0.13, 0.03, 70) for side in (-1, 1)),
    *((side * 0.2, -0.13, 0.075, 0.04, 60) for side in (-1, 1)),
    *((side * 0.24, 0.1, 0.1, 0.08, 205) for side in (-1, 1)),
    (0.0, 0.0, 0.05, 0.13, 215),
    *((side * 0.05, 0.13, 0.035, 0.02, 110) for side in (-1, 1)),
    (0.0, 0.29, 0.17, 0.045, 95),
)


def backdrop(seed: int = 0) -> NDArray[np.float32]:
    """Return a picture of soft blotches."""
    random = np.random.default_rng(seed)
    noise = random.normal(0, 1, (HEIGHT_PX // 8, WIDTH_PX // 8)).astype(np.float32)
    size = WIDTH_PX, HEIGHT_PX
    return np.asarray(110 + 25 * cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC))


def draw_face(picture: NDArray[np.float32], x: float, y: float, width: float) -> None:
    """Draw a face of ``width`` pixels with its middle at ``x``, ``y``."""
    unit = 1 << _SUBPIXEL_BITS
    for right, down, half_width, half_height, level in _PARTS:
        cv2.ellipse(
            picture,
            (round((x + right * width) * unit), round((y + down * width) * unit)),
            (round(half_width * width * unit), round(half_height * width * unit)),
            0,
            0,
            360,
            level,
            -1,
            cv2.LINE_AA,
            _SUBPIXEL_BITS,
        )


def frame_with_faces(
    *faces: tuple[float, float, float], seed: int = 0, index: int = 0
) -> Frame:
    """Return a BGR frame of faces, each (x, y, width), before a backdrop."""
    picture = backdrop(seed)
    for x, y, width in faces:
        draw_face(picture, x, y, width)
    soft = np.clip(cv2.GaussianBlur(picture, (0, 0), 2), 0, 255).astype(np.uint8)
    bgr = np.asarray(cv2.cvtColor(soft, cv2.COLOR_GRAY2BGR), np.uint8)
    return Frame(bgr, t_capture_ns=index, t_arrival_ns=index, index=index)
