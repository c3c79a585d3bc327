"""Skin of the head: colour, relief, and how light falls on it as the face moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import ACTION_UNITS
from edge_affect.sources.simulated.hair import scalp_cover
from edge_affect.sources.simulated.head import HeadGeometry, Pose
from edge_affect.sources.simulated.identity import FaceShape, Identity

_STEP_PX = 2
"""Texture pixels per point of relief and light."""
_WRAP = 0.35
"""How far light reaches around the edge of the lit side."""
_UNITY = 128.0
"""Value of a light map's pixel that leaves the colour as it is."""
_FILL = 0.3
"""Share of the ambient light that comes from above."""
_FOLDED = ("AU1", "AU2", "AU4", "AU6", "AU10", "AU12", "AU15", "AU24")
"""Action units that fold the skin."""
_FOLDED_INDEX = [ACTION_UNITS.index(name) for name in _FOLDED]

Map = NDArray[np.float32]


class Skin:
    """Texture of one person's head, before eyes, brows and mouth."""

    def __init__(self, identity: Identity, geometry: HeadGeometry) -> None:
        self._light = identity.light
        x, y = geometry.texture_grid(_STEP_PX)
        grid = (np.broadcast_to(x[None], (len(y), len(x))), y[:, None])
        shape = identity.shape
        self.relief = _resting_relief(shape, *grid)
        """Height of the skin over the cylinder, every second texture pixel."""
        normal = _normals(geometry.surface(x, y), self.relief)
        folds = [_fold(name, shape, *grid) for name in _FOLDED]
        slopes = [np.gradient(fold, _STEP_PX / geometry.scale_px) for fold in folds]
        parts = [*np.moveaxis(normal, 2, 0), *(s[1] for s in slopes)]
        parts += [s[0] for s in slopes]
        # The light on every picture is a weighted sum of these.
        self._basis = [np.ascontiguousarray(part, np.float32) for part in parts]
        self._shadow = _resting_shadow(identity, *grid)
        self.colour = _colour(identity, geometry)
        """``(H, W, 3)`` uint8 reflectance, never written to."""

    def light(self, pose: Pose, units: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the light on each texture pixel, ``(H, W, 3)``, 128 for full light.

        Args:
            pose: Of the head; the light stays where it is.
            units: ``(12,)`` activation of the action units.
        """
        import cv2

        towards = pose.rotation().T @ np.array(self._light.direction)
        weights = units[_FOLDED_INDEX]
        mix = np.concatenate([towards, -towards[0] * weights, -towards[1] * weights])
        # Not a matrix product: BLAS would wake threads, and round as they split it.
        facing = np.zeros_like(self.relief)
        for weight, part in zip(mix.astype(np.float32), self._basis, strict=True):
            if weight != 0:
                facing += weight * part
        facing = np.maximum(facing * (1 / (1 + _WRAP)) + _WRAP / (1 + _WRAP), 0)
        sky = (1 - _FILL) - _FILL * self._basis[1]
        ambient = (1 - self._light.strength) * sky * self._shadow
        directed = 1.25 * self._light.strength * facing * (0.4 + 0.6 * self._shadow)
        level = np.float32(_UNITY * self._light.exposure)
        tint = np.array(self._light.colour, np.float32) * level
        shadow_tint = np.array([0.98, 0.98, 1.04], np.float32) * level
        lit = directed[..., None] * tint + ambient[..., None] * shadow_tint
        coarse = np.clip(lit, 0, 255).astype(np.uint8)
        height, width = self.colour.shape[:2]
        return np.asarray(cv2.resize(coarse, (width, height)), np.uint8)


def _bump(x: Map, y: Map, at: tuple[float, float], size: tuple[float, float]) -> Map:
    """Return a Gaussian hill of height 1."""
    across, down = (x - at[0]) / size[0], (y - at[1]) / size[1]
    return np.asarray(np.exp(-0.5 * (across * across + down * down)), np.float32)


def _twice(x: Map, y: Map, at: tuple[float, float], size: tuple[float, float]) -> Map:
    """Return the same hill on both sides of the face."""
    return _bump(np.abs(x), y, at, size)


def _groove(
    x: Map, y: Map, ends: tuple[float, float, float, float], width: float
) -> Map:
    """Return a soft line of height 1 on both sides of the face."""
    x0, y0, x1, y1 = ends
    along = np.array([x1 - x0, y1 - y0])
    length = float(np.hypot(*along))
    along = along / length
    from_x, from_y = np.abs(x) - x0, y - y0
    share = np.clip((from_x * along[0] + from_y * along[1]) / length, 0, 1)
    gap_x = from_x - share * length * along[0]
    gap_y = from_y - share * length * along[1]
    fade = np.sin(np.pi * (0.15 + 0.7 * share))
    far = (gap_x * gap_x + gap_y * gap_y) / (2 * width * width)
    return np.asarray(fade * np.exp(-far), np.float32)


def _resting_relief(shape: FaceShape, x: Map, y: Map) -> Map:
    tip, wide = shape.nose_y, shape.nose_width
    down = np.clip((y - shape.eye_y) / (tip - shape.eye_y), 0, 1)
    fall = np.clip((y - tip) / 0.07, 0, 4)
    ridge_width = 0.035 + 0.3 * wide * down
    ridge = shape.nose_height * (0.18 + 0.82 * down**1.3) * np.exp(-fall * fall)
    above = np.exp(-0.5 * (np.minimum(y - shape.eye_y, 0) / 0.12) ** 2)
    nose = ridge * above * np.exp(-0.5 * (x / ridge_width) ** 2)
    brow = shape.eye_y - shape.brow_gap
    relief = nose + 0.35 * wide * _twice(x, y, (0.68 * wide, tip + 0.01), (0.04, 0.045))
    relief += 0.03 * _twice(x, y, (0.26, brow), (0.17, 0.06))
    relief -= 0.055 * _twice(x, y, (shape.eye_x * 0.9, shape.eye_y), (0.14, 0.085))
    relief += 0.03 * _twice(x, y, (shape.eye_x, shape.eye_y), (0.1, 0.06))
    relief += 0.045 * shape.cheeks * _twice(x, y, (0.42, 0.24), (0.15, 0.13))
    relief += 0.03 * _bump(x, y, (0, shape.mouth_y - 0.02), (0.2, 0.12))
    relief -= 0.035 * _bump(x, y, (0, shape.mouth_y + 0.14), (0.16, 0.04))
    relief += 0.05 * _bump(x, y, (0, 0.88), (0.15, 0.1))
    corner = (shape.mouth_width, shape.mouth_y - 0.03)
    fold = _groove(x, y, (wide + 0.03, tip, corner[0] + 0.05, corner[1]), 0.035)
    return np.asarray(relief - 0.006 * fold, np.float32)


def _fold(unit: str, shape: FaceShape, x: Map, y: Map) -> Map:
    """Return what full action of a unit adds to the relief."""
    brow = shape.eye_y - shape.brow_gap
    corner_x, corner_y = shape.mouth_width, shape.mouth_y
    wide, tip = shape.nose_width, shape.nose_y
    waves = np.sin((y - brow) * (2 * np.pi / 0.085))
    if unit == "AU1":
        fold = 0.012 * waves * _bump(x, y, (0, brow - 0.17), (0.17, 0.08))
    elif unit == "AU2":
        fold = 0.011 * waves * _twice(x, y, (0.36, brow - 0.15), (0.13, 0.08))
    elif unit == "AU4":
        fold = 0.03 * _bump(x, y, (0, brow + 0.03), (0.07, 0.07))
        fold = fold - 0.028 * _groove(
            x, y, (0.055, brow - 0.08, 0.05, brow + 0.09), 0.016
        )
        fold = fold + 0.02 * _twice(x, y, (0.17, brow + 0.02), (0.1, 0.04))
    elif unit == "AU6":
        fold = 0.05 * _twice(x, y, (0.37, shape.eye_y + 0.2), (0.13, 0.08))
        for angle in (-0.05, 0.0, 0.05):
            out = shape.eye_x + shape.eye_width
            y0, y1 = shape.eye_y + 0.3 * angle, shape.eye_y + 1.4 * angle
            fold = fold - 0.012 * _groove(x, y, (out + 0.03, y0, out + 0.13, y1), 0.012)
        under = (0.18, shape.eye_y + 0.1, 0.4, shape.eye_y + 0.11)
        fold = fold - 0.015 * _groove(x, y, under, 0.018)
    elif unit == "AU10":
        ends = (wide, tip - 0.06, wide + 0.12, corner_y - 0.1)
        fold = 0.03 * _twice(x, y, (wide + 0.08, tip - 0.04), (0.06, 0.08))
        fold = fold - 0.04 * _groove(x, y, ends, 0.022)
    elif unit == "AU12":
        ends = (wide + 0.02, tip + 0.01, corner_x + 0.12, corner_y - 0.02)
        fold = 0.055 * _twice(x, y, (0.37, tip + 0.02), (0.12, 0.11))
        fold = fold - 0.045 * _groove(x, y, ends, 0.024)
    elif unit == "AU15":
        ends = (corner_x + 0.01, corner_y + 0.05, corner_x + 0.05, corner_y + 0.2)
        fold = -0.035 * _groove(x, y, ends, 0.025)
    else:
        fold = 0.035 * _bump(x, y, (0, corner_y + 0.17), (0.11, 0.05))
    return np.asarray(fold, np.float32)


def _normals(surface: NDArray[np.float32], relief: Map) -> NDArray[np.float32]:
    bumpy = surface.copy()
    bumpy[..., 2] += relief
    across = np.gradient(bumpy, axis=1)
    down = np.gradient(bumpy, axis=0)
    normal = np.cross(across, down)
    length = np.linalg.norm(normal, axis=2, keepdims=True)
    return np.asarray(normal / np.maximum(length, 1e-6), np.float32)


def _resting_shadow(identity: Identity, x: Map, y: Map) -> Map:
    """Return the share of ambient light that reaches each point, (0, 1]."""
    shape = identity.shape
    inner = (shape.eye_x - 0.07, shape.eye_y - 0.05)
    dark = 0.36 * _twice(x, y, inner, (0.1, 0.055))
    dark = dark + 0.22 * _twice(x, y, (shape.eye_x, shape.eye_y), (0.15, 0.08))
    dark = dark + 0.12 * _twice(x, y, (shape.eye_x, shape.eye_y + 0.11), (0.11, 0.03))
    dark = dark + 0.4 * _bump(x, y, (0, shape.nose_y + 0.085), (0.1, 0.03))
    dark = dark + 0.2 * _twice(
        x, y, (shape.nose_width + 0.02, shape.nose_y), (0.03, 0.05)
    )
    dark = dark + 0.28 * _bump(x, y, (0, shape.mouth_y + 0.125), (0.13, 0.025))
    dark = dark + 0.55 * np.clip((y - 0.9) / 0.12, 0, 1)
    side = np.clip((np.abs(x) - 0.72 * shape.width) / (0.5 * shape.width), 0, 1)
    return np.asarray(np.clip(1 - dark - 0.35 * side, 0.15, 1), np.float32)


def _colour(identity: Identity, geometry: HeadGeometry) -> NDArray[np.uint8]:
    """Return the reflectance of skin and hair on every texture pixel."""
    row, down = geometry.texture_grid(1)
    y = down[:, None]
    x = np.broadcast_to(row[None], (len(down), len(row)))
    colour = _bare_colour(identity, x, y)
    cover, streaks = scalp_cover(identity, x, y)
    hair = np.array(identity.looks.hair, np.float32) * streaks[..., None]
    # Strands shade each other most on top of the head.
    hair = hair * np.clip(1.02 + 0.5 * y, 0.55, 0.7)[..., None]
    colour += (hair - colour) * cover[..., None]
    return np.asarray(np.clip(colour * 255, 0, 255), np.uint8)


def _bare_colour(identity: Identity, x: Map, y: Map) -> NDArray[np.float32]:
    import cv2

    shape, looks = identity.shape, identity.looks
    random = np.random.default_rng([identity.seed, 11])
    coarse = random.normal(0, 1, (12, 10)).astype(np.float32)
    size = (x.shape[1], y.shape[0])
    mottle = 0.025 * np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC))
    mottle += random.normal(0, 0.012, mottle.shape).astype(np.float32)
    mottle *= np.clip(6 * (1.1 - np.abs(x) / shape.width), 0, 1)
    colour = np.array(looks.skin, np.float32) * (1 + mottle)[..., None]
    red = _twice(x, y, (0.4, 0.27), (0.16, 0.12)) + _bump(
        x, y, (0, shape.nose_y), (0.09, 0.09)
    )
    colour *= 1 - red[..., None] * np.array([0.1, 0.1, -0.02], np.float32)
    jaw = np.clip((y - 0.38) / 0.12, 0, 1) * np.ones_like(x)
    jaw = jaw * (1 - _bump(x, y, (0, 0.3), (0.3, 0.1))) * np.clip(1.2 - np.abs(x), 0, 1)
    grain = random.uniform(0.5, 1, jaw.shape).astype(np.float32)
    beard = 0.6 * looks.stubble * jaw * grain
    hair = np.array(looks.hair, np.float32) * 0.8
    colour += (hair - colour) * beard[..., None]
    for side in (-1, 1):
        at = (side * 0.5 * shape.nose_width, shape.nose_y + 0.055)
        colour *= 1 - 0.72 * _bump(x, y, at, (0.026, 0.014))[..., None]
    return np.asarray(colour, np.float32)
