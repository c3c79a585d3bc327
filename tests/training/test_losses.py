"""Losses against values worked out by hand."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch")  # before anything that imports it

import torch

from training.losses import (
    binary_distillation_loss,
    ccc_loss,
    distillation_loss,
    focal_binary_cross_entropy,
    focal_cross_entropy,
    gaussian_nll,
    masked_binary_cross_entropy,
    masked_cross_entropy,
    soft_cross_entropy,
    va_loss,
)

pytestmark = pytest.mark.torch
NAN = float("nan")


def test_soft_cross_entropy_is_worked_out_by_hand() -> None:
    """Logits 0 and log 3 are 1/4 and 3/4; the target is half each."""
    loss = soft_cross_entropy(
        torch.tensor([[0.0, math.log(3)]]), torch.tensor([[0.5, 0.5]])
    )
    assert float(loss) == pytest.approx(-0.5 * (math.log(0.25) + math.log(0.75)))


def test_ccc_loss_of_a_shifted_copy_is_worked_out_by_hand() -> None:
    """Variance 1 each, means 1 apart: 1 - 2 / 3; constants cost 1."""
    truth = torch.tensor([-1.0, 1.0])
    assert float(ccc_loss(truth + 1, truth)) == pytest.approx(1 / 3)
    assert float(ccc_loss(torch.zeros(2), torch.zeros(2))) == 1


def test_gaussian_nll_is_worked_out_by_hand() -> None:
    """An error of 1 at deviation 2 costs log 2 + 1/8; what is unknown costs nothing."""
    mean, deviation = torch.tensor([0.0, 9.0]), torch.tensor([2.0, 1.0])
    loss = gaussian_nll(mean, deviation, torch.tensor([1.0, NAN]))
    assert float(loss) == pytest.approx(math.log(2) + 1 / 8)


def test_masked_cross_entropy_weighs_and_leaves_out() -> None:
    """Two known rows with weights 1 and 3; the row of class -1 does not count."""
    logits = torch.tensor([[0.0, math.log(3)]] * 3)
    loss = masked_cross_entropy(
        logits, torch.tensor([0, 1, -1]), torch.tensor([1.0, 3.0, 5.0])
    )
    assert float(loss) == pytest.approx(-(math.log(0.25) + 3 * math.log(0.75)) / 4)


def test_masked_binary_cross_entropy_leaves_unknown_out() -> None:
    """A logit of 0 costs log 2 whatever the truth."""
    loss = masked_binary_cross_entropy(torch.zeros(3), torch.tensor([0.0, 1.0, NAN]))
    assert float(loss) == pytest.approx(math.log(2))


def test_masked_losses_of_nothing_are_zero_and_differentiable() -> None:
    """A batch without a single label neither fails nor moves a weight."""
    logits = torch.zeros(2, 3, requires_grad=True)
    nothing = torch.full((2, 3), NAN)
    total = (
        masked_cross_entropy(logits, torch.tensor([-1, -1]), torch.ones(2))
        + masked_binary_cross_entropy(logits, nothing)
        + gaussian_nll(logits, torch.ones(2, 3), nothing)
    )
    total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert float(total.detach()) == 0
    assert logits.grad is not None
    assert float(logits.grad.abs().sum()) == 0


def test_va_loss_is_one_minus_the_mean_ccc() -> None:
    """A perfect valence and an arousal shifted by 1 give ½(0 + 3/7)."""
    truth = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [float("nan"), 0.0]])
    estimate = truth.nan_to_num(5.0) + torch.tensor([0.0, 1.0])
    assert float(va_loss(estimate, truth)) == pytest.approx(0.5 * 3 / 7, abs=1e-6)


def test_va_loss_without_labels_has_a_gradient_of_zero() -> None:
    """A batch without a label is no error and moves nothing."""
    estimate = torch.zeros(3, 2, requires_grad=True)
    va_loss(estimate, torch.full((3, 2), NAN)).backward()  # type: ignore[no-untyped-call]
    assert estimate.grad is not None
    assert not estimate.grad.any()


def test_focal_cross_entropy_by_hand() -> None:
    """Two classes, logits (0, ln 3): p = ¼, ¾; frames without a label left out."""
    logits = torch.tensor([[0.0, math.log(3.0)]] * 3)
    weight = torch.tensor([1.0, 0.5])
    loss = focal_cross_entropy(logits, torch.tensor([0, 1, -1]), weight, 0.25, 2.0)
    rare = 0.25 * 1.0 * 0.75**2 * math.log(4)
    sure = 0.25 * 0.5 * 0.25**2 * math.log(4 / 3)
    assert float(loss) == pytest.approx((rare + sure) / 2, rel=1e-5)


def test_focal_loss_without_discount_is_cross_entropy() -> None:
    """γ 0 and α 1 leave the plain loss, for classes and for units."""
    torch.manual_seed(0)
    logits, truth = torch.randn(5, 4), torch.tensor([0, 3, 1, 2, 2])
    ours = focal_cross_entropy(logits, truth, torch.ones(4), 1.0, 0.0)
    assert torch.allclose(ours, torch.nn.functional.cross_entropy(logits, truth))
    shown = (torch.rand(5, 4) < 0.5).float()
    units = focal_binary_cross_entropy(logits, shown, torch.ones(4), 1.0, 0.0)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, shown)
    assert torch.allclose(units, plain)


def test_focal_binary_cross_entropy_by_hand() -> None:
    """A unit at p = ¾ that is shown, and one that is not; NaN left out."""
    logits = torch.full((1, 3), math.log(3.0))
    truth = torch.tensor([[1.0, 0.0, NAN]])
    loss = focal_binary_cross_entropy(logits, truth, torch.ones(3), 0.25, 2.0)
    right = 0.25 * 0.25**2 * math.log(4 / 3)
    wrong = 0.25 * 0.75**2 * math.log(4)
    assert float(loss) == pytest.approx((right + wrong) / 2, rel=1e-5)


def test_distillation_loss_by_hand() -> None:
    """T² · KL(t ‖ s) at T 2: teacher (¾, ¼) softened, student even."""
    teacher = torch.tensor([[2 * math.log(3.0), 0.0]])
    loss = distillation_loss(torch.zeros(1, 2), teacher, 2.0)
    divergence = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert float(loss) == pytest.approx(4 * divergence, rel=1e-5)


def test_distillation_moves_the_student_alone() -> None:
    """No gradient reaches the teacher; agreement costs nothing."""
    teacher = torch.randn(3, 4, requires_grad=True)
    student = teacher.detach().clone().requires_grad_()
    loss = distillation_loss(student, teacher, 2.5) + binary_distillation_loss(
        student, teacher, 2.5
    )
    loss.backward()  # type: ignore[no-untyped-call]
    assert abs(float(loss.detach())) < 1e-5
    assert teacher.grad is None
