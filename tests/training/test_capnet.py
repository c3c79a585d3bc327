"""CAPNet: the CNN, windows of past faces, fill rules, stages, kill, causality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("av")

import torch
from safetensors.torch import load_file

from edge_affect.errors import ConfigError, DataError
from tests.training.aff_wild2_tree import write_tree
from tests.training.clips import make_clips
from training.challenge import mean_over_clips
from training.clips.recipe import load_net
from training.clips.tape import Tape
from training.engine.checkpoint import load_checkpoint
from training.features.capnet import CapnetFace
from training.inputs import Inputs
from training.losses import va_loss
from training.models.capnet import CapnetCnn, CapnetNet, CnnConfig, _Block
from training.recipes import capnet
from training.recipes.capnet.config import PRESETS, CapnetTraining
from training.recipes.capnet.stages import (
    CompanionTrainer,
    HeadTrainer,
    TemporalTrainer,
    capnet_figures,
    companion_estimates,
    filled_estimates,
    train_stages,
)
from training.recipes.capnet.windows import windows

pytestmark = pytest.mark.torch
TINY = CapnetTraining(
    epochs=2,
    batch=8,
    hop=2,
    tuned_epochs=2,
    head_epochs=2,
    window_s=2 / 3,
    hidden=6,
    average=0.5,
)
CNN = CnnConfig(size_px=16, depths=(1, 1), widths=(4, 8), groups=2)


class StoppedError(Exception):
    """Stands for a kill in the middle of an epoch."""


def _tape(seed: int = 0, missing: tuple[int, ...] = (), **made: Any) -> Tape:
    clips = make_clips(seed=seed, **made)
    for row in missing:
        clips[0].present[row] = False
        clips[0].face[row] = 0
    return Tape.join(clips)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all stages were trained in, never killed."""
    out = tmp_path_factory.mktemp("capnet")
    train_stages(TINY, *_parts(), out)
    return out


def _parts() -> tuple[Tape, Tape]:
    return _tape(frames=60), _tape(1, (4,), frames=60)


def _net(seed: int = 0) -> CapnetNet:
    torch.manual_seed(seed)
    return CapnetNet(5, TINY.hidden, 0.2).requires_grad_(requires_grad=False).eval()


def test_cnn_has_the_papers_size() -> None:
    """Stages of 3, 4, 6 and 3 blocks with 32 groups: about 10.9 million weights."""
    net = CapnetCnn(PRESETS["paper"].cnn)
    weights = sum(p.numel() for p in net.parameters())
    assert weights == pytest.approx(10.9e6, rel=0.02)
    blocks = [m for m in net.modules() if isinstance(m, _Block)]
    assert len(blocks) == 16
    assert {b.path[3].groups for b in blocks} == {32}


def test_cnn_adds_both_attentions() -> None:
    """A half from each when their weights are 0: a block gives what it was shown."""
    block = _Block(4, 4, 1, CNN).eval()
    for part in (block.channels, block.places):
        for weights in part.parameters():
            torch.nn.init.zeros_(weights)
    torch.nn.init.zeros_(block.path[4].weight)  # type: ignore[arg-type]  # BatchNorm's
    shown = torch.rand(2, 4, 5, 5)
    assert torch.allclose(block(shown), shown)


def test_window_ends_a_third_of_a_second_ago() -> None:
    """The paper's window of 2 s at t = 70, 30 frames a second: 10, 20, ... 60."""
    tape = _tape(count=1, frames=80, fps=(30.0,))
    past = windows(PRESETS["paper"], tape, torch.tensor([70, 59]))
    assert past.faces[0].tolist() == [10, 20, 30, 40, 50, 60]
    assert past.complete.tolist() == [True, False]


@pytest.mark.parametrize(("window_s", "faces"), [(1.0, 3), (2.0, 6), (3.0, 9)])
@pytest.mark.parametrize("thirds", [0, 1, 2, 3])
def test_window_holds_three_faces_a_second(
    window_s: float, faces: int, thirds: int
) -> None:
    """The newest is as old as the horizon says, the oldest n − 1 thirds older."""
    config = CapnetTraining(window_s=window_s, horizon_s=thirds / 3)
    assert len(config.ago_s) == faces
    assert config.ago_s[-1] == pytest.approx(thirds / 3)
    assert config.ago_s[0] == pytest.approx((thirds + faces - 1) / 3)


