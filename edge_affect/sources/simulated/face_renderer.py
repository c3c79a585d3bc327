"""Rendering family A: a shaded head on a still cabin, by textures and polygons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.base import Truth
from edge_affect.sources.simulated.brush import blend, box_px, fill, shade, stroke, tint
from edge_affect.sources.simulated.cabin import Place, paint_cabin
from edge_affect.sources.simulated.features import Features, movement_from_truth
from edge_affect.sources.simulated.hair import hair_volume, side_locks, streak_pattern
from edge_affect.sources.simulated.head import HeadGeometry, Points, Pose
from edge_affect.sources.simulated.identity import Glasses, HairStyle, Identity
from edge_affect.sources.simulated.skin import Skin

_GAZE = 0.035
"""Shift of the iris for a look 15° aside, half head heights."""
_REACH = (1.25, 1.4)
"""Half width and half height of what moves with the head, half head heights."""
_EAR_SHOWS = 0.12
"""Turn of the head, radians, from which the near ear lies before the head."""
_NOISE_SPARE = 1 << 16
"""Bytes by which the noise is longer than a picture, so that it can be shifted."""

Picture = NDArray[np.uint8]


class FaceRenderer:
    """Draws one identity at one size; for one thread at a time."""

    def __init__(self, identity: Identity, size: tuple[int, int] = (640, 480)) -> None:
        """Paint everything that does not move.

        Args:
            identity: Who drives, in which car and light.
            size: Width and height of the pictures, pixels.
        """
        width, height = size
        camera = identity.camera
        scale = max(4.0, 0.5 * camera.scale * height)
        middle = (width * (0.5 + camera.offset_x), height * (0.5 + camera.offset_y))
        self._identity = identity
        self._neck = (middle[0], middle[1] + 1.1 * scale)
        self._geometry = HeadGeometry(identity.shape, scale)
        self._skin = Skin(identity, self._geometry)
        self._features = Features(identity, self._geometry)
        self._cabin = paint_cabin(identity, Place(size, self._neck, scale))
        self._volume = hair_volume(identity)
        self._strands = _strands(identity, size)
        random = np.random.default_rng([identity.seed, 31])
        count = width * height * 3 + _NOISE_SPARE
        noise = random.standard_normal(count, np.float32) * identity.light.noise
        self._noise = np.rint(np.clip(noise, -127, 127)).astype(np.int8)

    def render(self, truth: Truth, index: int) -> Picture:
        """Return frame ``index``: ``(H, W, 3)`` uint8 BGR, newly made."""
        picture = self._cabin.copy()
        self.draw_head(picture, truth)
        return self._with_noise(picture, index)

    def draw_head(self, picture: Picture, truth: Truth) -> None:
        """Draw the head onto a picture of the cabin."""
        import cv2

        camera, scale = self._identity.camera, self._geometry.scale_px
        gaze = (
            -_GAZE * float(np.clip((truth.yaw_deg - camera.yaw_deg) / 15, -1, 1)),
            _GAZE * float(np.clip((truth.pitch_deg - camera.pitch_deg) / 25, -1, 1)),
        )
        moved = movement_from_truth(truth, gaze)
        angles = np.radians([truth.yaw_deg, truth.pitch_deg, truth.roll_deg])
        pose = Pose(float(angles[0]), float(angles[1]), float(angles[2]), moved.jaw)
        centre = self._geometry.centre_px(self._neck, pose)
        region = _region(centre, scale, picture)
        part = picture[
            region[1] : region[1] + region[3], region[0] : region[0] + region[2]
        ]
        if part.size == 0:
            return
        centre_here = np.array([centre[0] - region[0], centre[1] - region[1]], np.float32)
        self._draw_behind(part, pose, centre_here, region)
        texture = self._skin.colour.copy()
        self._features.draw(texture, moved)
        light = self._skin.light(pose, moved.units)
        texture = np.asarray(cv2.multiply(texture, light, scale=1 / 128), np.uint8)
        maps = self._geometry.sampling(pose, region, centre, self._skin.relief)
        mode = cv2.BORDER_REPLICATE
        head = np.asarray(cv2.remap(texture, *maps, cv2.INTER_LINEAR, borderMode=mode))
        mask = np.zeros(part.shape[:2], np.uint8)
        fill(mask, self._geometry.outline(pose) * scale + centre_here, 255)
        mask = np.asarray(cv2.GaussianBlur(mask, (3, 3), 0.8), np.uint8)
        blend(part, head, mask)
        self._draw_before(part, pose, centre_here, region)

    def _draw_behind(
        self, part: Picture, pose: Pose, centre: Points, region: tuple[int, int, int, int]
    ) -> None:
        """Draw the hair around the skull, and the ears."""
        scale, looks = self._geometry.scale_px, self._identity.looks
        if looks.hair_style is not HairStyle.BALD:
            crown = self._geometry.outline(pose, self._volume) * scale + centre
            self._lay_hair(part, crown, region)
        for side in (-1, 1):
            self._draw_ear(part, pose, centre, side)

    def _draw_ear(self, part: Picture, pose: Pose, centre: Points, side: int) -> None:
        looks, scale = self._identity.looks, self._geometry.scale_px
        if looks.hair_style is HairStyle.LONG:
            return
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        for size, level in ((1.0, 0.66), (0.5, 0.52)):
            out = 0.07 * size * np.cos(turn)
            ear = np.empty((24, 3), np.float32)
            ear[:, 0] = side * (self._identity.shape.width + 0.02 + out)
            ear[:, 1] = 0.1 + 0.18 * size * np.sin(turn)
            ear[:, 2] = -0.12 - 1.2 * out
            points = self._geometry.project(ear, pose) * scale + centre
            fill(part, points, shade(looks.skin, level * self._identity.light.exposure))

    def _draw_before(
        self, part: Picture, pose: Pose, centre: Points, region: tuple[int, int, int, int]
    ) -> None:
        """Draw the ear that faces us, the glasses, and long hair beside the face."""
        if abs(pose.yaw) > _EAR_SHOWS:
            self._draw_ear(part, pose, centre, -1 if pose.yaw > 0 else 1)
        scale = self._geometry.scale_px
        if self._identity.looks.glasses is not Glasses.NONE:
            self._draw_glasses(part, pose, centre)
        for lock in side_locks(self._identity, -0.3 * pose.roll):
            side = lock.copy()
            reach = np.hypot(np.cos(pose.yaw), 1.15 * np.sin(pose.yaw))
            side[:, 0] *= reach + 0.25 * abs(np.sin(pose.yaw))
            self._lay_hair(part, side * scale + centre, region)

    def _lay_hair(
        self, part: Picture, points: Points, region: tuple[int, int, int, int]
    ) -> None:
        rows, columns = box_px(points, 2, part)
        patch = part[rows, columns]
        if patch.size == 0:
            return
        mask = np.zeros(patch.shape[:2], np.uint8)
        fill(mask, points - np.float32([columns.start, rows.start]), 255)
        left, top = region[0] + columns.start, region[1] + rows.start
        height, width = patch.shape[:2]
        blend(patch, self._strands[top : top + height, left : left + width], mask)

    def _draw_glasses(self, part: Picture, pose: Pose, centre: Points) -> None:
        shape, looks = self._identity.shape, self._identity.looks
        scale = self._geometry.scale_px
        square = looks.glasses is Glasses.SQUARE
        power, tall = (0.5, 0.125) if square else (1.0, 0.155)
        turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        cosine, sine = np.cos(turn), np.sin(turn)
        across = np.sign(cosine) * np.abs(cosine) ** power * (0.2 if square else 0.17)
        down = np.sign(sine) * np.abs(sine) ** power * tall
        front = 0.93 * shape.depth
        levels = shade(looks.glasses_frame, self._identity.light.exposure)
        width = 0.026 * scale
        for side in (-1, 1):
            x = side * (shape.eye_x + 0.01) + across
            y = shape.eye_y + 0.02 + down
            rim = np.stack([x, y, np.full(32, front)], 1).astype(np.float32)
            points = self._geometry.project(rim, pose) * scale + centre
            self._draw_lens(part, points)
            stroke(part, points, levels, width, closed=True)
            edge = side * (shape.eye_x + np.ptp(across) / 2)
            arm = [[edge, shape.eye_y, front], [side * shape.width, shape.eye_y, 0.35]]
            arm_px = self._geometry.project(np.array(arm, np.float32), pose)
            stroke(part, arm_px * scale + centre, levels, width)
        inner = shape.eye_x - np.ptp(across) / 2
        bridge = [[-inner, shape.eye_y, front], [inner, shape.eye_y, front]]
        bridge_px = self._geometry.project(np.array(bridge, np.float32), pose)
        stroke(part, bridge_px * scale + centre, levels, width)

    def _draw_lens(self, part: Picture, rim_px: Points) -> None:
        rows, columns = box_px(rim_px, 1, part)
        patch = part[rows, columns]
        if patch.size == 0:
            return
        mask = np.zeros(patch.shape[:2], np.uint8)
        here = rim_px - np.float32([columns.start, rows.start])
        fill(mask, here, 14)
        size = np.ptp(here, axis=0)
        streak = np.float32([[0.2, 0.75], [0.55, 0.15], [0.68, 0.15], [0.33, 0.75]])
        fill(mask, here.min(0) + streak * size, 40)
        tint(patch, (255.0, 250.0, 245.0), mask)

    def _with_noise(self, picture: Picture, index: int) -> Picture:
        import cv2

        random = np.random.default_rng([self._identity.seed, 32, index])
        start = int(random.integers(_NOISE_SPARE))
        noise = self._noise[start : start + picture.size].reshape(picture.shape)
        return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)


def _region(
    centre: tuple[float, float], scale: float, picture: Picture
) -> tuple[int, int, int, int]:
    """Return left, top, width and height of what may change, cut to the picture."""
    height, width = picture.shape[:2]
    left = min(width, max(0, int(centre[0] - _REACH[0] * scale)))
    top = min(height, max(0, int(centre[1] - _REACH[1] * scale)))
    right = min(width, max(left, int(centre[0] + _REACH[0] * scale)))
    bottom = min(height, max(top, int(centre[1] + _REACH[1] * scale)))
    return left, top, right - left, bottom - top


def _strands(identity: Identity, size: tuple[int, int]) -> Picture:
    """Return a picture full of lit hair to cut hair shapes from."""
    random = np.random.default_rng([identity.seed, 33])
    light, width = identity.light, size[0]
    across = np.linspace(-1, 1, width, dtype=np.float32)[None]
    level = 0.6 + 0.16 * light.direction[0] * across + 0.08 * streak_pattern(random, size)
    hair = np.array(identity.looks.hair, np.float32)
    lit = 255 * light.exposure * level[..., None] * hair
    return np.clip(lit, 0, 255).astype(np.uint8)
