"""Recipe ``cross_attention``: causality, losses by hand, equal arms, exact resume."""

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
from training.claims.cross_attention import STUDY
from training.clips.recipe import load_config, load_net
from training.clips.tape import Tape
from training.clips.trainer import estimate_rows
from training.clips.windows import rows_of_another_clip, window_rows
from training.engine.config import from_plain, to_plain
from training.engine.loop import run
from training.models.attention import StreamAttention
from training.models.tcn import CausalTcn
from training.models.text_head import TextHead
from training.recipes.cross_attention import (
    CHOICES,
    PRESETS,
    PROMPTS,
    CrossAttentionConfig,
    CrossAttentionTrainer,
    class_weights,
    streams,
    text_loss,
    window_times,
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


def _estimates(config: CrossAttentionConfig, tape: Tape, rows: Any) -> Any:
    torch.manual_seed(0)
    net = CrossAttentionTrainer.new_net(config, tape.face.shape[1], tape.sound.shape[1])
    return estimate_rows(CrossAttentionTrainer, config, net, tape, rows).expression


def _changed_after(tape: Tape, row: int) -> Tape:
    face, sound = tape.face.clone(), tape.sound.clone()
    face[row + 1 :] += 3
    sound[row + 1 :] -= 3
    return replace(tape, face=face, sound=sound)


@pytest.mark.parametrize("fusion", ["cross", "late"])
def test_estimate_holds_nothing_later_than_its_frame(tape: Tape, fusion: str) -> None:
    """Features after t change no estimate up to t; a later one does see them."""
    config = replace(TINY, fusion=fusion)
    rows = torch.arange(80)
    before = _estimates(config, tape, rows)
    after = _estimates(config, _changed_after(tape, 50), rows)
    assert abs(before[:51] - after[:51]).max() < EXACT
    assert abs(before[51:54] - after[51:54]).max() > EXACT


def test_centre_label_looks_as_far_ahead_as_back(tape: Tape) -> None:
    """The centre variant's window reaches past its frame, by up to half its length."""
    config = replace(TINY, label="centre", causal=False, frames=5, spacing_s=0.1)
    assert window_times(config) == pytest.approx([0.2, 0.1, 0, -0.1, -0.2])
    before = _estimates(config, tape, torch.arange(80))
    after = _estimates(config, _changed_after(tape, 50), torch.arange(80))
    assert abs(before[50] - after[50]).max() > EXACT


def test_centre_label_is_refused_where_causality_is_asked_for() -> None:
    """The default asks for it; whoever wants the paper's variant says so."""
    with pytest.raises(ConfigError, match="which looks ahead"):
        replace(TINY, label="centre")


@pytest.mark.parametrize("name", sorted(CHOICES))
def test_config_refuses_other_choices(name: str) -> None:
    """A choice that there is not is refused with those there are."""
    with pytest.raises(ConfigError, match=f"{name}: got 'odd', expected one of"):
        from_plain(CrossAttentionConfig, {**to_plain(TINY), name: "odd"})


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_survive_plain_values(preset: str) -> None:
    """A preset written to a checkpoint is the same when read."""
    config = PRESETS[preset]
    assert from_plain(CrossAttentionConfig, to_plain(config)) == config


def test_window_stays_in_its_clip(tape: Tape) -> None:
    """Beyond either end the row is that end's, and is marked."""
    rows, inside = window_rows(tape, torch.tensor([41, 79]), [2 / 25, 0, -2 / 25])
    assert rows.tolist() == [[40, 41, 43], [77, 79, 79]]
    assert inside.tolist() == [[False, True, True], [True, True, False]]


def test_streams_are_silent_before_the_clip(tape: Tape) -> None:
    """At a clip's first frame all but the newest of the window is 0."""
    seen, heard = streams(TINY, tape, torch.tensor([40]))
    assert torch.equal(seen[0, -1], tape.face[40])
    assert torch.equal(heard[0, -1], tape.sound[40])
    assert not seen[0, :-1].any()
    assert not heard[0, :-1].any()


def test_shuffled_sound_is_the_next_clips(tape: Tape) -> None:
    """The face stays; the sound comes from as far into the next clip."""
    short = Tape.join([*make_clips(1, 40), *make_clips(1, 30, seed=1)])
    assert rows_of_another_clip(short, torch.tensor([[0, 35], [40, 69]])).tolist() == [
        [40, 45],
        [0, 29],
    ]
    rows = torch.tensor([30, 100, 230])
    seen, heard = streams(replace(TINY, fusion="shuffled_sound"), tape, rows)
    own = streams(TINY, tape, rows)
    assert torch.equal(seen, own[0])
    assert torch.equal(heard[:, -1], tape.sound[[70, 140, 30]])


@pytest.mark.parametrize("modality", ["face", "sound"])
def test_single_modality_never_reads_the_other(tape: Tape, modality: str) -> None:
    """Both streams are the one; what the other says changes nothing."""
    config = replace(TINY, modality=modality)
    changed = replace(tape, sound=torch.randn_like(tape.sound))
    if modality == "sound":
        changed = replace(tape, face=torch.randn_like(tape.face))
    rows = torch.arange(240)
    before, after = (_estimates(config, given, rows) for given in (tape, changed))
    assert (before == after).all()


def test_arms_have_equally_many_weights() -> None:
    """No arm differs from ``cross`` by more than two in a hundred."""
    counts = {}
    for arm, config in STUDY.arms.items():
        net = CrossAttentionTrainer.new_net(config, 64, 32)
        counts[arm] = sum(p.numel() for p in net.parameters())
    for arm, count in counts.items():
        assert abs(count / counts["cross"] - 1) < 0.02, arm


def test_text_loss_by_hand() -> None:
    """Cosines of 0.6 and 0.8 over 0.07, true class first: log(1 + e^(0.2 / 0.07))."""
    head = TextHead(2, torch.tensor([[2.0, 0.0], [0.0, 5.0]]), 0.07, learnt=False)
    torch.nn.init.eye_(head.project.weight)
    logits = head(torch.tensor([[3.0, 4.0]]))
    assert logits.tolist() == [pytest.approx([0.6 / 0.07, 0.8 / 0.07], rel=1e-5)]
    loss = text_loss(logits, torch.tensor([0]))
    expected = math.log(1 + math.exp(0.2 / 0.07))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_class_weights_by_hand() -> None:
    """Three frames of one class and one of another: 4 / (2 · 3) and 4 / (2 · 1)."""
    weights = class_weights(torch.tensor([2, 2, 2, 5]))
    assert weights.tolist() == pytest.approx([0, 0, 2 / 3, 0, 0, 2, 0, 0])


def test_stream_attention_is_the_norm_of_query_plus_what_it_takes() -> None:
    """With every weight an identity, one key is taken whole: LN(q + k)."""
    layer = StreamAttention(2, 1, residual=True)
    attention = layer.attention
    with torch.no_grad():
        attention.in_proj_weight.copy_(torch.eye(2).repeat(3, 1))
        attention.out_proj.weight.copy_(torch.eye(2))
    found = layer(
        torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[4.0, 2.0]]]), causal=False
    )
    # LN of (5, 2): mean 3.5, deviation 1.5.
    assert found.flatten().tolist() == pytest.approx([1, -1], abs=1e-4)