def test_window_fills_a_gap_of_nine_frames() -> None:
    """Frame 20 is wanted: frame 11 stands in for it, frame 10 would be too old."""
    rows = torch.tensor([30])
    nine = _tape(missing=tuple(range(12, 21)), count=1, fps=(30.0,))
    past = windows(TINY, nine, rows)
    assert past.faces.tolist() == [[10, 11]]
    assert past.complete.tolist() == [True]
    ten = _tape(missing=tuple(range(11, 21)), count=1, fps=(30.0,))
    assert windows(TINY, ten, rows).complete.tolist() == [False]


def test_window_stays_in_its_clip() -> None:
    """The first frames of a clip have none, whatever the clip before showed."""
    tape = _tape(count=2, frames=40, fps=(30.0,))
    complete = windows(TINY, tape, torch.arange(80)).complete
    assert complete.tolist() == ([False] * 20 + [True] * 20) * 2


def test_estimates_are_filled_by_the_companion_then_held() -> None:
    """Nothing seen: 0; a face but no window: FER-Tuned; no face: the last estimate."""
    gone = (0, *range(12, 40))
    tape, net = _tape(missing=gone, count=1, fps=(30.0,)), _net()
    told = filled_estimates(TINY, net, tape, torch.arange(40))
    assert torch.equal(told[:11], torch.zeros(11, 2))
    assert torch.allclose(told[11], net.companion(tape.face[1]))
    assert torch.allclose(told[30], net(tape.face[[10, 11]][None])[0][0])
    assert torch.equal(told[31], told[30])
    assert torch.equal(told[39], told[30])


def test_estimates_do_not_depend_on_the_rows_asked_for() -> None:
    """Asked together or one by one, across clips: the same."""
    tape, net = _tape(missing=(3, 25), count=3), _net()
    rows = torch.arange(len(tape.present))
    together = filled_estimates(TINY, net, tape, rows)
    parts = [filled_estimates(TINY, net, tape, rows[r : r + 1]) for r in range(120)]
    assert torch.allclose(together, torch.cat(parts), atol=1e-6)


@pytest.mark.parametrize("fps", [24.0, 25.0, 30.0])
@pytest.mark.parametrize("thirds", [0, 1, 2, 3])
def test_estimates_see_nothing_after_their_horizon(thirds: int, fps: float) -> None:
    """Faces after t − horizon changed and lost: everything until t stays."""
    config = replace(TINY, horizon_s=thirds / 3)
    tape, net = _tape(missing=(5, 33), count=1, frames=90, fps=(fps,)), _net()
    now = 60
    later = torch.arange(90) > now - thirds / 3 * fps + 1e-6
    changed = replace(
        tape,
        face=torch.where(later[:, None], tape.face + 9, tape.face),
        present=tape.present & ~(later & (torch.arange(90) % 2 == 0)),
    )
    rows = torch.arange(now + 1)
    before, after = (filled_estimates(config, net, t, rows) for t in (tape, changed))
    assert torch.equal(before, after)
    beyond = torch.arange(now + 1, 90)
    before, after = (filled_estimates(config, net, t, beyond) for t in (tape, changed))
    assert not torch.equal(before, after)


def test_companion_keeps_the_last_face() -> None:
    """Frame 3 shows none: it is read off frame 2's; before the first face it is 0."""
    tape, net = _tape(missing=(0, 3), count=1, fps=(30.0,)), _net()
    told = companion_estimates(net, tape, torch.tensor([0, 3]), 0.0)
    assert torch.equal(told[0], torch.zeros(2))
    assert torch.allclose(told[1], net.companion(tape.face[2]))


def test_batch_loss_is_ccc_of_the_window() -> None:
    """Stage 2 takes L_CCC of the LSTM's estimate of the paper's window."""
    tape = _tape(frames=60)
    trainer = TemporalTrainer(TINY, tape, _tape(1))
    trainer.net.eval()
    rows = trainer.rows[::7]
    faces, _ = tape.past(rows, (2 / 3, 1 / 3), at_least=True)
    expected = va_loss(trainer.net(tape.face[faces])[0], tape.valence_arousal[rows])
    loss = trainer.batch_loss(rows, torch.Generator())
    assert loss.item() == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("kind", "trained"),
    [
        (CompanionTrainer, {"companion"}),
        (TemporalTrainer, {"lstm", "head"}),
        (HeadTrainer, {"head"}),
    ],
)
def test_stage_moves_its_own_part_alone(
    kind: type[TemporalTrainer], trained: set[str]
) -> None:
    """What a stage freezes asks for no gradient and does not move."""
    trainer = kind(TINY, _tape(frames=60), _tape(1))
    before = {n: w.clone() for n, w in trainer.net.state_dict().items()}
    trainer.train_epoch(0)
    moved = {n for n, w in trainer.net.named_parameters() if not w.equal(before[n])}
    asked = {n for n, w in trainer.net.named_parameters() if w.requires_grad}
    assert moved == asked
    assert {name.split(".")[0] for name in moved} == trained


