"""BYEL's steps by hand: which target a view is held to, and when the target moves."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

from training.models.byel import ByelNet, ByelNetConfig, View
from training.recipes.byel.pictures import Pictures
from training.recipes.byel.trainer import ByelTrainer, ByelTraining

pytestmark = pytest.mark.torch
TINY = ByelTraining(
    steps=2,
    stage_1_share=0.5,
    batch=8,
    size_px=32,
    schedule="constant",
    learning_rate=1e-2,
    decay=0.75,
    net=ByelNetConfig(widths=(2, 3), hidden=6, projection=8),
)
AT_60 = (0.5, math.sqrt(0.75))
"""Its cosine to (1, 0) is 1/2."""


@pytest.fixture(autouse=True)
def _chunks_of_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.recipes.byel.trainer.CHUNK_STEPS", 1)


def _pictures() -> Pictures:
    random = torch.Generator().manual_seed(0)
    luma = torch.randint(0, 256, (6, 48, 48), generator=random).byte()
    return Pictures(luma, torch.arange(6), torch.linspace(0, 1, 6).double())


class ToldNet(ByelNet):
    """Gives views that are known, and keeps what it was shown."""

    def __init__(self, *views: View) -> None:
        super().__init__(TINY.net)
        self.views = list(views)
        self.shown: list[Tensor] = []

    def view(self, luma: Tensor, labels: Tensor, *, subtract: bool) -> View:
        """Return the next of the views."""
        assert labels.tolist() == list(range(6))
        assert subtract
        self.shown.append(luma)
        return self.views.pop(0)


class ToldByolNet(ToldNet):
    """The same for BYOL alone, which subtracts nothing."""

    def view(self, luma: Tensor, labels: Tensor, *, subtract: bool) -> View:
        """Return the next of the views."""
        assert not subtract
        return super().view(luma, labels, subtract=True)


def _view(prediction: tuple[float, ...], target: tuple[float, ...]) -> View:
    """Return a view of six pictures, class 0 three times as likely as each other."""
    logits = torch.zeros(6, 6)
    logits[:, 0] = math.log(3)
    return View(
        torch.tensor([prediction] * 6), logits, torch.tensor([target] * 6) * 7.0
    )


def _views() -> tuple[View, View]:
    """Return two whose four pairs of a prediction and a target cost otherwise.

    2 − 2·cos: 1 and 2 with the other's target, 0 and 2 − √3 with their own.
    """
    return _view((1.0, 0.0), (1.0, 0.0)), _view((0.0, 1.0), AT_60)


def _stage_1(arm: str, net: ToldNet) -> float:
    trainer = ByelTrainer(replace(TINY, arm=arm), _pictures())
    trainer.net = net
    loss = trainer._stage_1(torch.arange(6), torch.Generator().manual_seed(0))
    assert not torch.equal(*net.shown)
    return float(loss.detach())


def test_byol_holds_each_view_to_the_other_views_target() -> None:
    """At 60° and at 90°: (2 − 2·½) + (2 − 2·0) = 3, from two pictures of each."""
    assert _stage_1("byol", ToldByolNet(*_views())) == pytest.approx(3.0, abs=1e-5)


def test_byel_adds_both_views_classes_and_the_vectors() -> None:
    """3, and twice the cross-entropy: shares 3/8 once and 1/8 five times of six.

    Vectors of length two add 6 · |1 − 4| = 18.
    """
    net = ToldNet(*_views())
    with torch.no_grad():
        net.vectors.mul_(2)
    classes = (math.log(8 / 3) + 5 * math.log(8)) / 6
    assert _stage_1("byel", net) == pytest.approx(3 + 2 * classes + 18, abs=1e-4)


def _followed(net: ByelNet) -> tuple[tuple[nn.Module, nn.Module], ...]:
    return (
        (net.target_encoder, net.encoder),
        (net.target_projector, net.projector),
    )


@pytest.mark.parametrize("arm", ["byol", "byel"])
def test_target_follows_the_weights_of_after_the_step(arm: str) -> None:
    """A step, then ¾ of the old target and ¼ of the new weights; stage 2: no more."""
    trainer = ByelTrainer(replace(TINY, arm=arm), _pictures())
    # Else a target that was left alone would be what the network began with.
    with torch.no_grad():
        for target, _ in _followed(trainer.net):
            for weight in target.parameters():
                weight.add_(0.1)
    before = copy.deepcopy(trainer.net)
    trainer.train_epoch(0)
    pairs = zip(_followed(before), _followed(trainer.net), strict=True)
    for (old_target, old_online), (target, online) in pairs:
        moved = 0.0
        for held, was, new, began in zip(
            target.parameters(),
            old_target.parameters(),
            online.parameters(),
            old_online.parameters(),
            strict=True,
        ):
            assert torch.allclose(held, 0.75 * was + 0.25 * new, atol=1e-6)
            moved = max(moved, float((new - began).detach().abs().max()))
        assert moved > 5e-3
    rested = copy.deepcopy(trainer.net)
    trainer.train_epoch(1)
    assert trainer.done == 2
    for (was_at, _), (target, _) in zip(
        _followed(rested), _followed(trainer.net), strict=True
    ):
        for was, held in zip(was_at.parameters(), target.parameters(), strict=True):
            assert torch.equal(was, held)