def test_tcn_sees_thirty_frames_back_and_none_ahead() -> None:
    """A change at frame t reaches frames t to t + 30."""
    torch.manual_seed(0)
    tcn = CausalTcn(4, 3, (1, 2, 4, 8), 0.0).double()
    frames = torch.randn(1, 64, 4, dtype=torch.float64)
    changed = frames.clone()
    changed[0, 20] += 1
    moved = (tcn(frames) - tcn(changed)).abs().sum(dim=2)[0] > 0
    assert torch.nonzero(moved)[:, 0].tolist() == list(range(20, 51))


def test_text_loss_alone_teaches_the_visual_stream(tape: Tape) -> None:
    """Its gradient reaches the visual TCN; without its weight the projection rests."""
    trainer = CrossAttentionTrainer(TINY, tape, tape)
    torch.autograd.backward(trainer.batch_loss(torch.arange(20), torch.Generator()))
    assert trainer.net.text.project.weight.grad is not None
    silent = CrossAttentionTrainer(replace(TINY, text_weight=0.0), tape, tape)
    torch.autograd.backward(silent.batch_loss(torch.arange(20), torch.Generator()))
    assert silent.net.text.project.weight.grad is None


def _found(config: CrossAttentionConfig, tape: Tape) -> list[torch.Tensor]:
    """Return what the visual stream and the sound's found, before any head."""
    torch.manual_seed(0)
    net = CrossAttentionTrainer.new_net(config, 5, 3).eval()
    found = []
    for layer in net.attend:
        layer.register_forward_hook(lambda _, __, out: found.append(out))
    with torch.no_grad():
        net(*streams(config, tape, torch.arange(240)))
    return found


