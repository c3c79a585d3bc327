"""Run every study unattended: film both families, train all arms, write the page."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from edge_affect.errors import UsageError
from training.claims.base import Study
from training.claims.report import report
from training.claims.runner import Ground, clips_ground, is_finished, run_study
from training.engine import distributed
from training.engine.files import written_whole
from training.synthetic.synthesize import synthesize

_LOG = logging.getLogger(__name__)
STUDIES = (
    "byel",
    "byel_stills",
    "mtl_kd",
    "capnet",
    "cross_attention",
    "soft_prompt",
    "masked_transformer",
    "pu_mfa",
)
"""Names of the studies; each has a module here."""
ON_PICTURES = ("byel", "byel_stills")
"""Studies that need the public sets' pictures."""
ON_CLOUDS = "pu_mfa"
"""The study of point clouds, which needs the public sets' clouds to select by."""
TRAIN_CLIPS, TEST_CLIPS = 90, 36
"""Clips of family A and of family B that the committed figures stand on."""
TRAIN_SEED, TEST_SEED = 1, 2
"""Seeds that they were filmed with."""
STILLS_CLIPS, STILLS_SEED = 126, 3
"""Clips of family A whose frames are ``byel_stills``' pictures, and their seed."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Settings of the command."""

    data: Path | None
    """Data root of the public sets, for ``ON_PICTURES`` and ``ON_CLOUDS``."""
    work: Path
    """Folder of films, features and unfinished runs."""
    results: Path
    """Folder of result files."""
    page: Path
    """Markdown page to write."""
    seeds: int
    """Runs of each arm."""
    workers: int
    """Processes that film."""


def run_claims(names: Sequence[str], claims: Claims) -> None:
    """Run the named studies, all when none is named, and write the page.

    What is finished is kept: killed and called again it goes on.

    Raises:
        UsageError: There is no such study.
        DataError: Clips cannot be filmed or read, a run fails, or the disk is full.
    """
    unknown = [name for name in names if name not in STUDIES]
    if unknown:
        raise UsageError(
            f"claims: got {unknown[0]!r}, expected some of {', '.join(STUDIES)}"
        )
    if distributed.world_size() > 1:
        raise UsageError("torchrun: claims are the work of one process; start it alone")
    for name in names or STUDIES:
        study = open_study(name)
        seeds = range(1, claims.seeds + 1)
        if is_finished(study, claims.results, seeds):
            _LOG.info("%s: all runs of %d seeds are there", name, claims.seeds)
        else:
            run_study(study, _ground(study, claims), seeds)
        write_page(claims)


def tune_claims(names: Sequence[str], claims: Claims) -> None:
    """Compare the settings of byel, the one study that was tuned.

    Raises:
        UsageError: Another study is named, or no data root.
        DataError: The set is missing or a run fails.
    """
    if list(names) != ["byel"] or claims.data is None:
        raise UsageError(
            "claims --tune: expected the study byel alone, and --data with the public "
            "sets' root"
        )
    from training.claims.byel import tune

    tune(claims.data, claims.work / "tuning", claims.results / "byel-tuning.json")


def _ground(study: Study, claims: Claims) -> Ground:
    if study.name in ON_PICTURES:
        return _on_pictures(study, claims)
    if study.name == ON_CLOUDS:
        from training.claims.pu_mfa import shapes_ground

        return shapes_ground(_data(study, claims), claims.work, claims.results)
    train, test = claims.work / "A", claims.work / "B"
    synthesize(train, "A", TRAIN_CLIPS, TRAIN_SEED, workers=claims.workers)
    synthesize(test, "B", TEST_CLIPS, TEST_SEED, workers=claims.workers)
    config = next(iter(study.arms.values()))
    return clips_ground(train, test, config, claims.work, claims.results)


def _on_pictures(study: Study, claims: Claims) -> Ground:
    data = _data(study, claims)
    from training.claims.byel import drawn_ground
    from training.claims.byel_stills import stills_ground

    if study.name == "byel":
        return drawn_ground(data, claims.work, claims.results)
    stills = claims.work / "stills"
    synthesize(stills, "A", STILLS_CLIPS, STILLS_SEED, workers=claims.workers)
    return stills_ground(data, stills, claims.work, claims.results)


def _data(study: Study, claims: Claims) -> Path:
    if claims.data is None:
        raise UsageError(f"{study.name}: got no --data, expected the public sets' root")
    return claims.data


def write_page(claims: Claims) -> None:
    """Write the page of claims from the result files.

    Raises:
        DataError: A result file is damaged, or the page cannot be written.
    """
    text = report([open_study(name) for name in STUDIES], claims.results)
    with written_whole(claims.page) as partial:
        partial.write_text(text, encoding="utf-8")


def open_study(name: str) -> Study:
    """Return the study of a recipe."""
    study: Study = import_module(f"training.claims.{name}").STUDY
    return study
