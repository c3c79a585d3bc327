"""What a teacher says of every frame, computed once."""

from __future__ import annotations

import torch
from torch import Tensor

from training.clips.tape import Tape
from training.data.aff_wild2.layout import UNI_TASK_SETS
from training.models.mtl_kd import MtlNet
from training.recipes.mtl_kd.config import TeacherConfig
from training.recipes.mtl_kd.window import hear, see

_ROWS_AT_ONCE = 1024


@torch.no_grad()
def soft_labels(
    config: TeacherConfig, teacher: MtlNet, tape: Tape
) -> dict[str, Tensor]:
    """Return the teacher's outputs for all ``N`` rows: for each task ``(N, K)``.

    The teacher is frozen and sees each frame without change, so nothing is lost by not
    asking it again every epoch.
    """
    parts = []
    for rows in torch.split(torch.arange(len(tape.present)), _ROWS_AT_ONCE):
        sound = hear(tape, rows, config.sound_past_s)
        parts.append(teacher(see(tape, rows), sound))
    return {task: torch.cat([part[task] for part in parts]) for task in UNI_TASK_SETS}
