"""Rendering family A: a shaded head on a still cabin, by textures and polygons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.base import Truth
from edge_affect.sources.simulated.brush import blend, fill, shade
from edge_affect.sources.simulated.cabin import Place, paint_cabin
from edge_affect.sources.simulated.features import (
    Features,
    Movement,
    movement_from_truth,
)
from edge_affect.sources.simulated.glasses import draw_glasses
from edge_affect.sources.simulated.hair import (
    hair_volume,
    side_locks,
    strand_picture,
)
from edge_affect.sources.simulated.head import HeadGeometry, Pose
from edge_affect.sources.simulated.identity import HairStyle, Identity
from edge_affect.sources.simulated.skin import Skin
from edge_affect.sources.simulated.view import View, view_of

_GAZE = 0.035
"""Shift of the iris for a look 15° aside, half head heights."""
_EAR_SHOWS = 0.12
"""Turn of the head, radians, from which the near ear lies before the head."""
_NOISE_SPARE = 1 << 16
"""Bytes by which the noise is longer than a picture, so that it can be shifted."""
_NOISE, _SHIFT = 31, 32

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
        place = Place(size, (middle[0], middle[1] + 1.1 * scale), scale)
        self._identity = identity
        self._neck_px = place.neck_px
        self._geometry = HeadGeometry(identity.shape, scale)
        self._skin = Skin(identity, self._geometry)
        self._features = Features(identity, self._geometry)
        self._cabin = paint_cabin(identity, place)
        self._volume = hair_volume(identity)
        self._strands = strand_picture(identity, size)
        random = np.random.default_rng([identity.seed, _NOISE])
        count = width * height * 3 + _NOISE_SPARE
        noise = random.standard_normal(count, np.float32) * identity.light.noise
        self._noise = np.rint(np.clip(noise, -127, 127)).astype(np.int8)

    def render(self, truth: Truth, index: int) -> Picture:
        """Return frame ``index``: ``(H, W, 3)`` uint8 BGR, newly made."""
        picture = self._cabin.copy()
        moved = movement_from_truth(truth, self._gaze(truth))
        angles = np.radians([truth.yaw_deg, truth.pitch_deg, truth.roll_deg])
        yaw, pitch, roll = (float(angle) for angle in angles)
        pose = Pose(yaw, pitch, roll, moved.jaw)
        centre_px = self._geometry.centre_px(self._neck_px, pose)
        view = view_of(picture, centre_px, self._geometry.scale_px, pose)
        if view.pixels.size > 0:
            self._draw_behind(view)
            self._draw_head(view, moved)
            self._draw_before(view)
        return self._with_noise(picture, index)

    def _gaze(self, truth: Truth) -> tuple[float, float]:
        """Return the shift of the irises: the eyes stay on the road."""
        camera = self._identity.camera
        aside = (truth.yaw_deg - camera.yaw_deg) / 15
        up = (truth.pitch_deg - camera.pitch_deg) / 25
        return -_GAZE * min(1.0, max(-1.0, aside)), _GAZE * min(1.0, max(-1.0, up))

    def _draw_behind(self, view: View) -> None:
        """Draw the hair around the skull, and the ears."""
        if self._identity.looks.hair_style is not HairStyle.BALD:
            crown = self._geometry.outline(view.pose, self._volume)
            view.cut_from(self._strands, view.place(crown))
        for lock in side_locks(self._identity, view.pose, behind=True):
            view.cut_from(self._strands, view.place(lock))
        for side in (-1, 1):
            self._draw_ear(view, side)

    def _draw_head(self, view: View, moved: Movement) -> None:
        """Draw the head itself: texture, light, and the way that it is turned."""
        import cv2

        texture = self._skin.colour.copy()
        self._features.draw(texture, moved)
        light = self._skin.light(view.pose, moved.units)
        texture = np.asarray(cv2.multiply(texture, light, scale=1 / 128), np.uint8)
        maps = self._geometry.sampling(
            view.pose, view.region, view.centre_px, self._skin.relief
        )
        mode = cv2.BORDER_REPLICATE
        head = cv2.remap(texture, *maps, cv2.INTER_LINEAR, borderMode=mode)
        mask = np.zeros(view.pixels.shape[:2], np.uint8)
        fill(mask, view.place(self._geometry.outline(view.pose)), 255)
        mask = np.asarray(cv2.GaussianBlur(mask, (3, 3), 0.8), np.uint8)
        blend(view.pixels, np.asarray(head, np.uint8), mask)

    def _draw_before(self, view: View) -> None:
        """Draw the ear that faces us, the glasses, and long hair beside the face."""
        yaw = view.pose.yaw
        if abs(yaw) > _EAR_SHOWS:
            self._draw_ear(view, -1 if yaw > 0 else 1)
        draw_glasses(self._identity, view)
        for lock in side_locks(self._identity, view.pose, behind=False):
            view.cut_from(self._strands, view.place(lock))

    def _draw_ear(self, view: View, side: int) -> None:
        looks, width = self._identity.looks, self._identity.shape.width
        if looks.hair_style is HairStyle.LONG:
            return
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        for size, level in ((1.0, 0.66), (0.5, 0.52)):
            out = 0.07 * size * np.cos(turn)
            down = 0.1 + 0.18 * size * np.sin(turn)
            ear = np.column_stack(
                [side * (width + 0.02 + out), down, -0.12 - 1.2 * out]
            )
            levels = shade(looks.skin, level * self._identity.light.exposure)
            fill(view.pixels, view.project(ear), levels)

    def _with_noise(self, picture: Picture, index: int) -> Picture:
        import cv2

        random = np.random.default_rng([self._identity.seed, _SHIFT, index])
        start = int(random.integers(_NOISE_SPARE))
        noise = self._noise[start : start + picture.size].reshape(picture.shape)
        return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)
