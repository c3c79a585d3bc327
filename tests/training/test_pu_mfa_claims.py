"""The study of PU-MFA: held-out shapes, gains by hand, every claim has its figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("trimesh")
pytest.importorskip("manifold3d")
pytest.importorskip("point_cloud_utils")
pytest.importorskip("fpsample")
pytest.importorskip("h5py")

from scipy.spatial import cKDTree

from training.claims.pu_mfa import (
    STUDY,
    TEST_SHAPES,
    CloudMaterial,
    HeldOut,
    held_out,
    held_out_figures,
)
from training.models.pu_mfa import PuMfaConfig, PuMfaNet
from training.pointcloud.patches import PATCH
from training.pointcloud.selection import Cloud

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def shape() -> HeldOut:
    """Return the first shape that is tested on."""
    return held_out(0)


def test_held_out_input_is_no_part_of_its_truth(shape: HeldOut) -> None:
    """2,048 points go in, none of which is one of the 8,192 that are asked for."""
    assert shape.sparse.shape == (2_048, 3)
    assert shape.truth.shape == (8_192, 3)
    assert cKDTree(shape.truth).query(shape.sparse)[0].min() > 0


def test_untrained_network_is_as_good_as_the_midpoints(shape: HeldOut) -> None:
    """It starts from them: what it gains is nearly nothing, and a gain is a share."""
    figures = held_out_figures(PuMfaNet(PuMfaConfig()).eval(), [shape])
    assert abs(figures["p2f_gain"]) < 0.25
    by_hand = 1 - figures["cd"] / shape.start["cd"]
    assert figures["cd_gain"] == figures["cd_gain/00"] == pytest.approx(by_hand)


def test_every_claim_has_its_figures_in_a_run(shape: HeldOut, tmp_path: Path) -> None:
    """A run of two steps gives each figure that a claim names, for its shape."""
    patches = np.zeros(4, PATCH)
    random = np.random.default_rng(0)
    patches["sparse"] = random.normal(size=(4, 256, 3))
    patches["dense"] = random.normal(size=(4, 1_024, 3))
    cloud = Cloud(
        "shape",
        shape.sparse,
        shape.truth,
        np.hstack([shape.truth, np.ones_like(shape.truth)]),
    )
    material = CloudMaterial(patches, [cloud], [shape])
    short = {"epochs": 1, "steps": 2, "batch": 2}
    runs = {
        arm: STUDY.run(arm, replace(config, **short), material, tmp_path / arm)
        for arm, config in STUDY.arms.items()
    }
    for claim in STUDY.claims:
        assert len(claim.units) == TEST_SHAPES
        for arm, figure in (claim.better, claim.than):
            assert f"{figure}/{claim.units[0]}" in runs[arm]


def test_arms_differ_in_one_part_of_the_network() -> None:
    """Several scales or attention is missing, nothing else."""
    whole = STUDY.arms["whole"]
    one_scale = replace(whole, net=replace(whole.net, multi_scale=False))
    no_attention = replace(whole, net=replace(whole.net, attention="none"))
    assert STUDY.arms["one_scale"] == one_scale
    assert STUDY.arms["no_attention"] == no_attention
