"""Random changes to batches of grey faces: pose, light, blur, resolution, covers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

MIRROR_SHARE = 0.5
"""Share of pictures that are mirrored."""


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """How far a picture may be changed."""

    rotation_deg: float = 15.0
    """Largest turn to either side."""
    scale: float = 0.15
    """Largest relative change of size."""
    shift: float = 0.08
    """Largest move, as a share of the side."""
    gain: float = 0.3
    """Largest relative change of contrast."""
    gamma: float = 0.35
    """Largest change of the logarithm of gamma."""
    degrade_share: float = 0.25
    """Share of pictures shrunk and enlarged again, down to 40 % of the side."""
    cover_share: float = 0.3
    """Share of pictures with one covered rectangle."""
    noise: float = 6.0
    """Largest deviation of added noise, grey levels."""


def augment_faces(
    luma: Tensor,
    config: AugmentConfig,
    random: torch.Generator,
    *,
    mirrors: bool = True,
) -> Tensor:
    """Change each picture of ``(B, 1, S, S)`` float32 luma in [0, 255]; same shape.

    Half of them are mirrored, unless ``mirrors`` is False. ``random`` draws on the
    device that the pictures are on.
    """
    moved = _move(luma, config, random, MIRROR_SHARE if mirrors else 0.0)
    lit = _light(moved, config, random)
    covered = _cover(_degrade(lit, config, random), config, random)
    deviation = _uniform(random, len(luma), 1, 1, 1) * config.noise
    noise = torch.randn(luma.shape, generator=random, device=random.device)
    return (covered + noise * deviation).clamp(0, 255)


def _uniform(random: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=random, device=random.device)


def _spread(count: int, most: float, random: torch.Generator) -> Tensor:
    return (_uniform(random, count) * 2 - 1) * most


def _move(
    luma: Tensor, config: AugmentConfig, random: torch.Generator, mirrored: float
) -> Tensor:
    count = len(luma)
    angle = _spread(count, math.radians(config.rotation_deg), random)
    zoom = 1 + _spread(count, config.scale, random)
    flip = torch.where(_uniform(random, count) < mirrored, -1.0, 1.0)
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rows = [
        torch.stack(
            [cosine * flip, -sine, _spread(count, config.shift * 2, random)], 1
        ),
        torch.stack([sine * flip, cosine, _spread(count, config.shift * 2, random)], 1),
    ]
    grid = functional.affine_grid(torch.stack(rows, 1), list(luma.shape), False)
    return functional.grid_sample(
        luma, grid, padding_mode="border", align_corners=False
    )


def _light(luma: Tensor, config: AugmentConfig, random: torch.Generator) -> Tensor:
    count = len(luma)
    gamma = torch.exp(_spread(count, config.gamma, random)).view(-1, 1, 1, 1)
    gain = 1 + _spread(count, config.gain, random).view(-1, 1, 1, 1)
    unit: Tensor = (luma / 255).clamp(1e-4, 1) ** gamma
    return (((unit - 0.5) * gain + 0.5) * 255).clamp(0, 255)


def _degrade(luma: Tensor, config: AugmentConfig, random: torch.Generator) -> Tensor:
    chosen = _uniform(random, len(luma)) < config.degrade_share
    if not chosen.any():
        return luma
    side = luma.shape[-1]
    share = 0.4 + 0.5 * float(_uniform(random, 1))
    small = functional.interpolate(luma[chosen], size=int(side * share), mode="area")
    result = luma.clone()
    result[chosen] = functional.interpolate(
        small, size=side, mode="bilinear", align_corners=False
    )
    return result


def _cover(luma: Tensor, config: AugmentConfig, random: torch.Generator) -> Tensor:
    count, _, side, _ = luma.shape
    extent = side * (0.15 + 0.25 * _uniform(random, count, 2))
    corner = _uniform(random, count, 2) * (side - extent)
    chosen = _uniform(random, count) < config.cover_share
    steps = torch.arange(side, dtype=luma.dtype, device=luma.device)
    inside = [
        (steps >= corner[:, axis, None]) & (steps < (corner + extent)[:, axis, None])
        for axis in (0, 1)
    ]
    mask = inside[0][:, :, None] & inside[1][:, None, :] & chosen[:, None, None]
    grey = _uniform(random, count, 1, 1, 1) * 255
    return torch.where(mask[:, None], grey, luma)
