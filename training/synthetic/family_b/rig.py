"""Family B's rig: how action units, blinks and the jaw move the mesh's points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import ACTION_UNITS
from edge_affect.sources.simulated.base import Truth
from training.synthetic.family_b.head_mesh import EYE_Y, Floats, HeadMesh, hill
from training.synthetic.family_b.person import HeadShape

_LIDS = len(ACTION_UNITS)
SHAPES = _LIDS + 2
"""Displacement fields: of each action unit, of the upper and of the lower lids."""
_UPPER_SHARE = 0.66
"""Share of the open eye above its slit."""
_JAW = (0.17, -0.05)
"""How far the chin goes down and ahead in full AU26."""


@dataclass(frozen=True, slots=True)
class _Push:
    """One bell-shaped push of a unit's field, the same on both sides."""

    unit: str
    x: float
    y: float
    wide: float
    high: float
    out: float = 0.0
    down: float = 0.0
    ahead: float = 0.0
    lip: str = ""
    """``upper`` or ``lower``: moves this side of the mouth's slit alone."""


class Rig:
    """Moves one head's points."""

    def __init__(self, mesh: HeadMesh, shape: HeadShape) -> None:
        self._rest = mesh.points
        fields = np.zeros((SHAPES, len(mesh.points), 3), np.float32)
        for push in _pushes(shape):
            fields[ACTION_UNITS.index(push.unit)] += _field(mesh, shape, push)
        fields[ACTION_UNITS.index("AU26")] += _jaw_field(mesh, shape)
        fields[_LIDS], fields[_LIDS + 1] = _lid_fields(mesh, shape)
        self._fields = fields.reshape(SHAPES, -1)

    def moved(self, truth: Truth) -> NDArray[np.float32]:
        """Return the ``(N, 3)`` places of all points, newly made."""
        units = [truth.action_units[name] for name in ACTION_UNITS]
        weights = np.array([*units, *_openings(truth)], np.float32)
        moved = (weights @ self._fields).reshape(-1, 3)
        return np.asarray(self._rest + moved, np.float32)


def _openings(truth: Truth) -> tuple[float, float]:
    """Return how far the upper and the lower lids are from the slit."""
    units, opened = truth.action_units, 1 - truth.eyes_closed
    raised = 0.13 * (units["AU1"] + units["AU2"])
    upper = 1 + raised - 0.3 * units["AU7"] - 0.2 * units["AU4"] - 0.1 * units["AU6"]
    lower = 1 - 0.45 * units["AU6"] - 0.6 * units["AU7"]
    return opened * upper, opened * max(0.0, lower)


def _pushes(shape: HeadShape) -> list[_Push]:
    brow, mouth, half = EYE_Y - shape.brow_gap, shape.mouth_y, shape.mouth_width
    lips, wing, tip = shape.lips, shape.nose_width, shape.nose_y
    above, below = mouth - 0.5 * lips, mouth + 0.5 * lips
    return [
        _Push("AU1", 0.07, brow, 0.16, 0.15, 0, -0.12, 0.01),
        _Push("AU2", 0.42, brow, 0.16, 0.15, 0.01, -0.1, 0.01),
        _Push("AU4", 0.14, brow, 0.17, 0.12, -0.055, 0.085, 0.03),
        _Push("AU6", 0.36, 0.2, 0.17, 0.13, 0, -0.075, 0.06),
        _Push("AU7", shape.eye_x, 0.08, 0.16, 0.06, 0, -0.02, 0.02),
        _Push("AU10", 0.11, above, 0.15, 0.09, 0, -0.085, 0.02, "upper"),
        _Push("AU10", wing, tip, 0.08, 0.08, 0.025, -0.045, 0.01),
        _Push("AU12", half, mouth, 0.12, 0.12, 0.09, -0.1, -0.03),
        _Push("AU12", 0.37, 0.28, 0.16, 0.15, 0.01, -0.03, 0.06),
        _Push("AU15", half, mouth, 0.11, 0.1, 0.01, 0.095, -0.01),
        _Push("AU15", 0, below, 0.12, 0.08, 0, -0.02, 0.02),
        _Push("AU23", half, mouth, 0.12, 0.12, -0.075, 0, 0.02),
        _Push("AU23", 0, above, half, lips, 0, 0.015, -0.03, "upper"),
        _Push("AU23", 0, below, half, lips, 0, -0.02, -0.03, "lower"),
        _Push("AU24", half, mouth, 0.12, 0.08, 0.02, 0.01, -0.03),
        _Push("AU24", 0, above, half, lips, 0, 0.045, -0.05, "upper"),
        _Push("AU24", 0, below, half, lips, 0, -0.055, -0.05, "lower"),
        _Push("AU24", 0, 0.83, 0.14, 0.1, 0, -0.03, 0.035),
        _Push("AU25", 0, mouth, 0.75 * half, 0.06, 0, -0.025, 0.01, "upper"),
        _Push("AU25", 0, mouth, 0.75 * half, 0.08, 0, 0.06, 0.01, "lower"),
    ]


