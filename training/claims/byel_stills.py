"""BYEL's claim once more: drawn faces are frames of the simulated driver."""

from __future__ import annotations

from pathlib import Path

from training.claims.base import Study
from training.claims.byel import CLAIMS, SyntheticToReal, run_arm, sets_told
from training.claims.runner import Ground, told_of
from training.recipes.byel.pictures import (
    MOST_STILLS,
    real_pictures,
    synthetic_pictures,
)
from training.recipes.byel.trainer import ARMS, ByelTraining


def stills_ground(data: Path, stills: Path, work: Path, results: Path) -> Ground:
    """Return the ground of the study; the pictures are read when a run is missing.

    Args:
        data: Root of the public sets, for the real pictures.
        stills: Aff-Wild2's layout of family A.
        work: Folder of unfinished runs.
        results: Folder of result files.
    """
    source = told_of(stills)
    told = (
        f"Trained on {MOST_STILLS:,} frames of family {source['family']} "
        f"({source['clips']} clips, seed {source['seed']}); tested once on FER+ "
        "`valid`, six basic emotions."
    )

    def load() -> SyntheticToReal:
        return SyntheticToReal(
            synthetic_pictures(stills, "aff_wild2"), real_pictures(data)
        )

    told_of_sets = {**sets_told(data), "train": source}
    return Ground({"told": told, **told_of_sets}, load, work / "runs", results)


STUDY = Study(
    "byel_stills",
    {arm: ByelTraining(arm=arm, source="aff_wild2") for arm in ARMS},
    CLAIMS,
    run_arm,
    "The same arms and settings, tuned for the other drawn faces; here they are frames "
    "of the simulated driver, who is far from any photographed face.",
)
