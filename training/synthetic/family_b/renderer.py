"""Family B's pictures: a shaded triangle mesh in a car on the move."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import ACTION_UNITS
from edge_affect.sources.simulated.base import Truth
from edge_affect.sources.simulated.brush import blend
from edge_affect.sources.simulated.head import Pose
from training.synthetic.family_b.features import (
    Sight,
    draw_behind,
    draw_ear,
    draw_eyes,
    draw_mouth,
)
from training.synthetic.family_b.glasses import draw_glasses
from training.synthetic.family_b.head_mesh import HeadMesh, build_mesh
from training.synthetic.family_b.lighting import Lighting, Moment, Sensor, Tone, shaded
from training.synthetic.family_b.paint import Paint, paint_px, sampled
from training.synthetic.family_b.person import Hair, Person
from training.synthetic.family_b.raster import Cover, Lens, cover, normals
from training.synthetic.family_b.rig import Rig
from training.synthetic.family_b.scenery import Scenery

_PIVOT = np.array([0.0, 0.95, -0.25], np.float32)
"""Where the head turns: the neck."""
_EAR_SHOWS_DEG = 8.0
_VOLUME = {
    Hair.SHAVED: 0.0,
    Hair.CAP: 0.07,
    Hair.CURLS: 0.17,
    Hair.BOB: 0.1,
    Hair.BUN: 0.04,
}
"""How far the hair stands off the scalp, half head heights."""

Picture = NDArray[np.uint8]


class MeshRenderer:
    """Draws one person at one size; for one thread at a time."""

    def __init__(
        self,
        person: Person,
        road_deg: tuple[float, float],
        fps: float,
        size: tuple[int, int],
        noise: float,
    ) -> None:
        """Build mesh and paint.

        Args:
            person: Who drives, in which car and light.
            road_deg: Yaw and pitch of the way ahead, seen from the camera.
            fps: Frames per second: the light moves with time.
            size: Width and height of the pictures, pixels.
            noise: Factor of the sensor's noise.
        """
        width, height = size
        camera = person.camera
        scale_px = 0.5 * camera.scale * height
        x = width * (0.5 + camera.offset[0])
        y = height * (0.5 + camera.offset[1])
        self._lens = Lens((x, y), scale_px, camera.distance)
        self._person, self._size, self._fps = person, size, fps
        self._road = _direction(*road_deg)
        self._paint = Paint(person)
        bald = build_mesh(person.head)
        self._mesh = _with_hair(bald, self._paint, person)
        self._rig = Rig(self._mesh, person.head)
        self._scenery = Scenery(person, size, (x, y + 0.95 * scale_px), scale_px)
        self._lighting = Lighting(person.light, person.seed)
        self._tone = Tone(person)
        self._sensor = Sensor(person, size, noise)
        self._sources = paint_px(bald.paint[:, 0], bald.paint[:, 1])

    def render(self, truth: Truth, index: int) -> Picture:
        """Return frame ``index``: ``(H, W, 3)`` uint8 BGR, newly made."""
        t_s = index / self._fps
        moment = self._lighting.at(t_s)
        brightness = 0.45 + 0.55 * float(moment.directed.mean() + moment.ambient.mean())
        yaw, pitch, roll = (
            math.radians(angle)
            for angle in (truth.yaw_deg, truth.pitch_deg, truth.roll_deg)
        )
        sight = Sight(
            self._scenery.at(t_s, brightness),
            self._lens,
            Pose(yaw, pitch, roll, jaw=0.0).rotation().astype(np.float32),
            _PIVOT,
            moment,
            self._tone,
        )
        self._draw_head(sight, truth)
        return self._sensor.expose(sight.picture, index)

    def _draw_head(self, sight: Sight, truth: Truth) -> None:
        person = self._person
        draw_behind(sight, person)
        for side in (-1, 1):
            draw_ear(sight, person, side)
        ahead = 0.3 * sight.rotation[:, 2] + 0.7 * self._road
        draw_eyes(sight, person, ahead / np.linalg.norm(ahead))
        draw_mouth(sight, person, truth.action_units["AU26"])
        self._draw_skin(sight, truth)
        if abs(truth.yaw_deg) > _EAR_SHOWS_DEG:
            draw_ear(sight, person, -1 if truth.yaw_deg > 0 else 1)
        draw_glasses(sight, person)

    def _draw_skin(self, sight: Sight, truth: Truth) -> None:
        mesh = self._mesh
        places = sight.places(self._rig.moved(truth))
        seen = cover(
            sight.lens.project(places), places[:, 2], mesh.triangles, self._size
        )
        if seen is None:
            return
        outward = normals(places, mesh.triangles, mesh.incident)
        values = seen.values(np.hstack([outward, self._sources]))
        light = self._light(values, truth, sight.moment)
        _lay(sight.picture, seen, self._tone.levels(light))

    def _light(
        self, values: NDArray[np.float32], truth: Truth, moment: Moment
    ) -> NDArray[np.float32]:
        """Return ``(P, 3)`` light from ``(P, 5)`` normals and places in the paint."""
        facing, at_px = values[:, :3], values[:, 3:]
        length = np.sqrt(np.einsum("ij,ij->i", facing, facing))[:, None]
        units = np.array([truth.action_units[name] for name in ACTION_UNITS])
        colour = sampled(self._paint.colour, at_px)
        folds = sampled(self._paint.folds(units), at_px)
        return shaded(
            np.asarray(colour * folds[:, None], np.float32),
            facing / np.maximum(length, 1e-6),
            moment,
            self._person.looks.shine,
        )


def _with_hair(mesh: HeadMesh, paint: Paint, person: Person) -> HeadMesh:
    """Return the mesh with the hair's volume."""
    volume = _VOLUME[person.looks.hair_style]
    at_px = paint_px(mesh.paint[:, 0], mesh.paint[:, 1])
    where = sampled(paint.hairiness().astype(np.float32), at_px)
    if person.looks.hair_style is Hair.CURLS:
        # Curls bulge on the crown; along the cheeks they would dent the skin.
        random = np.random.default_rng(person.seed)
        crown = np.clip(-2.5 * mesh.points[:, 1], 0, 1)
        where = where * (0.25 + crown * random.uniform(0.55, 0.85, len(where)))
    grown = mesh.points * (1 + volume * where[:, None])
    return replace(mesh, points=np.asarray(grown, np.float32))


def _direction(yaw_deg: float, pitch_deg: float) -> NDArray[np.float32]:
    pose = Pose(float(np.radians(yaw_deg)), float(np.radians(pitch_deg)), 0.0, 0.0)
    return pose.rotation()[:, 2].astype(np.float32)


def _lay(picture: Picture, seen: Cover, levels: Picture) -> None:
    """Lay pixels on the picture, their edge half transparent."""
    height, width = seen.mask.shape
    patch = picture[seen.top : seen.top + height, seen.left : seen.left + width]
    over = patch.copy()
    over[seen.mask] = levels
    solid = seen.mask.astype(np.uint8) * np.uint8(255)
    soft = cv2.GaussianBlur(solid, (3, 3), 0.7)
    blend(patch, over, np.asarray(cv2.min(soft, solid), np.uint8))
