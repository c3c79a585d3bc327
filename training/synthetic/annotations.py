"""Write the truth of filmed clips as Aff-Wild2's annotation files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import ACTION_UNITS
from training.engine.cache import Arrays
from training.synthetic.plan import ClipPlan

ACTIVE = 0.5
"""Activation from which an action unit is annotated as present."""
HOME_INVALID = 0.03
"""Share of a clip's own task's rows that are marked invalid, as some real ones are."""
MTL_INVALID = 0.15
"""Share of each task's rows that are marked invalid in the multi-task files."""
RUN_S = 1.0
"""Mean length of a run of invalid rows."""

_EXPRESSION_HEADER = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other"
_FOLDERS = {
    "VA": ("VA_Estimation_Challenge", "valence,arousal"),
    "EXPR": ("EXPR_Classification_Challenge", _EXPRESSION_HEADER),
    "AU": ("AU_Detection_Challenge", ",".join(ACTION_UNITS)),
}
_SPLITS = {
    "train": ("Train_Set", "train_set.txt"),
    "valid": ("Validation_Set", "validation_set.txt"),
}
_INVALID = {"VA": "-5,-5", "EXPR": "-1", "AU": ",".join(["-1"] * len(ACTION_UNITS))}
_HOME, _MTL = 81, 82


def write_annotations(
    root: Path,
    plans: list[ClipPlan],
    truths: list[Arrays],
    write: Callable[[Path, str], None],
) -> None:
    """Write every clip's own task, and all tasks of all clips together.

    Args:
        root: Folder of the set.
        plans: The clips, in order.
        truths: Their truth, as ``Film.truth``.
        write: Writes a text to a path.
    """
    together: dict[str, list[str]] = {"train": [], "valid": []}
    for plan, truth in zip(plans, truths, strict=True):
        folder, header = _FOLDERS[plan.pool.name]
        rows = _rows(plan, truth, plan.pool.name, HOME_INVALID, _HOME)
        path = root / folder / _SPLITS[plan.split][0] / f"{plan.name}.txt"
        write(path, "\n".join([header, *rows, ""]))
        together[plan.split] += _multitask_rows(plan, truth)
    for split, rows in together.items():
        if rows:
            path = root / "MTL_Challenge" / _SPLITS[split][1]
            header = "image,valence,arousal,expression,aus"
            write(path, "\n".join([header, *rows, ""]))


def _multitask_rows(plan: ClipPlan, truth: Arrays) -> list[str]:
    """Return a row for each frame that has a crop."""
    columns = [
        _rows(plan, truth, task, MTL_INVALID, _MTL + number)
        for number, task in enumerate(_FOLDERS)
    ]
    return [
        ",".join([f"{plan.name}/{index + 1:05}.jpg", *row])
        for index, row in enumerate(zip(*columns, strict=True))
        if truth["present"][index]
    ]


def _rows(
    plan: ClipPlan, truth: Arrays, task: str, invalid_share: float, stream: int
) -> list[str]:
    """Return a line for each frame of a clip, in the format of ``task``."""
    if task == "VA":
        rows = [f"{v:.4f},{a:.4f}" for v, a in truth["affect"].tolist()]
    elif task == "EXPR":
        rows = [str(number) for number in truth["expression"].tolist()]
    else:
        active = (truth["units"] >= ACTIVE).astype(int)
        rows = [",".join(map(str, row)) for row in active.tolist()]
    random = np.random.default_rng([plan.seed, stream])
    invalid = invalid_runs(random, len(rows), invalid_share, RUN_S * plan.pool.fps)
    return [
        _INVALID[task] if marked else row
        for row, marked in zip(rows, invalid.tolist(), strict=True)
    ]


def invalid_runs(
    random: np.random.Generator, rows: int, share: float, run: float
) -> NDArray[np.bool_]:
    """Draw which rows are marked invalid, in runs.

    Args:
        random: Source of the draws.
        rows: How many rows there are.
        share: Of the rows, on average.
        run: Mean length of a run.

    Returns:
        ``(rows,)``.
    """
    start = share / (1 - share) / run
    marked = np.zeros(rows, bool)
    state = random.random() < share
    for row, chance in enumerate(random.random(rows)):
        state = chance >= 1 / run if state else chance < start
        marked[row] = state
    return marked