@pytest.mark.parametrize("changed", [0, 1])
@pytest.mark.parametrize("fusion", ["cross", "late"])
def test_streams_meet_under_cross_alone(tape: Tape, fusion: str, changed: int) -> None:
    """Other sound moves what the face found, other faces what the sound found."""
    config = replace(TINY, fusion=fusion)
    name = ("face", "sound")[changed]
    other: dict[str, Any] = {name: torch.randn_like(getattr(tape, name))}
    before, after = _found(config, tape), _found(config, replace(tape, **other))
    assert (before[changed] - after[changed]).abs().max() > 0.1
    moved = float((before[1 - changed] - after[1 - changed]).abs().max())
    assert moved > 0.01 if fusion == "cross" else moved == 0


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_weigh_the_texts_by_a_tenth(preset: str) -> None:
    """0.1 L_txt, our reconstruction."""
    assert PRESETS[preset].text_weight == 0.1


@pytest.mark.parametrize("text_weight", [0.0, 0.1, 0.5])
def test_batch_loss_by_hand(tape: Tape, text_weight: float) -> None:
    """Σ w·(-ln p) / Σ w, w one over the class's share, and the texts' mean beside."""
    config = replace(TINY, dropout=0.0, text_weight=text_weight)
    trainer = CrossAttentionTrainer(config, tape, tape)
    rows = torch.arange(0, 240, 7)
    truth = tape.expression[rows].tolist()
    logits, to_text = trainer.net(*streams(config, tape, rows))
    every = tape.expression.tolist()
    weights = [1 / every.count(label) for label in truth]
    assert max(weights) > 2 * min(weights)
    surprise = [
        -torch.log_softmax(given, 0)[label].item()
        for given, label in zip(logits, truth, strict=True)
    ]
    expected = sum(w * s for w, s in zip(weights, surprise, strict=True)) / sum(weights)
    for given, label in zip(to_text, truth, strict=True):
        expected -= text_weight * torch.log_softmax(given, 0)[label].item() / len(truth)
    loss = trainer.batch_loss(rows, torch.Generator()).item()
    assert loss == pytest.approx(expected, rel=1e-5)


class StoppedError(Exception):
    """Stands for a kill after an epoch."""


class _StoppingTrainer(CrossAttentionTrainer):
    def evaluate(self) -> dict[str, float]:
        if self.optimizer.param_groups[0]["lr"] < TINY.learning_rate / 2:
            raise StoppedError
        return super().evaluate()


def test_run_after_a_kill_gives_the_same_weights(tape: Tape, tmp_path: Path) -> None:
    """Killed in the second half and run again equals never killed, to the bit."""
    run(CrossAttentionTrainer(TINY, tape, tape), tmp_path / "one")
    with pytest.raises(StoppedError):
        run(_StoppingTrainer(TINY, tape, tape), tmp_path / "two")
    run(CrossAttentionTrainer(TINY, tape, tape), tmp_path / "two")
    first = load_file(tmp_path / "one" / "last.safetensors")
    second = load_file(tmp_path / "two" / "last.safetensors")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_study_runs_an_arm_and_its_checkpoint_knows_its_texts(
    tape: Tape, tmp_path: Path
) -> None:
    """An arm gives figures on test and dev; the text vectors come back with it."""
    dev = Tape.join(make_clips(3, seed=1))
    config = replace(TINY, epochs=1)
    figures = STUDY.run("cross", config, Material(tape, dev, dev), tmp_path)
    assert figures["p_expr"] == figures["dev_p_expr"]
    best = tmp_path / "best.safetensors"
    assert load_config(CrossAttentionTrainer, best) == config
    net: Any = load_net(CrossAttentionTrainer, best, tape)
    expected = CrossAttentionTrainer.new_net(config, 5, 3).text.texts
    assert torch.allclose(net.text.texts, expected)


def test_study_names_arms_and_figures_that_there_are() -> None:
    """Every claim compares arms of the study."""
    for claim in STUDY.claims:
        assert {claim.better[0], claim.than[0]} <= STUDY.arms.keys()
    assert len(PROMPTS) == 8