def test_stages_hand_on_their_best(trained: Path) -> None:
    """The last checkpoint has stage 1's companion and stage 2's LSTM."""
    last = load_checkpoint(trained / "best.safetensors", "capnet").average
    for folder, part in (("companion", "companion."), ("temporal", "lstm.")):
        stage = load_checkpoint(trained / folder / "best.safetensors", "capnet")
        names = [name for name in last if name.startswith(part)]
        assert names
        assert all(last[name].equal(stage.average[name]) for name in names)


@pytest.mark.parametrize("kind", [CompanionTrainer, TemporalTrainer, HeadTrainer])
def test_run_after_a_kill_in_any_stage_gives_the_same_weights(
    kind: type[TemporalTrainer],
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed in a stage's second epoch and run again equals never killed."""
    with monkeypatch.context() as patched:
        patched.setattr(kind, "train_epoch", _stopping(kind.train_epoch, kind))
        with pytest.raises(StoppedError):
            train_stages(TINY, *_parts(), tmp_path)
    train_stages(TINY, *_parts(), tmp_path)
    unbroken, resumed = (
        load_file(run / "last.safetensors") for run in (trained, tmp_path)
    )
    assert unbroken.keys() == resumed.keys()
    assert all(value.equal(resumed[name]) for name, value in unbroken.items())


def _stopping(
    train_epoch: Callable[..., float], kind: type[TemporalTrainer]
) -> Callable[..., float]:
    def stopping(trainer: TemporalTrainer, epoch: int) -> float:
        loss = train_epoch(trainer, epoch)
        if type(trainer) is kind and epoch == 1:
            raise StoppedError
        return loss

    return stopping


def test_figures_hold_the_papers_average(trained: Path) -> None:
    """The mean over clips is computed of the same estimates as P_VA."""
    _, tape = _parts()
    net = load_net(TemporalTrainer, trained / "best.safetensors", tape)
    figures = capnet_figures(TINY, net, tape)
    assert isinstance(net, CapnetNet)
    told = filled_estimates(TINY, net, tape, torch.arange(len(tape.present)))
    expected = mean_over_clips(
        tape.valence_arousal.numpy(), told.numpy(), tape.clip.numpy()
    )
    assert figures["p_va_mean_over_clips"] == pytest.approx(expected, abs=1e-6)
    assert {"p_va", "ccc_valence", "fer_tuned_p_va"} <= figures.keys()


def test_recipe_trains_from_crops_to_estimates(tmp_path: Path) -> None:
    """FER-Tuned on pixels, its features, LSTM, head; then measured from the file."""
    inputs = Inputs(write_tree(tmp_path / "data"), tmp_path / "cache")
    config = replace(
        TINY,
        batch=4,
        hop=1,
        window_s=1 / 3,
        horizon_s=0.1,
        face_backbone="capnet",
        cnn=CNN,
    )
    best = capnet.train(config, inputs, tmp_path / "run")
    assert "p_va" in capnet.evaluate(best, inputs)
    again = capnet.train(config, inputs, tmp_path / "run")
    assert again == best
    tuned = load_checkpoint(tmp_path / "run/fer_tuned/best.safetensors", "capnet")
    whole = load_checkpoint(best, "capnet")
    assert tuned.average["head.0.weight"].equal(whole.average["companion.0.weight"])


def test_capnet_face_refuses_another_stage(trained: Path) -> None:
    """A checkpoint without a CNN is refused in one line that says which to give."""
    with pytest.raises(DataError, match="fer_tuned/best"):
        CapnetFace(trained / "best.safetensors")


@pytest.mark.parametrize("wrong", [{"window_s": 0.1}, {"horizon_s": -1.0}])
def test_config_refuses_windows_that_cannot_be(wrong: dict[str, float]) -> None:
    """One face at least, and none from the future."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        CapnetTraining(**wrong)  # type: ignore[arg-type]  # both are floats
