"""Shapes as distance fields whose parts run into each other: blends, busts, beasts.

A field is positive inside. Parts are capsules, balls being capsules without length; a
smooth maximum joins them (polynomial, after Quilez's smooth minimum).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import manifold3d
import numpy as np
import trimesh
from numpy.typing import NDArray

CELL = 0.07
"""Edge of the grid that a field is cut with, of a shape about 2 across."""
_MARGIN = 0.1


@dataclass(frozen=True, slots=True)
class Limb:
    """A capsule that gets thicker or thinner along its way."""

    start: tuple[float, float, float]
    """Middle of the one end."""
    stop: tuple[float, float, float]
    """Middle of the other end."""
    radii: tuple[float, float]
    """Radius at either end."""
    carves: bool = False
    """Whether it is taken away rather than added."""


def mesh_of_limbs(limbs: list[Limb], blend: float) -> trimesh.Trimesh:
    """Return the smooth surface around ``limbs``.

    Args:
        limbs: Those that carve come last.
        blend: Distance over which two parts run into each other; more than 0.
    """
    parts = [_numbers(limb) for limb in limbs]

    def field(x: float, y: float, z: float) -> float:
        inside = -1e3
        for ax, ay, az, dx, dy, dz, square, first, change, sign in parts:
            px, py, pz = x - ax, y - ay, z - az
            share = (px * dx + py * dy + pz * dz) / square
            share = 0.0 if share < 0 else min(share, 1.0)
            px, py, pz = px - share * dx, py - share * dy, pz - share * dz
            depth = first + share * change - sqrt(px * px + py * py + pz * pz)
            if sign > 0:
                over = max(blend - abs(inside - depth), 0.0)
                inside = max(inside, depth) + over * over / (4 * blend)
            else:
                over = max(blend - abs(inside + depth), 0.0)
                inside = min(inside, -depth) - over * over / (4 * blend)
        return inside

    ends = np.array([end for limb in limbs for end in (limb.start, limb.stop)])
    reach = max(max(limb.radii) for limb in limbs) + blend + _MARGIN
    low, high = ends.min(axis=0) - reach, ends.max(axis=0) + reach
    cell = CELL * float(np.linalg.norm(high - low)) / 3.5
    solid = manifold3d.Manifold.level_set(field, [*low, *high], cell)
    # The grid leaves facets as wide as the points' spacing: they are rounded off.
    mesh = largest_part(trimesh_of(solid))
    return mesh.subdivide_loop(iterations=1)


def _numbers(limb: Limb) -> tuple[float, ...]:
    way = [b - a for a, b in zip(limb.start, limb.stop, strict=True)]
    square = sum(step * step for step in way) + 1e-9
    first, last = limb.radii
    return (*limb.start, *way, square, first, last - first, -1 if limb.carves else 1)


def trimesh_of(solid: manifold3d.Manifold) -> trimesh.Trimesh:
    """Return a solid's surface."""
    found = solid.to_mesh()
    points: NDArray[np.float64] = np.asarray(found.vert_properties, np.float64)[:, :3]
    return trimesh.Trimesh(points, np.asarray(found.tri_verts, np.int64), process=False)


