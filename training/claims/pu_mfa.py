"""PU-MFA's parts taken away one by one, on shapes that no run has seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from training.claims.base import Claim, Study
from training.claims.runner import Ground
from training.engine.cache import settings_key
from training.engine.loop import run
from training.models.load import load_pu_mfa_net
from training.models.pu_mfa import PuMfaNet
from training.pointcloud.baseline import midpoints
from training.pointcloud.cache import open_patches
from training.pointcloud.metrics import nearness, to_surface
from training.pointcloud.patches import PatchPlan, Points, sampled
from training.pointcloud.selection import Cloud, load_clouds, upsampled
from training.recipes.pu_mfa import PRESETS, PuMfaTrainer, PuMfaTraining

PLAN = PatchPlan(shapes=108)
"""A third of the recipe's shapes: all that the short schedule reads."""
TEST_SHAPES, TEST_SEED = 18, 9
"""Two of each kind, of a seed that nothing is trained on."""
_SPARSE, _RATIO = 2_048, 4
_SAMPLE_SEED = 5


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A surface, and what the mid-points make of it."""

    name: str
    mesh: trimesh.Trimesh
    sparse: Points
    """``(2048, 3)``: what goes in."""
    truth: Points
    """``(8192, 3)``: an independent sample."""
    start: dict[str, float]
    """Figures of the mid-points."""


@dataclass(frozen=True, slots=True)
class CloudMaterial:
    """What every arm trains on, is selected by and is tested on."""

    patches: NDArray[Any]
    clouds: list[Cloud]
    tests: list[HeldOut]


def shapes_ground(data: Path, work: Path, results: Path) -> Ground:
    """Return the ground of the study; patches are made when a run is missing."""
    told = (
        f"Trained on patches of {PLAN.shapes} shapes made in code; tested once on "
        f"{TEST_SHAPES} others, from {_SPARSE:,} points."
    )

    def load() -> CloudMaterial:
        patches = open_patches(work / "pointcloud", PLAN)
        tests = [held_out(number) for number in range(TEST_SHAPES)]
        return CloudMaterial(patches, load_clouds(data), tests)

    named = {
        "train": {"digest": settings_key(PLAN)},
        "test": {"digest": f"{TEST_SHAPES} of seed {TEST_SEED}"},
    }
    return Ground({"told": told, **named}, load, work / "runs", results)


def held_out(number: int) -> HeldOut:
    """Return a shape to test on."""
    from training.pointcloud.shapes import make_mesh

    mesh = make_mesh(number, TEST_SEED)
    sparse = sampled(mesh, _SPARSE, _SAMPLE_SEED)
    truth = sampled(mesh, _SPARSE * _RATIO, _SAMPLE_SEED + 1)
    start = _figures(midpoints(sparse, _RATIO), mesh, truth)
    return HeldOut(f"{number:02}", mesh, sparse, truth, start)


def _figures(made: Points, mesh: trimesh.Trimesh, truth: Points) -> dict[str, float]:
    """Return Chamfer distance and distance to the surface, in thousandths."""
    return {
        "cd": 1e3 * nearness(made, truth).chamfer,
        "p2f": 1e3 * to_surface(made, mesh),
    }


def held_out_figures(net: PuMfaNet, tests: list[HeldOut]) -> dict[str, float]:
    """Return the mean figures over shapes, and what each gains on the mid-points.

    A gain is the share of the mid-points' error that is gone; it stands for every
    shape too, as ``cd_gain/NAME``.
    """
    rows = [_figures(upsampled(net, t.sparse), t.mesh, t.truth) for t in tests]
    told: dict[str, float] = {}
    for name in ("cd", "p2f"):
        gains = [
            1 - row[name] / t.start[name] for row, t in zip(rows, tests, strict=True)
        ]
        told[name] = float(np.mean([row[name] for row in rows]))
        told[f"{name}_gain"] = float(np.mean(gains))
        told |= {
            f"{name}_gain/{t.name}": gain for gain, t in zip(gains, tests, strict=True)
        }
    return told


def _run(
    arm: str,  # noqa: ARG001 - the settings say it too
    config: PuMfaTraining,
    material: CloudMaterial,
    out: Path,
) -> dict[str, float]:
    run(PuMfaTrainer(config, material.patches, material.clouds), out)
    # Steps are fixed: the last average is the result, not the best by any figure.
    net = load_pu_mfa_net(out / "last.safetensors").float().eval()
    return held_out_figures(net, material.tests)


_SHORT = replace(PRESETS["edge"], epochs=4, steps=200, plan=PLAN)
_SHAPES = tuple(f"{number:02}" for number in range(TEST_SHAPES))


def _against(arm: str, statement: str) -> tuple[Claim, ...]:
    return tuple(
        Claim(
            f"{statement}: {words}",
            ("whole", f"{name}_gain"),
            (arm, f"{name}_gain"),
            units=_SHAPES,
        )
        for name, words in (("cd", "Chamfer"), ("p2f", "to the surface"))
    )


STUDY = Study(
    name="pu_mfa",
    arms={
        "whole": _SHORT,
        "one_scale": replace(_SHORT, net=replace(_SHORT.net, multi_scale=False)),
        "no_attention": replace(_SHORT, net=replace(_SHORT.net, attention="none")),
    },
    claims=(
        *_against("one_scale", "Several scales beat the deepest alone"),
        *_against("no_attention", "Attention beats the parent's own features"),
    ),
    run=_run,
    notes=(
        "The size `edge` at a short schedule, 800 steps of 32 patches; "
        "`paper`, for which the claims were made, was never trained. Differences are "
        "paired over shapes, the mean of the seeds each. cd and p2f are thousandths of "
        "the radius; a gain is the share of the mid-points' error that is gone."
    ),
)
