"""Head pose by how far the head is turned, beside a guess and five points.

``constant_0`` always says straight ahead. ``pnp_on_points`` turns a mean face until its
eyes, nose and mouth lie on the five points that a detector gives (OpenCV's solvePnP),
its own offset over the set taken away: the mean face is nobody's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from benchmarks.expressions import against, minus
from benchmarks.judged import Judged
from benchmarks.records import Record
from benchmarks.split import Figure, Floats, Ints, Split
from training.data.signals import FACE_SIGNALS, POSE_SIGNALS

BINS_DEG = ((0, 15), (15, 30), (30, 90))
"""Turns of the head, by the teacher, that are judged apart."""
LEAST_FACES = 50
"""Bins with fewer faces are not judged."""
_MEAN_FACE = np.array(
    [
        (-157, -170, 135),
        (157, -170, 135),
        (0, 0, 0),
        (-150, 125, 125),
        (150, 125, 125),
    ],
    np.float64,
)
"""Eyes, nose tip and mouth corners, arbitrary units; y down, z away from the camera."""
_FOCAL = 1.5
"""Focal length in widths of the picture: a camera of common view."""


def pose_figures(split: Split, judged: Sequence[Judged]) -> list[Record]:
    """Return the mean error of each angle in each bin, ours and both peers'."""
    columns = [FACE_SIGNALS.index(name) for name in POSE_SIGNALS]
    held = [one for one in judged if one.face.signals.kept()[columns].all()]
    if not held:
        return []
    truth = np.array([one.face.signals.values[columns] for one in held], np.float64)
    told = [[getattr(one.ours, name) for name in POSE_SIGNALS] for one in held]
    errors = {"": np.abs(np.array(told) - truth)}
    if split.peers:
        points = np.array([_pose(one) for one in held]) - truth
        errors["constant_0"] = np.abs(truth)
        errors["pnp_on_points"] = np.abs(points - np.median(points, axis=0))
    records = []
    for low, high in BINS_DEG:
        kept = (np.abs(truth[:, 0]) >= low) & (np.abs(truth[:, 0]) < high)
        if kept.sum() >= LEAST_FACES:
            part = replace(split, part=f"{split.part} turned {low}-{high}")
            units = [one.unit for one, is_in in zip(held, kept, strict=True) if is_in]
            inside = {name: error[kept] for name, error in errors.items()}
            records += _bin(part, inside, units)
    return records


def _bin(
    split: Split, errors: Mapping[str, Floats], units: Sequence[str]
) -> list[Record]:
    records = []
    for column, name in enumerate(POSE_SIGNALS):
        head = f"pose/{name}"
        ours = _mean(errors[""][:, column])
        for peer, error in errors.items():
            its = _mean(error[:, column])
            of = replace(split, peer=peer or None)
            records += of.over_units(head, "mae", its, units)
            if peer:
                lead = split.over_units(head, "mae", minus(ours, its), units)
                records += against(peer, lead)
    return records


def _mean(values: Floats) -> Figure:
    def figure(pick: Ints) -> float:
        return float(values[pick].mean())

    return figure


def _pose(judged: Judged) -> NDArray[np.float64]:
    """Return yaw and pitch from five points, degrees; signs as in ``FaceSignals``."""
    height, width = judged.face.picture.shape[:2]
    camera = np.array(
        [
            [_FOCAL * width, 0, width / 2],
            [0, _FOCAL * width, height / 2],
            [0, 0, 1],
        ]
    )
    seen = judged.face.points.astype(np.float64)
    _, turn, _ = cv2.solvePnP(_MEAN_FACE, seen, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    yaw, pitch, _ = Rotation.from_rotvec(turn[:, 0]).as_euler("YXZ", degrees=True)
    return np.array([-yaw, -pitch])
