"""What a student loses against its teacher."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from edge_affect.errors import DataError
from training.losses import distillation_loss
from training.recipes.affect import distance


def mixed(hard: Tensor, soft: Tensor, kd_share: float) -> Tensor:
    """Return (1 − share) · hard + share · soft, as Hinton et al. 2015 weigh them."""
    return (1 - kd_share) * hard + kd_share * soft


def affect_distance(estimate: Tensor, truth: Tensor) -> Tensor:
    """Return ``distance`` of ``(..., 2)`` valence and arousal, the sum of both."""
    return distance(estimate[..., 0], truth[..., 0]) + distance(
        estimate[..., 1], truth[..., 1]
    )


def known_distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T² · KL over the rows of ``(N, K)`` where the teacher is not NaN."""
    known = ~torch.isnan(teacher).any(dim=1)
    if not known.any():
        return student.sum() * 0
    return distillation_loss(student[known], teacher[known], temperature)


def shared_classes(
    student: Sequence[str], teacher: Sequence[str]
) -> tuple[list[int], list[int]]:
    """Return the columns of the classes that both know, in the same order.

    A softmax over these columns alone is the distribution given that the class is one
    of them: what only one side knows (Aff-Wild2's other, FER+'s contempt) is neither
    taught nor untaught.

    Raises:
        DataError: They share fewer than two.
    """
    both = [name for name in student if name in teacher]
    if len(both) < 2:
        raise DataError(
            f"teacher: got the classes {', '.join(teacher) or 'none'}, expected two or "
            f"more of {', '.join(student)}"
        )
    return [student.index(n) for n in both], [teacher.index(n) for n in both]