def largest_part(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Return the connected part with the most surface."""
    parts = mesh.split(only_watertight=False)
    return max(parts, key=lambda part: part.area) if len(parts) > 1 else mesh


def blob(random: np.random.Generator) -> trimesh.Trimesh:
    """Return some balls and capsules run together, one of them perhaps taken away."""
    limbs = []
    for number in range(int(random.integers(3, 8))):
        start, stop = random.uniform(-0.7, 0.7, (2, 3))
        radii = random.uniform(0.15, 0.45, 2)
        limbs.append(_limb(start, stop, radii, carves=False))
        if number and random.random() < 0.3:
            limbs.append(_limb(stop, stop, 0.6 * radii, carves=True))
    limbs.sort(key=lambda limb: limb.carves)
    return mesh_of_limbs(limbs, float(random.uniform(0.05, 0.3)))


def beast(random: np.random.Generator) -> trimesh.Trimesh:
    """Return a body on legs with neck, head, ears and tail."""
    long, thick = random.uniform(0.5, 0.9), random.uniform(0.15, 0.35)
    high, leg = random.uniform(0.35, 0.8), random.uniform(0.05, 0.13)
    neck = np.array([random.uniform(0.1, 0.4), 0, random.uniform(0.05, 0.6)])
    chest, rump = np.array([long, 0, 0]) / 2, np.array([-long, 0, 0]) / 2
    limbs = [_limb(rump, chest, thick * random.uniform(0.8, 1.1, 2))]
    for at in (chest, rump):
        for side in (-1, 1):
            hip = _beside(at, 0, side * 0.7 * thick, -0.2 * thick)
            foot = _beside(hip, random.uniform(-0.15, 0.15), 0, -high)
            knee = (hip + foot) / 2 + [random.uniform(-0.08, 0.08), 0, 0]
            limbs.append(_limb(hip, knee, (1.6 * leg, 1.1 * leg)))
            limbs.append(_limb(knee, foot, (1.1 * leg, leg)))
            limbs.append(_limb(foot, _beside(foot, 1.2 * leg, 0, 0), (leg, 0.8 * leg)))
    head = chest + _beside(neck, 0.1, 0, 0.1)
    skull = random.uniform(0.1, 0.22)
    limbs.append(_limb(chest, head, (0.6 * thick, 0.7 * skull)))
    limbs.append(
        _limb(head, _beside(head, 1.4 * skull, 0, -0.3 * skull), (skull, skull / 2))
    )
    for side in (-1, 1):
        ear = _beside(head, 0, side * 0.7 * skull, 0.7 * skull)
        tip = _beside(ear, 0, side * 0.5 * skull, random.uniform(0.3, 1.3) * skull)
        limbs.append(_limb(ear, tip, (0.3 * skull, 0.2 * skull)))
    tail = rump - [random.uniform(0.2, 0.5), 0, random.uniform(-0.3, 0.4)]
    limbs.append(_limb(rump, tail, (0.3 * thick, random.uniform(0.03, 0.06))))
    return mesh_of_limbs(limbs, float(random.uniform(0.03, 0.12)))


def bust(random: np.random.Generator) -> trimesh.Trimesh:
    """Return a head on shoulders, the chest cut off, an arm or none to either side."""
    wide, deep = random.uniform(0.24, 0.32), random.uniform(0.06, 0.12)
    turn = random.uniform(-0.25, 0.25)
    top = np.array([0.0, 0.0, 0.75])
    chin = _beside(top, turn * 0.2, -deep, -random.uniform(0.25, 0.4))
    neck = np.array([0.0, 0.03, 0.1])
    half = random.uniform(0.45, 0.65)
    limbs = [
        _limb(top, chin, (wide, random.uniform(0.14, 0.2))),
        _limb(_beside(chin, 0, 0.1, 0), neck, (0.13, 0.15)),
        _limb([-half, 0.05, -0.2], [half, 0.05, -0.2], (0.17, 0.17)),
        _limb([-half / 2, 0, -0.3], [half / 2, 0, -0.3], (0.24, 0.24)),
        _limb([0, 0, -0.3], [0, 0, -0.6], (0.3, 0.32)),
        _limb(neck, [half * 0.8, 0.05, -0.15], (0.12, 0.14)),
        _limb(neck, [-half * 0.8, 0.05, -0.15], (0.12, 0.14)),
    ]
    face = (top + chin) / 2 + [0, -wide * 0.85, 0]
    nose = _beside(face, turn * 0.1, -random.uniform(0.05, 0.1), -0.04)
    limbs.append(_limb(_beside(face, 0, 0.03, 0.09), nose, (0.025, 0.045)))
    limbs.append(
        _limb(
            _beside(face, -0.06, 0.03, -0.14),
            _beside(face, 0.06, 0.03, -0.14),
            (0.03, 0.03),
        )
    )
    for side in (-1, 1):
        ear = (top + chin) / 2 + [side * wide * 0.92, 0.03, 0]
        limbs.append(_limb(ear, _beside(ear, side * 0.03, 0.03, 0.08), (0.04, 0.05)))
        if random.random() < 0.5:
            shoulder = np.array([side * half, 0.05, -0.2])
            elbow = _beside(shoulder, side * 0.1, random.uniform(-0.3, 0.1), -0.45)
            limbs.append(_limb(shoulder, elbow, (0.15, 0.1)))
            hand = _beside(elbow, -side * 0.1, -0.35, random.uniform(-0.1, 0.3))
            limbs.append(_limb(elbow, hand, (0.1, 0.07)))
        eye = _beside(face, side * 0.1, -0.03, 0.09)
        limbs.append(_limb(eye, eye, (0.045, 0.045), carves=True))
    limbs.sort(key=lambda limb: limb.carves)
    return mesh_of_limbs(limbs, float(random.uniform(0.04, 0.1)))


def _beside(place: NDArray[np.float64], *way: float) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = place + np.array(way)
    return moved


def _limb(start: object, stop: object, radii: object, *, carves: bool = False) -> Limb:
    ends = [tuple(float(v) for v in np.asarray(end)) for end in (start, stop, radii)]
    return Limb(ends[0], ends[1], ends[2], carves)  # type: ignore[arg-type]
