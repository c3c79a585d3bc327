"""Which frames belong to which label set."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from edge_affect.errors import DataError
from training.clips.tape import Tape
from training.data.aff_wild2.layout import UNI_TASK_SETS
from training.recipes.mtl_kd.config import MTL
from training.recipes.mtl_kd.window import has_all_faces


def set_rows(tape: Tape, name: str, skip_s: float) -> Tensor:
    """Return the rows of a set that may be trained on.

    A clip counts for its own uni-task set alone (``tape.label_set``), or for MTL when
    it has none; there a frame needs all three labels. A frame counts when all six faces
    of its window were found and ``skip_s`` of its clip have gone by.
    """
    if name == MTL:
        home, known = -1, torch.stack([carries(tape, t) for t in UNI_TASK_SETS]).all(0)
    else:
        home, known = UNI_TASK_SETS.index(name), carries(tape, name)
    every = torch.arange(len(tape.present))
    elapsed_s = (every - tape.start) / tape.fps
    rows = every[known & (tape.label_set == home) & (elapsed_s >= skip_s)]
    return rows[has_all_faces(tape, rows)]


def carries(tape: Tape, task: str) -> Tensor:
    """Return ``(N,)`` bool: whether a row has a label of ``task``."""
    known = torch.zeros(len(tape.present), dtype=torch.bool)
    known[tape.labelled(task)] = True
    return known


def labelled_rows(tape: Tape) -> Tensor:
    """Return the rows that carry a label of any task."""
    known = torch.stack([carries(tape, task) for task in UNI_TASK_SETS]).any(dim=0)
    return torch.nonzero(known)[:, 0]


def refuse_unlabelled(tape: Tape) -> None:
    """Refuse a selection part that P_MTL cannot be read from.

    Raises:
        DataError: It has no label of one of the tasks.
    """
    for task in UNI_TASK_SETS:
        if len(tape.labelled(task)) == 0:
            raise DataError(
                f"mtl_kd: got no {task} label in the part for selection, expected "
                "labels of VA, EXPR and AU; give a root with all three sets, or MTL"
            )


def only_home_labels(tape: Tape) -> Tape:
    """Return ``tape`` with the labels of each clip's own uni-task set alone.

    In the synthesized set every clip stands in the multi-task set too.
    """
    of_va, of_expr, of_au = (tape.label_set == home for home in range(3))
    return replace(
        tape,
        valence_arousal=torch.where(of_va[:, None], tape.valence_arousal, torch.nan),
        expression=torch.where(of_expr, tape.expression, -1),
        action_units=torch.where(of_au[:, None], tape.action_units, torch.nan),
    )
