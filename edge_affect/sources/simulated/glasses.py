"""Glasses, on the nose of a turned head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.brush import box_px, fill, shade, stroke, tint
from edge_affect.sources.simulated.head import Points
from edge_affect.sources.simulated.identity import Glasses, Identity
from edge_affect.sources.simulated.view import View

_GLARE = (255.0, 250.0, 245.0)
_STREAK = np.array([[0.2, 0.75], [0.55, 0.15], [0.68, 0.15], [0.33, 0.75]])
"""Corners of the bright streak on a lens, shares of its box."""


def draw_glasses(identity: Identity, view: View) -> None:
    """Draw the person's glasses, if there are any."""
    looks, shape = identity.looks, identity.shape
    if looks.glasses is Glasses.NONE:
        return
    rim = _rim(looks.glasses)
    half = float(np.ptp(rim[:, 0])) / 2
    front, y = 0.93 * shape.depth, shape.eye_y
    levels = shade(looks.glasses_frame, identity.light.exposure)
    width_px = 0.026 * view.scale_px
    for side in (-1, 1):
        corners = np.column_stack([rim, np.full(len(rim), front)])
        corners += [side * (shape.eye_x + 0.01), y + 0.02, 0]
        lens = view.project(corners)
        _draw_lens(view.pixels, lens)
        stroke(view.pixels, lens, levels, width_px, closed=True)
        edge = side * (shape.eye_x + half)
        arm = np.array([[edge, y, front], [side * shape.width, y, 0.35]])
        stroke(view.pixels, view.project(arm), levels, width_px)
    inner = shape.eye_x - half
    bridge = np.array([[-inner, y, front], [inner, y, front]])
    stroke(view.pixels, view.project(bridge), levels, width_px)


def _rim(glasses: Glasses) -> Points:
    """Return the outline of one lens around its middle, half head heights."""
    square = glasses is Glasses.SQUARE
    power, wide, tall = (0.5, 0.2, 0.125) if square else (1.0, 0.17, 0.155)
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    return np.asarray(np.sign(circle) * np.abs(circle) ** power * [wide, tall])


def _draw_lens(pixels: NDArray[np.uint8], rim_px: Points) -> None:
    rows, columns = box_px(rim_px, 1, pixels)
    patch = pixels[rows, columns]
    if patch.size == 0:
        return
    mask = np.zeros(patch.shape[:2], np.uint8)
    here = rim_px - np.array([columns.start, rows.start])
    fill(mask, here, 14)
    fill(mask, here.min(0) + _STREAK * np.ptp(here, axis=0), 40)
    tint(patch, _GLARE, mask)
