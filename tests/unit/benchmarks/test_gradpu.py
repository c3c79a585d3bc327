"""Grad-PU beside ours: its steps by hand, and its own weights where they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("fpsample")
pytest.importorskip("trimesh")

import trimesh

from benchmarks.peers.gradpu import WEIGHTS, GradPu
from edge_affect.errors import DataError
from training.pointcloud.baseline import midpoints
from training.pointcloud.metrics import to_surface
from training.pointcloud.patches import sampled


def test_missing_and_damaged_weights_are_named(tmp_path: Path) -> None:
    """One line says which file was looked for."""
    with pytest.raises(DataError, match="gradpu_pugan"):
        GradPu(tmp_path)
    (tmp_path / WEIGHTS).parent.mkdir(parents=True)
    (tmp_path / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(DataError, match="not Grad-PU's weights"):
        GradPu(tmp_path)


def test_its_weights_bring_noisy_points_nearer_to_a_ball() -> None:
    """Descent does what its authors say: noise comes off, four come of one."""
    root = os.environ.get("EDGE_AFFECT_DATA")
    if not root or not (Path(root) / WEIGHTS).is_file():
        pytest.skip("needs Grad-PU's weights under EDGE_AFFECT_DATA")
    ball = trimesh.creation.icosphere(subdivisions=4)
    points = sampled(ball, 512, 0)
    noisy = points + np.random.default_rng(0).normal(0, 0.02, points.shape)
    made = GradPu(Path(root)).upsample(noisy, 4)
    assert made.shape == (2_048, 3)
    assert to_surface(made, ball) < 0.9 * to_surface(midpoints(noisy, 4), ball)
