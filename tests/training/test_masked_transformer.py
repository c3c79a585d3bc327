"""Masked transformer: code, masks, windows, losses by hand, causality, kill."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("av")

import torch
from safetensors.torch import load_file
from torch import Tensor

from edge_affect.errors import ConfigError
from tests.training.clips import make_clips
from training.clips.recipe import load_net
from training.clips.tape import Tape
from training.clips.trainer import clip_figures, estimate_rows
from training.engine.loop import run
from training.models.masked_transformer import (
    EncoderConfig,
    MaskedTransformer,
    draw_mask,
    positions,
)
from training.recipes.masked_transformer import (
    PRESETS,
    TRAINERS,
    AuTrainer,
    ExprTrainer,
    MaskedTraining,
    VaTrainer,
    rarity,
    window_features,
)

pytestmark = pytest.mark.torch
TINY = MaskedTraining(
    epochs=3,
    batch=8,
    hop=4,
    frames=4,
    learning_rate=1e-2,
    average=0.0,
    net=EncoderConfig(width=8, layers=1, heads=2, inner=8),
)


class StoppedError(Exception):
    """Stands for a kill in the middle of an epoch."""


def _tape(seed: int = 0, **made: Any) -> Tape:
    return Tape.join(make_clips(seed=seed, **made))


def _random() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def _net(readout: str = "last") -> MaskedTransformer:
    torch.manual_seed(0)
    shape = replace(TINY.net, readout=readout, flat=6)
    net = MaskedTransformer(shape, 5, TINY.frames, 2)
    return net.requires_grad_(requires_grad=False).eval()


def test_positions_by_hand() -> None:
    """Position 2 of width 4: sin 2, cos 2, sin 0.02, cos 0.02."""
    expected = [math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)]
    assert positions(3, 4)[2].tolist() == pytest.approx(expected)


def test_mask_hides_whole_frames_or_single_values() -> None:
    """A frame mask is one draw a frame, an element mask one a value, both at p."""
    features = torch.ones(200, 10, 16)
    frames = draw_mask("frame", features, 0.2, _random())
    elements = draw_mask("element", features, 0.2, _random())
    assert frames.shape == (200, 10, 1)
    assert elements.shape == features.shape
    assert frames.float().mean().item() == pytest.approx(0.2, abs=0.03)
    assert elements.float().mean().item() == pytest.approx(0.2, abs=0.01)
    hidden = features.masked_fill(elements, 0).sum(dim=2)
    assert ((hidden > 0) & (hidden < 16)).float().mean() > 0.9
    assert not draw_mask("frame", features, 0.0, _random()).any()


@pytest.mark.parametrize("mask", ["frame", "element"])
def test_batch_loss_masks_what_the_mask_says(mask: str) -> None:
    """Training sees 0 where the mask lies, and nothing else changed."""
    trainer = VaTrainer(
        replace(TINY, mask=mask, mask_probability=0.5), _tape(), _tape(1)
    )
    seen: list[Tensor] = []
    trainer.net.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    rows = trainer.rows[20:28]
    trainer.batch_loss(rows, _random())
    window = window_features(TINY, trainer.train, rows)
    hidden = draw_mask(mask, window, 0.5, _random()).expand_as(window)
    assert hidden.any()
    assert seen[0][hidden].abs().max() == 0
    assert seen[0][~hidden].equal(window[~hidden])


def test_estimate_masks_nothing() -> None:
    """Masks belong to training: the same rows always give the same estimate."""
    tape, rows = _tape(), torch.arange(20)
    config = replace(TINY, mask_probability=0.8)
    told = [estimate_rows(VaTrainer, config, _net(), tape, rows) for _ in range(2)]
    expected = torch.tanh(_net()(window_features(config, tape, rows)))
    for estimates in told:
        assert torch.equal(torch.tensor(estimates.valence_arousal), expected)


def test_window_repeats_the_first_frame() -> None:
    """Row 5 at 30 frames a second, four positions at 10 Hz: frames 0, 0, 2, 5."""
    tape = _tape(count=1, fps=(30.0,))
    window = window_features(TINY, tape, torch.tensor([5]))
    assert window[0].equal(tape.face[[0, 0, 2, 5]])


@pytest.mark.parametrize("readout", ["last", "flatten"])
def test_estimates_see_nothing_later(readout: str) -> None:
    """Faces after t changed: everything until t stays, to the bit."""
    tape = _tape(count=1)
    changed = replace(tape, face=tape.face.clone())
    changed.face[21:] += 3
    net = _net(readout)
    before, after = (
        net(window_features(TINY, t, torch.arange(40))) for t in (tape, changed)
    )
    assert before[:21].equal(after[:21])
    assert not before[21:].equal(after[21:])


def test_readout_last_keeps_the_order() -> None:
    """The position code tells where a frame lay: another order, another estimate."""
    window = torch.randn(1, 4, 5, generator=_random())
    net = _net()
    turned = net(window[:, [1, 0, 2, 3]])
    assert not torch.allclose(net(window), turned, atol=1e-5)


def test_rarity_by_hand() -> None:
    """Counts 1, 1 and 2 weigh 3/4, 3/4 and 1/2."""
    assert rarity(torch.tensor([1, 1, 2])).tolist() == [0.75, 0.75, 0.5]


def test_expression_loss_by_hand() -> None:
    """Equal logits: p = 1/8, α 0.25, γ 2, each class's weight one minus its share."""
    trainer = ExprTrainer(replace(TINY, task="EXPR"), _tape(), _tape(1))
    rows = trainer.rows[:3]
    truth = trainer.train.expression
    shares = torch.bincount(truth, minlength=8) / len(truth)
    weight = (1 - shares[truth[rows]]).mean().item()
    loss = trainer.task_loss(torch.zeros(3, 8), rows).item()
    assert loss == pytest.approx(0.25 * weight * (7 / 8) ** 2 * math.log(8))


