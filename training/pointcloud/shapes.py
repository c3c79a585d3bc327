"""Meshes made in code, all from one seed: what the up-sampler learns surfaces from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import manifold3d
import numpy as np
import trimesh
from manifold3d import Manifold as Solid
from numpy.typing import NDArray

from edge_affect.errors import DataError
from training.pointcloud.fields import beast, blob, bust, trimesh_of

Maker = Callable[[np.random.Generator], trimesh.Trimesh]
_TRIES = 8
_SMOOTH_SEGMENTS, _SHARP_SEGMENTS = 64, 32


def make_mesh(number: int, seed: int) -> trimesh.Trimesh:
    """Return the mesh ``number`` of ``seed``, its farthest vertex 1 from its middle.

    The kinds take turns, so any run of numbers holds all of them.

    Raises:
        DataError: No try gave a surface; the maker of its kind is wrong.
    """
    kind = list(KINDS)[number % len(KINDS)]
    random = np.random.default_rng([seed, number])
    for _ in range(_TRIES):
        mesh = KINDS[kind](random)
        if len(mesh.faces) > 10 and mesh.area > 0 and np.isfinite(mesh.vertices).all():
            return _unit(mesh, random)
    raise DataError(f"shape {number} of seed {seed}: {kind} gave no surface")


def make_meshes(count: int, seed: int) -> Iterator[trimesh.Trimesh]:
    """Yield the first ``count`` meshes of ``seed``."""
    for number in range(count):
        yield make_mesh(number, seed)


def _unit(mesh: trimesh.Trimesh, random: np.random.Generator) -> trimesh.Trimesh:
    turn = trimesh.transformations.random_rotation_matrix(random.random(3))
    turned = mesh.copy()
    turned.apply_transform(turn)
    points = turned.vertices - turned.bounds.mean(axis=0)
    turned.vertices = points / np.linalg.norm(points, axis=1).max()
    return turned


def _turned(solid: Solid, random: np.random.Generator, reach: float) -> Solid:
    angles, shift = random.uniform(-180, 180, 3), random.uniform(-reach, reach, 3)
    return solid.rotate(list(angles)).translate(list(shift))


def _smooth_part(random: np.random.Generator) -> Solid:
    size = random.uniform(0.25, 0.6)
    if random.random() < 0.4:
        ring = manifold3d.CrossSection.circle(0.35 * size, 24).translate([size, 0])
        return Solid.revolve(ring, _SMOOTH_SEGMENTS)
    return Solid.sphere(size, _SMOOTH_SEGMENTS).scale(list(random.uniform(0.5, 1.4, 3)))


def _sharp_part(random: np.random.Generator) -> Solid:
    size = random.uniform(0.3, 0.8, 3)
    kind = int(random.integers(5))
    if kind == 0:
        return Solid.cube(list(size), center=True)
    if kind == 1:
        low, high = size[:2] / 2
        return Solid.cylinder(size[2], low, high, _SHARP_SEGMENTS, center=True)
    if kind == 2:
        corners = int(random.integers(3, 8))
        twist = float(random.uniform(-60, 60)) * (random.random() < 0.3)
        profile = manifold3d.CrossSection.circle(size[0] / 2, corners)
        return profile.extrude(size[2], 16, twist, (random.uniform(0.5, 1),) * 2)
    if kind == 3:
        outer = Solid.cylinder(size[2], size[0] / 2, -1, _SHARP_SEGMENTS, center=True)
        bore = random.uniform(0.4, 0.8) * size[0] / 2
        return outer - Solid.cylinder(2, bore, -1, _SHARP_SEGMENTS, center=True)
    points = random.normal(0, 0.3, (int(random.integers(6, 14)), 3))
    return Solid.hull_points([list(point) for point in points])


def _built(random: np.random.Generator, part: Callable[..., Solid]) -> Solid:
    solid = part(random)
    for _ in range(int(random.integers(1, 6))):
        other = _turned(part(random), random, 0.45)
        solid = solid - other if random.random() < 0.35 else solid + other
    parts = solid.decompose()
    return max(parts, key=lambda one: one.surface_area()) if parts else solid


def _smooth(random: np.random.Generator) -> trimesh.Trimesh:
    """Balls, ellipsoids and rings added and taken away."""
    return trimesh_of(_built(random, _smooth_part))


def _sharp(random: np.random.Generator) -> trimesh.Trimesh:
    """Boxes, cylinders, cones, prisms, pipes and hulls added and taken away."""
    return trimesh_of(_built(random, _sharp_part))


def _superquadric(random: np.random.Generator) -> trimesh.Trimesh:
    """A superellipsoid or a supertoroid (Barr 1981), bent and twisted."""
    if random.random() < 0.6:
        mesh = trimesh.creation.uv_sphere(1, [64, 64])
        hole = 0.0
    else:
        hole = random.uniform(1.2, 2.5)
        mesh = trimesh.creation.torus(hole, 1, 96, 48)
    points = np.asarray(mesh.vertices)
    around = np.arctan2(points[:, 1], points[:, 0])
    radius = np.hypot(points[:, 0], points[:, 1]) - hole
    up = np.arctan2(points[:, 2], radius)
    first, second = random.uniform(0.3, 1.8, 2)
    flat = hole + _power(np.cos(up), first)
    points = np.stack(
        [
            flat * _power(np.cos(around), second),
            flat * _power(np.sin(around), second),
            _power(np.sin(up), first),
        ],
        axis=1,
    ) * random.uniform(0.4, 1, 3)
    return trimesh.Trimesh(_twisted(points, random), mesh.faces)


def _power(wave: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    raised: NDArray[np.float64] = np.sign(wave) * np.abs(wave) ** exponent
    return raised


def _twisted(
    points: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    size = np.abs(points).max()
    angle = random.uniform(-1, 1) * points[:, 2] / size
    x = points[:, 0] * np.cos(angle) - points[:, 1] * np.sin(angle)
    y = points[:, 0] * np.sin(angle) + points[:, 1] * np.cos(angle)
    bent = x + random.uniform(-0.4, 0.4) * points[:, 2] ** 2 / size
    return np.stack([bent, y, points[:, 2]], axis=1)


def _tubes(random: np.random.Generator) -> trimesh.Trimesh:
    """Bent wires and straight struts between a few knots."""
    knots = random.uniform(-0.8, 0.8, (int(random.integers(4, 7)), 3))
    thick = random.uniform(0.04, 0.12)
    solid = Solid()
    for first, second in pairwise(knots):
        middle = (first + second) / 2 + random.normal(0, 0.25, 3)
        share = np.linspace(0, 1, 7)[:, None]
        way = (
            (1 - share) ** 2 * first
            + 2 * share * (1 - share) * middle
            + share**2 * second
        )
        balls = [Solid.sphere(thick, 20).translate(list(point)) for point in way]
        for one, other in pairwise(balls):
            solid += Solid.batch_hull([one, other])
    return trimesh_of(solid)


def _furniture(random: np.random.Generator) -> trimesh.Trimesh:
    """Plates on legs, with a back or rails: thin parts that meet at right angles."""
    wide, deep, high = random.uniform(0.6, 1.4, 3)
    thin, leg = random.uniform(0.04, 0.12, 2)
    solid = Solid.cube([wide, deep, thin], center=True)
    for x in (-0.5, 0.5):
        for y in (-0.5, 0.5):
            post = Solid.cylinder(high, leg / 2, leg / 3, 16)
            foot = [x * (wide - leg), y * (deep - leg), -high]
            solid += post.translate(foot)
    if random.random() < 0.7:
        back = Solid.cube([wide, thin, high], center=True)
        solid += back.translate([0, (deep - thin) / 2, high / 2])
    if random.random() < 0.5:
        shelf = Solid.cube([wide - leg, deep - leg, thin], center=True)
        solid += shelf.translate([0, 0, -high * random.uniform(0.3, 0.8)])
    return trimesh_of(solid)


def _displaced(random: np.random.Generator) -> trimesh.Trimesh:
    """A ball or a ring whose surface rises and falls in waves, coarse and fine."""
    if random.random() < 0.6:
        mesh = trimesh.creation.icosphere(subdivisions=5)
    else:
        mesh = trimesh.creation.torus(1, random.uniform(0.3, 0.55), 160, 80)
    points = np.asarray(mesh.vertices)
    height = np.zeros(len(points))
    for wave in range(int(random.integers(4, 10))):
        pitch = random.normal(0, 2.0 + wave, 3)
        height += np.sin(points @ pitch + random.uniform(0, 6.3)) * 0.3 / (2 + wave)
    points = points + height[:, None] * random.uniform(0.3, 0.9) * mesh.vertex_normals
    return trimesh.Trimesh(points * random.uniform(0.5, 1, 3), mesh.faces)


KINDS: dict[str, Maker] = {
    "smooth": _smooth,
    "beast": beast,
    "sharp": _sharp,
    "superquadric": _superquadric,
    "bust": bust,
    "displaced": _displaced,
    "blob": blob,
    "tubes": _tubes,
    "furniture": _furniture,
}
"""Kind of shape → what makes one of random numbers."""
