"""Recipe ``soft_prompt``: regions and gate by hand, causality, exact resume."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file

from edge_affect.errors import ConfigError
from tests.training.clips import make_clips
from training.claims.base import Material
from training.claims.soft_prompt import STUDY
from training.clips.tape import Tape
from training.clips.trainer import estimate_rows
from training.engine.config import from_plain, to_plain
from training.engine.loop import run
from training.losses import va_loss
from training.models.soft_prompt import GatedFusion
from training.models.text_head import LEAST_TEMPERATURE, TextHead
from training.recipes.soft_prompt import (
    PRESETS,
    SoftPromptConfig,
    SoftPromptTrainer,
    soft_prompt_figures,
    soft_prompt_loss,
)
from training.recipes.soft_prompt.regions import (
    CENTRES,
    DESCRIPTORS,
    nearest_region,
    region_estimate,
    region_loss,
    soft_regions,
)

pytestmark = pytest.mark.torch
TINY = replace(
    PRESETS["small"], epochs=3, batch=16, hop=3, frames=6, width=8, heads=2, patience=2
)
EXACT = 1e-6
"""Batches of other sizes may round otherwise in the last bits."""


@pytest.fixture
def tape() -> Tape:
    """Return six clips of 40 frames at three rates."""
    return Tape.join(make_clips())


def test_regions_lie_as_their_texts_say() -> None:
    """Row by row from high arousal, each from negative to positive valence."""
    where = dict(zip(DESCRIPTORS, CENTRES, strict=True))
    expected = {
        "angry or afraid": (-2 / 3, 2 / 3),
        "neutral": (0.0, 0.0),
        "pleased": (2 / 3, 0.0),
        "sad or depressed": (-2 / 3, -2 / 3),
    }
    assert expected.items() <= where.items()


def test_soft_regions_by_hand() -> None:
    """At a centre the neighbour across an edge gets e^-2 of the peak, a corner e^-4."""
    shares = soft_regions(torch.tensor([[0.0, 0.0]]), 1 / 3)[0]
    peak = 1 / (1 + 4 * math.exp(-2) + 4 * math.exp(-4))
    edge, corner = math.exp(-2) * peak, math.exp(-4) * peak
    expected = [corner, edge, corner, edge, peak, edge, corner, edge, corner]
    assert shares.tolist() == pytest.approx(expected, rel=1e-5)


def test_soft_regions_become_the_nearest_as_they_narrow() -> None:
    """A narrow kernel is the one-hot label; a wide one is nearly even."""
    truth = torch.tensor([[-0.9, 0.5], [0.2, -0.25], [0.4, 0.1]])
    one_hot = nearest_region(truth)
    assert one_hot.argmax(dim=1).tolist() == [0, 4, 5]
    assert torch.allclose(soft_regions(truth, 0.02), one_hot, atol=1e-4)
    assert torch.allclose(soft_regions(truth, 50), torch.full((3, 9), 1 / 9), atol=1e-3)


def test_region_loss_by_hand() -> None:
    """KL of (1/2, 1/2, 0, ...) to an even q is log(9 / 2), to itself 0."""
    shares = torch.zeros(1, 9)
    shares[0, :2] = 0.5
    even = torch.zeros(1, 9)
    assert float(region_loss(even, shares)) == pytest.approx(math.log(4.5), rel=1e-5)
    soft = soft_regions(torch.tensor([[0.3, -0.2]]), 1 / 3)
    assert float(region_loss(soft.log(), soft)) == pytest.approx(0, abs=1e-6)


def test_region_estimate_by_hand() -> None:
    """Halves on two regions 2/3 apart: the middle between them, 1/3 from either."""
    logits = torch.full((2, 9), -100.0)
    logits[0, 4] = 0
    logits[1, 4] = logits[1, 5] = 0
    middle, spread = region_estimate(logits)
    assert middle.tolist() == [pytest.approx([0, 0]), pytest.approx([1 / 3, 0])]
    assert spread.tolist() == pytest.approx([0, 1 / 3])


def test_gate_by_hand() -> None:
    """With a bias of log 3 and no weight three quarters are vision."""
    fusion = GatedFusion(2)
    torch.nn.init.zeros_(fusion.gate.weight)
    torch.nn.init.constant_(fusion.gate.bias, math.log(3))
    fused = fusion(torch.tensor([4.0, 0.0]), torch.tensor([0.0, 8.0]))
    assert fused.tolist() == pytest.approx([3, 2])


def test_temperature_is_learnt_and_stays_above_its_floor() -> None:
    """It starts as set, gets a gradient, and cannot fall to 0."""
    head = TextHead(2, torch.eye(2), 0.07, learnt=True)
    torch.nn.init.eye_(head.project.weight)
    logits = head(torch.tensor([1.0, 0.0]))
    assert logits.tolist() == pytest.approx([1 / 0.07, 0], rel=1e-5)
    logits.sum().backward()
    assert head.log_temperature.grad is not None
    torch.nn.init.constant_(head.log_temperature, -20)
    assert float(head(torch.tensor([1.0, 0.0]))[0].detach()) == pytest.approx(
        1 / LEAST_TEMPERATURE
    )


def test_loss_is_the_weighted_sum_of_its_parts() -> None:
    """L_CCC + 0.5 KL + 0.1 MSE; without region labels the KL is left out."""
    torch.manual_seed(0)
    affect, truth = torch.rand(12, 2), torch.rand(12, 2)
    logits = torch.randn(12, 9)
    plain = va_loss(affect, truth) + 0.1 * (affect - truth).square().mean()
    expected = {
        "none": plain,
        "one_hot": plain + 0.5 * region_loss(logits, nearest_region(truth)),
        "gaussian": plain + 0.5 * region_loss(logits, soft_regions(truth, 1 / 3)),
    }
    for labels, value in expected.items():
        config = replace(TINY, labels=labels)
        loss = soft_prompt_loss(config, affect, logits, truth)
        assert torch.allclose(loss, value), labels


def test_network_holds_nothing_later_than_each_frame() -> None:
    """Inside a window too: frame t of both outputs sees frames up to t alone."""
    torch.manual_seed(0)
    net = SoftPromptTrainer.new_net(TINY, 5, 3).eval()
    seen, heard = torch.randn(2, 9, 5), torch.randn(2, 9, 3)
    later_seen, later_heard = seen.clone(), heard.clone()
    later_seen[:, 5:] += 2
    later_heard[:, 5:] -= 2
    before, after = net(seen, heard), net(later_seen, later_heard)
    for old, new in zip(before, after, strict=True):
        assert torch.allclose(old[:, :5], new[:, :5], atol=EXACT)
        assert not torch.allclose(old[:, 5], new[:, 5], atol=EXACT)


def test_estimate_holds_nothing_later_than_its_frame(tape: Tape) -> None:
    """Features after t change no estimate up to t; a later one does see them."""
    torch.manual_seed(0)
    net = SoftPromptTrainer.new_net(TINY, 5, 3)
    face, sound = tape.face.clone(), tape.sound.clone()
    face[51:] += 3
    sound[51:] -= 3
    said: list[Any] = [
        estimate_rows(
            SoftPromptTrainer, TINY, net, given, torch.arange(80)
        ).valence_arousal
        for given in (tape, replace(tape, face=face, sound=sound))
    ]
    assert abs(said[0][:51] - said[1][:51]).max() < EXACT
    assert abs(said[0][51:54] - said[1][51:54]).max() > EXACT


def test_batch_leaves_out_frames_without_a_label(tape: Tape) -> None:
    """A window over unlabelled frames and the clip's start still counts."""
    truth = tape.valence_arousal.clone()
    truth[3:20] = torch.nan
    trainer = SoftPromptTrainer(TINY, replace(tape, valence_arousal=truth), tape)
    loss = trainer.batch_loss(torch.tensor([1, 21, 22, 45]), torch.Generator())
    assert math.isfinite(float(loss.detach()))


