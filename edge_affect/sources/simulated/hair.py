"""Hair: on the scalp, around the skull, and locks beside the face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.head import Points, Pose
from edge_affect.sources.simulated.identity import HairStyle, Identity

_SCALP, _STRANDS = 12, 33
_LOCK_POINTS = 24
_HIDES = 0.15
"""Sine of the yaw from which the far lock is behind the head."""

Map = NDArray[np.float32]


def scalp_cover(identity: Identity, x: Map, y: Map) -> tuple[Map, Map]:
    """Return where hair covers the head's texture, and its streaks.

    Returns:
        The cover ``(H, W)`` in [0, 1] and the brightness ``(H, W)`` around 1.
    """
    import cv2

    looks, width = identity.looks, identity.shape.width
    random = np.random.default_rng([identity.seed, _SCALP])
    size = (x.shape[1], y.shape[0])
    jag = random.normal(0, 1, (1, max(8, size[0] // 3))).astype(np.float32)
    jag = np.asarray(cv2.resize(jag, (size[0], 1), interpolation=cv2.INTER_CUBIC))
    streaks = 1 + 0.13 * streak_pattern(random, size)
    temple = 0.84 if looks.hair_style is HairStyle.LONG else 0.66
    side = np.clip((np.abs(x) / width - temple) / 0.24, 0, 1)
    side = side * side * (3 - 2 * side)
    line = -looks.hairline + 0.012 * jag
    low = {HairStyle.LONG: 1.6, HairStyle.BALD: 0.3}.get(looks.hair_style, 0.72)
    if looks.hair_style is HairStyle.FRINGE:
        front = np.clip((0.78 - np.abs(x) / width) / 0.1, 0, 1)
        line = line + (0.17 + 0.03 * jag) * front
    elif looks.hair_style is HairStyle.PARTED:
        part = 0.3 * identity.cabin.window_side
        line = line + 0.35 * np.abs(x - part) ** 1.5 - 0.06
    elif looks.hair_style is HairStyle.BALD:
        line = line - 1.2
        side = np.clip((np.abs(x) / width - 0.95) / 0.1, 0, 1) * (y > -0.45)
        low = 2.2
    line = line + low * side
    soft = 0.035 if looks.hair_style is not HairStyle.CROPPED else 0.07
    cover = np.clip((line - y) / soft + 0.5, 0, 1)
    if looks.hair_style is HairStyle.CROPPED:
        cover = cover * 0.85
    return cover.astype(np.float32), np.asarray(streaks, np.float32)


def streak_pattern(random: np.random.Generator, size: tuple[int, int]) -> Map:
    """Return ``(H, W)`` noise drawn out downwards, deviation about 1."""
    import cv2

    width, height = size
    rough = random.normal(0, 1, (max(2, height // 24), width)).astype(np.float32)
    fine = np.asarray(cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC))
    soft = np.asarray(cv2.GaussianBlur(fine, (5, 1), 0.8), np.float32)
    return np.asarray(soft / max(float(soft.std()), 1e-6), np.float32)


def hair_volume(identity: Identity) -> NDArray[np.float32]:
    """Return how far hair stands off the skull at the outline's 48 heights."""
    style, volume = identity.looks.hair_style, identity.looks.hair_volume
    if style is HairStyle.BALD:
        return np.zeros(48, np.float32)
    if style is HairStyle.CROPPED:
        volume = 0.02
    y = -np.cos(np.linspace(0, np.pi, 48))
    end = 0.75 if style is HairStyle.LONG else 0.12
    fade = np.clip((end - y) / 0.35, 0, 1)
    return np.asarray(volume * fade, np.float32)


def side_locks(identity: Identity, pose: Pose, *, behind: bool) -> list[Points]:
    """Return the polygons of long hair beside the face, half heads from its middle.

    Args:
        identity: Whose hair; without long hair there is none.
        pose: Of the head; the free ends hang down.
        behind: Those behind the head, instead of those before it.
    """
    if identity.looks.hair_style is not HairStyle.LONG:
        return []
    width, volume = identity.shape.width, identity.looks.hair_volume
    t = np.linspace(0, 1, _LOCK_POINTS)
    down = -0.8 + 2.13 * t
    outer = width + volume * (1 + 0.3 * np.sin(3 * t)) - 0.9 * np.clip(0.3 - t, 0, 1)
    thick = 0.1 + 0.16 * np.sin(np.pi * np.clip(t, 0, 0.8) / 1.6)
    thick = thick * np.sqrt(np.clip((1 - t) / 0.25, 0, 1))
    inner = outer - (volume + thick) * np.clip(t / 0.12, 0, 1)
    outer = outer - 0.35 * thick * t
    turned = abs(np.sin(pose.yaw))
    aside = np.hypot(np.cos(pose.yaw), 1.15 * turned) + 0.25 * turned
    sway = -0.3 * pose.roll * t * t
    locks: list[Points] = []
    for side in (-1, 1):
        far = side * pose.yaw > 0
        if behind != (far and turned > _HIDES):
            continue
        # It leaves the cheek before it goes behind the head, so that nothing jumps.
        out = min(turned, _HIDES) - 0.5 * max(0.0, turned - _HIDES) if far else 0.0
        edge = np.stack([side * (outer * aside + out) + sway, down], 1)
        back = np.stack([side * (inner * aside + out) + sway, down], 1)[::-1]
        locks.append(np.concatenate([edge, back]))
    return locks


def strand_picture(identity: Identity, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a picture of ``size`` full of lit hair to cut hair shapes from."""
    random = np.random.default_rng([identity.seed, _STRANDS])
    light = identity.light
    across = np.linspace(-1, 1, size[0], dtype=np.float32)
    level = 0.6 + 0.16 * light.direction[0] * across
    level = level + 0.08 * streak_pattern(random, size)
    hair = np.array(identity.looks.hair, np.float32)
    lit = 255 * light.exposure * level[..., None] * hair
    return np.asarray(np.clip(lit, 0, 255), np.uint8)
