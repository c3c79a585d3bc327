"""Losses against values worked out by hand."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch")  # before anything that imports it

import torch

from training.losses import (
    ccc_loss,
    gaussian_nll,
    masked_binary_cross_entropy,
    masked_cross_entropy,
    soft_cross_entropy,
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