def test_config_refuses_what_cannot_work() -> None:
    """Unknown labels and a kernel without width are refused."""
    with pytest.raises(ConfigError, match="labels: got 'soft', expected one of none"):
        replace(TINY, labels="soft")
    with pytest.raises(ConfigError, match="sigma: got 0"):
        replace(TINY, sigma=0.0)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_survive_plain_values(preset: str) -> None:
    """A preset written to a checkpoint is the same when read."""
    config = PRESETS[preset]
    assert from_plain(SoftPromptConfig, to_plain(config)) == config


def test_region_head_learns_where_the_labels_are(tape: Tape, tmp_path: Path) -> None:
    """On clips whose face says it all, the region head alone estimates them too."""
    config = replace(TINY, epochs=30, patience=None, frames=3, width=32)
    run(trainer := SoftPromptTrainer(config, tape, tape), tmp_path)
    figures = soft_prompt_figures(config, trainer.average, tape)
    assert figures["p_va"] > 0.6
    assert figures["region_p_va"] > 0.4
    assert -1 <= figures["region_spread_error"] <= 1
    untrained = soft_prompt_figures(
        replace(config, labels="none"), trainer.average, tape
    )
    assert untrained.keys() == {"ccc_valence", "ccc_arousal", "p_va"}


class StoppedError(Exception):
    """Stands for a kill after an epoch."""


class _StoppingTrainer(SoftPromptTrainer):
    def evaluate(self) -> dict[str, float]:
        if self.optimizer.param_groups[0]["lr"] < TINY.learning_rate / 2:
            raise StoppedError
        return super().evaluate()


def test_run_after_a_kill_gives_the_same_weights(tape: Tape, tmp_path: Path) -> None:
    """Killed in the second half and run again equals never killed, to the bit."""
    run(SoftPromptTrainer(TINY, tape, tape), tmp_path / "one")
    with pytest.raises(StoppedError):
        run(_StoppingTrainer(TINY, tape, tape), tmp_path / "two")
    run(SoftPromptTrainer(TINY, tape, tape), tmp_path / "two")
    first = load_file(tmp_path / "one" / "last.safetensors")
    second = load_file(tmp_path / "two" / "last.safetensors")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_study_runs_an_arm(tape: Tape, tmp_path: Path) -> None:
    """An arm gives the challenge's and the region head's figures on test and dev."""
    dev = Tape.join(make_clips(3, seed=1))
    config = replace(TINY, epochs=1)
    figures = STUDY.run("gaussian 1/3", config, Material(tape, dev, dev), tmp_path)
    assert {"p_va", "region_p_va", "dev_p_va", "region_spread_error"} <= figures.keys()
    for claim in STUDY.claims:
        assert {claim.better[0], claim.than[0]} <= STUDY.arms.keys()