def test_action_unit_loss_by_hand() -> None:
    """A logit of 0 is p = 1/2 whatever the truth: α·w·1/4·log 2, mean over units."""
    trainer = AuTrainer(replace(TINY, task="AU"), _tape(), _tape(1))
    shown = trainer.train.action_units.sum(dim=0)
    weight = (1 - shown / shown.sum()).mean().item()
    loss = trainer.task_loss(torch.zeros(2, 12), trainer.rows[:2]).item()
    assert loss == pytest.approx(0.25 * weight / 4 * math.log(2))


def test_loss_with_alpha_1_and_gamma_0_is_weighted_cross_entropy() -> None:
    """The alternative that the study compares with."""
    config = replace(TINY, task="EXPR", alpha=1.0, gamma=0.0)
    trainer = ExprTrainer(config, _tape(), _tape(1))
    rows, logits = trainer.rows[:5], torch.randn(5, 8, generator=_random())
    truth = trainer.train.expression[rows]
    each = -torch.log_softmax(logits, dim=1)[torch.arange(5), truth]
    expected = (trainer.weight[truth] * each).mean().item()
    assert trainer.task_loss(logits, rows).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("task", "figure", "readout"),
    [("VA", "p_va", "last"), ("EXPR", "p_expr", "flatten"), ("AU", "p_au", "last")],
)
def test_task_trains_and_reports_its_figure(
    task: str, figure: str, readout: str, tmp_path: Path
) -> None:
    """One network a task, with either readout, back from its checkpoint."""
    config = replace(TINY, task=task, net=replace(TINY.net, readout=readout, flat=6))
    tape, kind = _tape(), TRAINERS[task]
    best = run(kind(config, tape, _tape(1)), tmp_path)
    figures = clip_figures(kind, config, load_net(kind, best, tape), tape)
    assert figure in figures
    assert figures[figure] > 0


def test_run_after_a_kill_gives_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the second epoch and run again equals never killed, masks and all."""
    tapes = _tape(), _tape(1)
    run(VaTrainer(TINY, *tapes), tmp_path / "one")
    with monkeypatch.context() as patched:
        patched.setattr(VaTrainer, "evaluate", _stop_at_second(VaTrainer.evaluate))
        with pytest.raises(StoppedError):
            run(VaTrainer(TINY, *tapes), tmp_path / "two")
    run(VaTrainer(TINY, *tapes), tmp_path / "two")
    unbroken, resumed = (
        load_file(tmp_path / out / "last.safetensors") for out in ("one", "two")
    )
    assert unbroken.keys() == resumed.keys()
    assert all(value.equal(resumed[name]) for name, value in unbroken.items())


def _stop_at_second(evaluate: Any) -> Any:
    calls = iter(range(9))

    def stopping(trainer: VaTrainer) -> Any:
        if next(calls) == 1:
            raise StoppedError
        return evaluate(trainer)

    return stopping


def test_paper_preset_is_the_submissions() -> None:
    """100 frames of 768, flattened: about 112 million weights, 78.6 in one layer."""
    config = PRESETS["paper"]
    with torch.device("meta"):
        net = MaskedTransformer(config.net, 768, config.frames, 2)
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(112e6, rel=0.01)


@pytest.mark.parametrize(
    "wrong", [{"task": "MTL"}, {"mask": "none"}, {"mask_probability": 1.0}]
)
def test_config_refuses_what_is_unknown(wrong: dict[str, Any]) -> None:
    """The message names the setting and what it may be."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        MaskedTraining(**wrong)


@pytest.mark.parametrize("wrong", [{"readout": "mean"}, {"heads": 3}])
def test_encoder_config_refuses_what_cannot_be(wrong: dict[str, Any]) -> None:
    """An unknown readout, and heads that do not divide the width."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        EncoderConfig(**wrong)
