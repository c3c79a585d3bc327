"""Geometry of the head: a cylinder of ellipses, from its texture to the picture.

Lengths are half head heights; x grows to the picture's right, y downwards, z towards
the camera, from the middle of the head. The texture is the skin as seen from the
front, its sides drawn in: ``1.25 W(y) sin(0.8 θ)`` across at longitude θ, so that the
front needs no stretching and a turned head still finds its temples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.identity import FaceShape

Points = NDArray[np.floating[Any]]
"""``(N, 2)`` places in a plane."""

_TABLE = 512
_SIDE_STRETCH = 1.25
_SIDE_PACE = 1 / _SIDE_STRETCH
TEXTURE_TOP = -1.04
TEXTURE_BOTTOM = 1.04
_NECK = 1.1
"""From the middle of the head down to where it tilts."""
_JAW_TOP = 0.42
"""Height below which the face follows the jaw."""
_JAW_DROP = 0.15
"""How far the chin sinks when the mouth is wide open."""
_COARSE_PX = 4
"""Spacing of the points at which the maps are worked out."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the head is turned and how far its mouth is open."""

    yaw: float
    """Radians, positive: to the picture's right."""
    pitch: float
    """Radians, positive: up."""
    roll: float
    """Radians, positive: clockwise."""
    jaw: float
    """In [0, 1]: how far the jaw has dropped."""

    def rotation(self) -> NDArray[np.float64]:
        """Return the ``(3, 3)`` rotation from head to camera."""
        cy, sy = np.cos(self.yaw), np.sin(self.yaw)
        cp, sp = np.cos(self.pitch), np.sin(self.pitch)
        cr, sr = np.cos(self.roll), np.sin(self.roll)
        turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        return np.asarray(tilt @ nod @ turn, np.float64)


