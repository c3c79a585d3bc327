"""Hard labels, soft labels of the same and of other tasks, and what each weighs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from training.losses import (
    binary_distillation_loss,
    distillation_loss,
    masked_binary_cross_entropy,
    va_loss,
)
from training.recipes.mtl_kd.config import MtlKdConfig

Tasks = Mapping[str, Tensor]
"""For each task (VA, EXPR, AU) what is true, or what a network says of it."""


def hard_loss(task: str, given: Tensor, truth: Tensor) -> Tensor:
    """Return the loss of a task's outputs to its labels.

    Args:
        task: ``VA``, ``EXPR`` or ``AU``.
        given: ``(B, 2)`` valence and arousal, or ``(B, 8)`` or ``(B, 12)`` logits.
        truth: ``(B, 2)``, ``(B,)`` or ``(B, 12)`` labels, all of them known.
    """
    if task == "VA":
        return va_loss(given, truth)
    if task == "EXPR":
        return functional.cross_entropy(given, truth)
    return masked_binary_cross_entropy(given, truth)


def soft_loss(
    task: str, student: Tensor, teacher: Tensor, temperature: float
) -> Tensor:
    """Return the loss of a student's outputs to its teacher's.

    Concordance for valence and arousal; KL(teacher ‖ student) times T² for expression;
    KL of each unit's yes or no for action units, at temperature 1: the paper softens
    expression alone.
    """
    if task == "VA":
        return va_loss(student, teacher.detach())
    if task == "EXPR":
        return distillation_loss(student, teacher, temperature)
    return binary_distillation_loss(student, teacher, 1.0)


@dataclass(frozen=True, slots=True)
class Terms:
    """What each term of the student's loss counts, on frames of one uni-task set."""

    hard: float
    """Weight of the label."""
    soft: Mapping[str, float]
    """Weight of the teacher's word on each task that it is heard on."""
    temperature: float
    """Softening of the expression's logits."""


def loss_terms(home: str, weights: Mapping[str, float], config: MtlKdConfig) -> Terms:
    """Return the terms on frames of the set ``home``, with each task's weight w.

    α·w_k for the label, w_k for the same task's soft label (from ``same_task`` on),
    β·w_j for the others' (with ``cross_task``).
    """
    soft: dict[str, float] = {}
    if config.kd == "cross_task":
        soft = {task: config.beta * weight for task, weight in weights.items()}
    if config.kd != "none":
        soft[home] = weights[home]
    return Terms(config.alpha * weights[home], soft, config.temperature)


def student_loss(
    home: str, given: Tasks, truth: Tensor, teacher: Tasks, terms: Terms
) -> Tensor:
    """Return the student's loss on frames of the uni-task set ``home``.

    α·w_k·L_k(s, y) + w_k·L_k(s, t) + β·Σ_{j≠k} w_j·L_j(s, t), for set k, student s,
    label y and teacher t.
    """
    loss = terms.hard * hard_loss(home, given[home], truth)
    for task, weight in terms.soft.items():
        soft = soft_loss(task, given[task], teacher[task], terms.temperature)
        loss = loss + weight * soft
    return loss


def reversal_ramp(epoch: int, epochs: int) -> float:
    """Return λ of the 0-based ``epoch``: (epoch + 1) / epochs."""
    return (epoch + 1) / epochs


@dataclass(slots=True)
class Waiting:
    """How long a task has waited for a better figure, and what it weighs for that."""

    best: float = -math.inf
    """Highest figure so far."""
    epochs: int = 0
    """Consecutive epochs without a better one."""

    def tell(self, figure: float) -> None:
        """Take the newest epoch's figure."""
        self.epochs = 0 if figure > self.best else self.epochs + 1
        self.best = max(self.best, figure)

    @property
    def weight(self) -> float:
        """exp(0.5·n), the paper's w, for n epochs of waiting."""
        return math.exp(0.5 * self.epochs)