def _field(mesh: HeadMesh, shape: HeadShape, push: _Push) -> Floats:
    x, y, side = _places(mesh)
    weight = hill(x, y, (push.x, push.y), (push.wide, push.high))
    # A push in the middle must not tear left and right apart.
    outward = side * np.clip(x / 0.05, 0, 1)
    if push.lip:
        lower = _below(mesh, shape)
        # Corners belong to both lips: a push of one of them ends there.
        ends = np.clip(1 - (x / shape.mouth_width) ** 2, 0, 1) ** 0.5
        weight = weight * (lower if push.lip == "lower" else ~lower) * ends
    return _along(
        weight * (mesh.points[:, 2] > 0), push.out * outward, push.down, push.ahead
    )


def _jaw_field(mesh: HeadMesh, shape: HeadShape) -> Floats:
    """Return the field of the jaw: lips part in an oval, the chin goes down whole."""
    x, y, _ = _places(mesh)
    half, mouth, lower = shape.mouth_width, shape.mouth_y, _below(mesh, shape)
    oval = 0.25 + 0.75 * np.clip(1 - (x / half) ** 2, 0, 1) ** 0.6
    t = np.clip((y - mouth) / 0.22, 0, 1)
    chin = t * t * (3 - 2 * t)
    drawn = (1 - chin) * oval + chin * np.exp(-((x / 0.62) ** 4))
    pulled = 0.25 * np.exp(-(((mouth - y) / 0.12) ** 2)) * np.clip(x / half, 0, 1) ** 2
    weight = np.where(lower, drawn, pulled) * (mesh.points[:, 2] > 0)
    return _along(weight, 0 * x, *_JAW)


def _lid_fields(mesh: HeadMesh, shape: HeadShape) -> tuple[Floats, Floats]:
    """Return the fields that open the upper and the lower lids."""
    x, y, _ = _places(mesh)
    across = np.clip(1 - ((x - shape.eye_x) / shape.eye_width) ** 2, 0, 1) ** 0.7
    near = across * np.exp(-(((y - EYE_Y) / 0.08) ** 2)) * (mesh.points[:, 2] > 0)
    lower = mesh.lower | (y > EYE_Y + 1e-4)
    up = -shape.eye_open * _UPPER_SHARE
    down = shape.eye_open * (1 - _UPPER_SHARE)
    still = np.zeros_like(x)
    return (
        _along(near * ~lower, still, up, -0.015),
        _along(near * lower, still, down, -0.005),
    )


def _places(mesh: HeadMesh) -> tuple[Floats, Floats, Floats]:
    """Return distance from the middle, height and side of each point."""
    sided, y = mesh.points[:, 0], mesh.points[:, 1]
    return np.abs(sided), y, np.sign(sided)


def _below(mesh: HeadMesh, shape: HeadShape) -> NDArray[np.bool_]:
    """Return which points move with the lower lip and the jaw."""
    y = mesh.points[:, 1]
    return (y > shape.mouth_y + 1e-4) | (mesh.lower & (y > shape.mouth_y - 1e-4))


def _along(weight: Floats, out: Floats, down: float, ahead: float) -> Floats:
    push = np.stack([out, np.full_like(out, down), np.full_like(out, ahead)], 1)
    return np.asarray(weight[:, None] * push, np.float32)