class HeadGeometry:
    """Maps between the head's surface, its texture and the picture."""

    def __init__(self, shape: FaceShape, scale_px: float) -> None:
        self.scale_px = scale_px
        """Pixels in half a head height, in the texture and the picture alike."""
        y = np.linspace(TEXTURE_TOP, TEXTURE_BOTTOM, _TABLE)
        inside = np.clip(np.abs(y), 0, 0.999)
        skull = np.sqrt(1 - inside**3.2)
        jaw = (1 - inside**shape.jaw_power) ** 0.6
        self._width = np.where(y < 0, skull, jaw).astype(np.float32) * shape.width
        self._depth = (shape.depth * (1 - 0.4 * inside**4)).astype(np.float32)
        # Under the chin the skin goes on; the outline alone ends it.
        floor = np.float32(0.5 * shape.width)
        self._skin_width = (self._width**6 + floor**6) ** np.float32(1 / 6)
        self._half_texture = _SIDE_STRETCH * shape.width + 0.02
        self.texture_size = (
            round(2 * self._half_texture * scale_px),
            round((TEXTURE_BOTTOM - TEXTURE_TOP) * scale_px),
        )
        """Width and height of the texture, pixels."""

    def texture_px(self, points: Points) -> Points:
        """Return texture pixels of ``points`` near the front of the face."""
        origin = np.array([-self._half_texture, TEXTURE_TOP], np.float32)
        return np.asarray((points - origin) * self.scale_px - 0.5, np.float32)

    def texture_grid(
        self, step: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return x ``(W,)`` and y ``(H,)`` of every ``step``-th texture pixel."""
        width, height = self.texture_size
        x = (np.arange(0, width, step) + step / 2) / self.scale_px - self._half_texture
        y = (np.arange(0, height, step) + step / 2) / self.scale_px + TEXTURE_TOP
        return x.astype(np.float32), y.astype(np.float32)

    def surface(
        self, x: NDArray[np.float32], y: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the ``(H, W, 3)`` place in the head of each texture point."""
        # Between the table's rows, since light shows every step of the slope.
        table = np.linspace(TEXTURE_TOP, TEXTURE_BOTTOM, _TABLE)
        width = np.interp(y, table, self._skin_width)[:, None]
        depth = np.interp(y, table, self._depth)
        share = np.clip(x[None] / (_SIDE_STRETCH * width), -1, 1)
        theta = np.arcsin(share) / _SIDE_PACE
        down = np.broadcast_to(y[:, None], theta.shape)
        front = depth[:, None] * np.cos(theta)
        return np.dstack([width * np.sin(theta), down, front]).astype(np.float32)

    def centre_px(
        self, pivot_px: tuple[float, float], pose: Pose
    ) -> tuple[float, float]:
        """Return the picture's point of the middle of the head on its neck."""
        reach = _NECK * self.scale_px
        x = pivot_px[0] + reach * np.sin(pose.roll) + 0.08 * reach * np.sin(pose.yaw)
        y = pivot_px[1] - reach * np.cos(pose.roll) - 0.12 * reach * np.sin(pose.pitch)
        return float(x), float(y)

    def outline(self, pose: Pose, volume: NDArray[np.float32] | float = 0.0) -> Points:
        """Return the silhouette's ``(N, 2)`` picture offsets, half heads.

        Args:
            pose: Of the head.
            volume: ``(48,)`` how far something stands off the skull, from crown to
                chin; or the same everywhere.
        """
        y = -np.cos(np.linspace(0, np.pi, 48)).astype(np.float32)
        rows = _rows(y)
        width, depth = self._width[rows], self._depth[rows]
        reach = np.hypot(
            width * np.cos(pose.yaw),
            depth * np.sqrt(1 - 0.97 * y * y) * np.sin(pose.yaw),
        )
        reach = reach + volume * np.sqrt(1 - y * y)
        chin = np.clip((y - 0.2) / 0.8, 0, 1)
        y = y * (1 + np.asarray(volume, np.float32))
        down = y * np.cos(pose.pitch) - 0.55 * depth * chin * np.sin(pose.pitch)
        down = down + _JAW_DROP * pose.jaw * np.clip((y - _JAW_TOP) / 0.58, 0, 1)
        ahead = 0.35 * chin * depth * np.sin(pose.yaw)
        right = np.stack([reach + ahead, down], 1)
        left = np.stack([ahead - reach, down], 1)[::-1]
        return _tilt(np.concatenate([right, left]), pose.roll)

    def sampling(
        self,
        pose: Pose,
        region: tuple[int, int, int, int],
        centre_px: tuple[float, float],
        relief: NDArray[np.float32],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return where in the texture each pixel of a region of the picture lies.

        Args:
            pose: Of the head.
            region: Left, top, width and height in the picture, pixels.
            centre_px: Of the head in the picture.
            relief: Height of the skin over the cylinder, over the whole texture at
                any resolution, half head heights.

        Returns:
            Maps of x and y, ``(height, width)`` float32, as ``cv2.remap`` takes them.
        """
        import cv2

        x, y = self._towards_head(pose, region, centre_px)
        y_head, theta = self._hit(x, y, pose)
        bend = np.float32(_SIDE_STRETCH) * np.sin(np.float32(_SIDE_PACE) * theta)
        across = self._skin_width[_rows(y_head)] * bend
        # The relief shifts what is seen as the head turns: the nose moves most.
        size = np.array([relief.shape[1], relief.shape[0]], np.float32)
        span = np.array([2 * self._half_texture, TEXTURE_BOTTOM - TEXTURE_TOP])
        where_x = (across + self._half_texture) * (size[0] / span[0]) - 0.5
        where_y = (y_head - TEXTURE_TOP) * (size[1] / span[1]) - 0.5
        height = cv2.remap(
            relief,
            where_x.astype(np.float32),
            where_y.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        across = across - height * np.float32(np.sin(pose.yaw))
        y_head = y_head + height * np.float32(np.sin(pose.pitch))
        map_x = (across + np.float32(self._half_texture)) * np.float32(self.scale_px)
        map_y = (y_head - np.float32(TEXTURE_TOP)) * np.float32(self.scale_px)
        fine = (region[2], region[3])
        return (
            np.asarray(cv2.resize(map_x - np.float32(0.5), fine), np.float32),
            np.asarray(cv2.resize(map_y - np.float32(0.5), fine), np.float32),
        )

    def _towards_head(
        self,
        pose: Pose,
        region: tuple[int, int, int, int],
        centre_px: tuple[float, float],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return coarse picture offsets in half heads with roll and jaw undone."""
        left, top, width, height = region
        columns = max(2, -(-width // _COARSE_PX))
        lines = max(2, -(-height // _COARSE_PX))
        x = (np.arange(columns) + 0.5) * (width / columns) - 0.5 + left - centre_px[0]
        y = (np.arange(lines) + 0.5) * (height / lines) - 0.5 + top - centre_px[1]
        x, y = x[None] / self.scale_px, y[:, None] / self.scale_px
        cosine, sine = np.cos(pose.roll), np.sin(pose.roll)
        upright = (y * cosine - x * sine).astype(np.float32)
        below = upright - np.float32(_JAW_TOP)
        stretch = np.float32(1 + _JAW_DROP * pose.jaw / (1 - _JAW_TOP))
        upright = np.where(below > 0, below / stretch + np.float32(_JAW_TOP), upright)
        return (x * cosine + y * sine).astype(np.float32), upright

    def _hit(
        self, x: NDArray[np.float32], y: NDArray[np.float32], pose: Pose
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return height and longitude on the head of what is seen at picture points."""
        cosine, sine = np.float32(np.cos(pose.pitch)), np.float32(np.sin(pose.pitch))
        y_head = y / cosine
        theta = np.zeros_like(y)
        for _ in range(2):
            rows = _rows(y_head)
            across = self._skin_width[rows] * np.float32(np.cos(pose.yaw))
            along = self._depth[rows] * np.float32(np.sin(pose.yaw))
            reach = np.sqrt(across * across + along * along) + np.float32(1e-3)
            theta = np.arcsin(np.clip(x / reach, -1, 1)) - np.arctan2(along, across)
            front = self._depth[rows] * np.cos(theta + np.float32(pose.yaw))
            y_head = (y + front * sine) / cosine
        return y_head, theta


def _rows(y: NDArray[np.float32]) -> NDArray[np.intp]:
    share = (y - TEXTURE_TOP) * ((_TABLE - 1) / (TEXTURE_BOTTOM - TEXTURE_TOP))
    return np.asarray(np.clip(share, 0, _TABLE - 1), np.intp)


def _tilt(points: Points, roll: float) -> Points:
    cosine, sine = np.cos(roll), np.sin(roll)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    return np.asarray(points @ turn, np.float32)
