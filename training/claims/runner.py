"""Run all arms and seeds of a study, one after the other; a finished one is kept."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from edge_affect.errors import DataError
from training.claims.base import Material, Study
from training.claims.results import PREFIX, Results, read_results
from training.clips.recipe import load_tape
from training.engine.config import to_plain
from training.engine.progress import progress
from training.features.text import is_mechanism
from training.inputs import Inputs

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a study reads and writes."""

    data: dict[str, Any]
    """Names what it trains and is tested on, for the result file."""
    load: Callable[[], Any]
    """Returns the material; called only when a run is missing."""
    out: Path
    """Folder of unfinished runs."""
    results: Path
    """Folder of result files."""


def run_study(study: Study, ground: Ground, seeds: Sequence[int]) -> Path:
    """Run what is not finished yet; return the result file's path.

    Seeds come in the outer loop, so that pairs are complete early. A run that was
    killed goes on from its last checkpoint; a finished study's checkpoints are removed.

    Raises:
        DataError: The data cannot be read, or a run failed.
    """
    path = _result_file(study, ground.results)
    results = Results.open(path, ground.data)
    missing = _missing(study, results, seeds)
    if missing:
        material = ground.load()
        for arm, config in progress(missing, f"runs of {study.name}"):
            results.add(_run(study, arm, config, material, ground.out))
        shutil.rmtree(ground.out / study.name, ignore_errors=True)
    return path


def is_finished(study: Study, results: Path, seeds: Sequence[int]) -> bool:
    """Tell whether every run is in the result file, whatever was filmed here.

    Raises:
        DataError: The file is damaged.
    """
    path = _result_file(study, results)
    if not path.exists():
        return False
    stored = read_results(path)
    held = Results(path, stored["data"], stored["records"])
    return not _missing(study, held, seeds)


def _result_file(study: Study, results: Path) -> Path:
    return results / f"{PREFIX}{study.name}.json"


def _missing(
    study: Study, results: Results, seeds: Sequence[int]
) -> list[tuple[str, Any]]:
    """Return arms and settings of the runs that are not finished."""
    return [
        (arm, replace(config, seed=seed))
        for seed in seeds
        for arm, config in study.arms.items()
        if not results.has(arm, seed, to_plain(replace(config, seed=seed)))
    ]


def _run(
    study: Study, arm: str, config: Any, material: Any, out: Path
) -> dict[str, Any]:
    began_s = perf_counter()
    folder = out / study.name / f"seed{config.seed}" / arm
    figures = study.run(arm, config, material, folder)
    seconds = perf_counter() - began_s
    _LOG.info("%s %s seed %d: %s", study.name, arm, config.seed, figures)
    return {
        "arm": arm,
        "seed": config.seed,
        "settings": to_plain(config),
        "seconds": round(seconds, 1),
        "mechanism_only": is_mechanism(config),
        "figures": {name: round(value, 5) for name, value in figures.items()},
    }


def clips_ground(
    train: Path, test: Path, config: Any, work: Path, results: Path
) -> Ground:
    """Return the ground of a study on simulated clips.

    Args:
        train: Aff-Wild2 layout of family A.
        test: Aff-Wild2 layout of family B.
        config: Names the backbones.
        work: Folder of features and unfinished runs.
        results: Folder of result files.
    """
    cache = work / "features"

    def load() -> Material:
        inputs, other = Inputs(train, cache), Inputs(test, cache)
        return Material(
            load_tape(inputs, config, "train"),
            load_tape(inputs, config, "valid"),
            load_tape(other, config, "valid"),
        )

    told = [told_of(train), told_of(test)]
    sentence = "Trained on {}; tested on {}.".format(
        *(f"family {t['family']}, {t['clips']} clips, seed {t['seed']}" for t in told)
    )
    data = {"told": sentence, "train": told[0], "test": told[1]}
    return Ground(data, load, work / "runs", results)


def told_of(root: Path) -> dict[str, Any]:
    """Return what names a synthesized set, and its oracle."""
    path = root / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        digests = "".join(clip["digest"] for clip in manifest["clips"])
        return {
            "family": manifest["family"],
            "clips": len(manifest["clips"]),
            "seed": manifest["seed"],
            "digest": hashlib.sha256(digests.encode()).hexdigest()[:16],
            "oracle": manifest["oracle"],
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a readable manifest ({error}); make the set with: "
            "python -m training synthesize"
        ) from error
