"""P_MTL by both definitions: over concatenated frames, and the paper's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from training.challenge import challenge_figures, mean_over_batches
from training.clips.recipe import Trainable
from training.clips.tape import Tape
from training.clips.trainer import estimate_rows
from training.data.aff_wild2.layout import UNI_TASK_SETS
from training.recipes.mtl_kd.sets import carries, labelled_rows

PAPER_BATCH = 256
"""Frames that the paper's own P_MTL is taken of at a time."""


def mtl_figures(
    kind: Trainable, config: Any, net: nn.Module, tape: Tape
) -> dict[str, float]:
    """Return the challenge's figures on all frames with a label, and the paper's P_MTL.

    ``p_mtl_over_batches`` is the mean over shuffled mini-batches of frames with all
    three labels; it stands higher, see ``training.challenge.mean_over_batches``.

    Raises:
        DataError: No frame carries a label.
    """
    rows = labelled_rows(tape)
    # The paper's batches are shuffled; one fixed order makes the figure repeatable.
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    estimates = estimate_rows(kind, config, net, tape, rows[order])
    truth = tape.labels(rows[order])
    figures = challenge_figures(truth, estimates)
    if torch.stack([carries(tape, task) for task in UNI_TASK_SETS]).all(dim=0).any():
        figures["p_mtl_over_batches"] = mean_over_batches(truth, estimates, PAPER_BATCH)
    return figures
