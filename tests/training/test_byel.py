"""BYEL: its parts by hand, its arms, its stages, exact resume."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file

from edge_affect.errors import ConfigError
from tests.training.aff_wild2_tree import EXPR_HEADER, write_crops, write_labels
from training.claims.byel import FOLDS, STUDY, SyntheticToReal, tune
from training.engine.loop import run
from training.models.byel import ByelNet, ByelNetConfig, subtract_emotion
from training.recipes.byel import PRESETS, load_byel
from training.recipes.byel.losses import (
    bootstrap_loss,
    follow,
    orthonormality_loss,
)
from training.recipes.byel.pictures import (
    EMOTIONS,
    Pictures,
    enlarge,
    real_pictures,
    synthetic_pictures,
)
from training.recipes.byel.trainer import (
    ARMS,
    OPTIMIZERS,
    ByelTrainer,
    ByelTraining,
)

pytestmark = pytest.mark.torch
TINY = ByelTraining(
    steps=200,
    batch=8,
    size_px=32,
    net=ByelNetConfig(widths=(2, 3), hidden=6, projection=8),
)


@pytest.fixture(autouse=True)
def _short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.recipes.byel.trainer.CHUNK_STEPS", 4)


def _config(**changes: object) -> ByelTraining:
    return replace(TINY, steps=16, **changes)  # type: ignore[arg-type]


def _pictures(count: int = 24) -> Pictures:
    random = torch.Generator().manual_seed(0)
    luma = torch.randint(0, 256, (count, 48, 48), generator=random).byte()
    return Pictures(luma, torch.arange(count) % 6, torch.linspace(0, 1, count).double())


def test_subtract_emotion_by_hand() -> None:
    """With q = (3, 4), w = (1, 0): ‖q‖ = 5, q − 5·w = (−2, 4)."""
    out = subtract_emotion(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]]))
    assert out.tolist() == [[-2.0, 4.0]]


def test_bootstrap_loss_by_hand() -> None:
    """At 60° it is 2 − 2·½ = 1; the same direction costs nothing; opposite 4."""
    target = torch.tensor([[1.0, 0.0]])
    at_60 = torch.tensor([[0.5, math.sqrt(0.75)]])
    assert float(bootstrap_loss(at_60, target)) == pytest.approx(1.0, abs=1e-6)
    assert float(bootstrap_loss(7 * target, target)) == pytest.approx(0.0, abs=1e-6)
    assert float(bootstrap_loss(-target, target)) == pytest.approx(4.0, abs=1e-6)


def test_orthonormality_loss_by_hand() -> None:
    """Columns (1, 0) and (1, 1): WᵀW = [[1, 1], [1, 2]] is 0 + 1 + 1 + 1 away."""
    vectors = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    assert float(orthonormality_loss(vectors)) == pytest.approx(3.0)


def test_the_vectors_begin_orthonormal() -> None:
    """Orthogonal initial values cost nothing."""
    net = ByelNet(TINY.net)
    loss = orthonormality_loss(net.vectors)
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-4)


def test_follow_is_a_moving_average() -> None:
    """0.9 · 1 + 0.1 · 3 = 1.2, by definition."""
    target, online = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    torch.nn.init.ones_(target.weight)
    torch.nn.init.constant_(online.weight, 3.0)
    follow(target, online, 0.9)
    assert float(target.weight.detach()) == pytest.approx(1.2)


def test_no_gradient_reaches_the_target() -> None:
    """The bootstrap loss moves the online networks alone."""
    net = ByelNet(TINY.net)
    luma = torch.rand(4, 1, 32, 32) * 255
    view = net.view(luma, torch.tensor([0, 1, 2, 3]), subtract=True)
    bootstrap_loss(view.prediction, view.target).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in net.target_encoder.parameters())
    assert all(p.grad is None for p in net.target_projector.parameters())
    assert next(net.encoder.parameters()).grad is not None


def test_small_preset_is_under_half_a_million_weights() -> None:
    """The encoder of the committed figures."""
    encoder = ByelNet(ByelNetConfig()).encoder
    assert sum(p.numel() for p in encoder.parameters()) < 500_000


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_takes_the_same_number_of_steps(arm: str, tmp_path: Path) -> None:
    """Supervised spends all of them in stage 2."""
    trainer = ByelTrainer(_config(arm=arm), _pictures())
    run(trainer, tmp_path)
    assert trainer.done == 16
    first = trainer.config.stage_1_steps
    assert first == (0 if arm == "supervised" else 8)


def _stage_1_loss(arm: str, labels: torch.Tensor) -> float:
    """Return the first loss of an arm whose emotion vectors have length two."""
    pictures = replace(_pictures(6), labels=labels)
    trainer = ByelTrainer(_config(arm=arm), pictures)
    with torch.no_grad():
        trainer.net.vectors.mul_(2)
    random = torch.Generator().manual_seed(0)
    return float(trainer._stage_1(torch.arange(6), random).detach())


def test_arms_differ_in_their_one_part() -> None:
    """Six vectors of length two cost 6 · |1 − 4| = 18; subtraction counts as well."""
    labels = torch.arange(6)
    whole = _stage_1_loss("byel", labels)
    assert whole - _stage_1_loss("no_orthonormality", labels) == pytest.approx(18, 1e-5)
    assert abs(whole - _stage_1_loss("no_subtraction", labels)) > 0.01


def test_byol_sees_no_label() -> None:
    """With other labels its loss is the same, to the bit; BYEL's is not."""
    labels = torch.arange(6)
    assert _stage_1_loss("byol", labels) == _stage_1_loss("byol", labels.flip(0))
    assert _stage_1_loss("byel", labels) != _stage_1_loss("byel", labels.flip(0))


class KilledError(Exception):
    """Stands for a kill."""


class KilledTrainer(ByelTrainer):
    killed_at = 10

    def losses(self, random: torch.Generator) -> Iterator[torch.Tensor]:
        for loss in super().losses(random):
            if self.done == self.killed_at:
                raise KilledError
            yield loss


@pytest.mark.parametrize("killed_at", [6, 10, 14])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_killed_run_goes_on_to_the_same_weights(
    optimizer: str, killed_at: int, tmp_path: Path
) -> None:
    """Killed in stage 1, at the start of stage 2 or in it: equal to the bit."""
    config = _config(optimizer=optimizer)
    run(ByelTrainer(config, _pictures()), tmp_path / "one")
    trainer = KilledTrainer(config, _pictures())
    trainer.killed_at = killed_at
    with pytest.raises(KilledError):
        run(trainer, tmp_path / "two")
    run(ByelTrainer(config, _pictures()), tmp_path / "two")
    one, two = (
        load_file(tmp_path / name / "last.safetensors") for name in ("one", "two")
    )
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


def test_lars_serves_stage_1_and_adam_stage_2(tmp_path: Path) -> None:
    """The first eight steps are LARS's, as in the paper; Adam begins anew after it."""
    trainer = ByelTrainer(_config(optimizer="lars"), _pictures())
    assert type(trainer.optimizer).__name__ == "LARS"
    run(trainer, tmp_path)
    assert type(trainer.optimizer) is torch.optim.Adam
    steps = {int(state["step"]) for state in trainer.optimizer.state.values()}
    assert steps == {8}


def test_the_paper_preset_is_the_papers() -> None:
    """ResNet-50, LARS at 0.2, 256 pictures of 128 pixels, 4096 → 256."""
    paper = PRESETS["paper"]
    assert (paper.optimizer, paper.learning_rate, paper.fine_rate) == (
        "lars",
        0.2,
        1e-4,
    )
    assert (paper.batch, paper.size_px) == (256, 128)
    assert paper.stage_1_steps == 100 * (277_000 // 256)
    assert (paper.net.encoder, paper.net.hidden, paper.net.projection) == (
        *("resnet50", 4096, 256),
    )


def test_resnet_50_sees_grey_pictures() -> None:
    """The paper's encoder gives 2,048 features and about 23.5 M weights."""
    pytest.importorskip("transformers")
    encoder = ByelNet(ByelNetConfig(encoder="resnet50", hidden=4, projection=8)).encoder
    assert encoder.width == 2048
    assert encoder(torch.zeros(2, 1, 64, 64)).shape == (2, 2048)
    assert 23_400_000 < sum(p.numel() for p in encoder.parameters()) < 23_700_000


def test_batches_draw_every_class_alike() -> None:
    """A class of one picture in thirty comes as often as the others."""
    labels = torch.cat([torch.zeros(25, dtype=torch.long), torch.arange(1, 6)])
    luma = torch.zeros(30, 48, 48, dtype=torch.uint8)
    pictures = Pictures(luma, labels, torch.zeros(30).double())
    trainer = ByelTrainer(_config(batch=1200), pictures)
    rows = trainer._rows(torch.Generator().manual_seed(0))
    counts = torch.bincount(labels[rows], minlength=6)
    assert counts.min() > 140
    assert counts.max() < 260


def test_unknown_arms_and_odd_steps_are_refused() -> None:
    """Each names what is expected."""
    with pytest.raises(ConfigError, match="no_subtraction"):
        ByelTrainer(_config(arm="byels"), _pictures())
    with pytest.raises(ConfigError, match="adamw, lars"):
        ByelTrainer(_config(optimizer="sgd"), _pictures())
    with pytest.raises(ConfigError, match=r"net\.encoder.*plain, resnet50"):
        ByelTrainer(_config(net=ByelNetConfig(encoder="resnet")), _pictures())
    with pytest.raises(ConfigError, match="multiple of 4"):
        ByelTrainer(replace(TINY, steps=18), _pictures())


def _told_apart(pictures: Pictures) -> list[tuple[bytes, int]]:
    """Return each picture with its label, as something to compare."""
    labels = pictures.labels.tolist()
    return [
        (luma.numpy().tobytes(), label)
        for luma, label in zip(pictures.luma, labels, strict=True)
    ]


def test_folds_share_no_picture() -> None:
    """Each is held out once, and what remains is all the others, labels with them."""
    pictures = _pictures(50)
    everything = sorted(_told_apart(pictures))
    assert len(set(everything)) == 50
    folds = [pictures.split(fold, FOLDS) for fold in range(FOLDS)]
    for rest, part in folds:
        assert len(part.labels) == 50 // FOLDS
        assert sorted(_told_apart(rest) + _told_apart(part)) == everything
    assert sorted(one for _, part in folds for one in _told_apart(part)) == everything


def test_the_study_tests_on_real_pictures_alone(tmp_path: Path) -> None:
    """Real labels decide every figure and no weight: all right is 1, all wrong 0."""
    config, drawn = _config(arm="byel"), _pictures()
    real = replace(_pictures(12), luma=255 - _pictures(12).luma)
    STUDY.run("byel", config, SyntheticToReal(drawn, real), tmp_path / "first")
    _, net = load_byel(tmp_path / "first" / "last.safetensors")
    said = net(enlarge(real.luma, config.size_px)).argmax(1)
    first = load_file(tmp_path / "first" / "last.safetensors")
    for shift, expected in ((0, 1.0), (1, 0.0)):
        material = SyntheticToReal(drawn, replace(real, labels=(said + shift) % 6))
        out = tmp_path / str(shift)
        figures = STUDY.run("byel", config, material, out)
        assert set(figures) == {"macro_f1", "accuracy"}
        assert figures["accuracy"] == expected
        assert STUDY.run("byel", config, material, out) == figures
        weights = load_file(out / "last.safetensors")
        assert all(torch.equal(value, weights[name]) for name, value in first.items())


def _expressions(root: Path, clip: str, labels: list[int], crops: list[int]) -> None:
    write_crops(root, clip, crops)
    labels_file = f"EXPR_Classification_Challenge/Train_Set/{clip}.txt"
    write_labels(root / labels_file, EXPR_HEADER, [str(label) for label in labels])


def test_stills_are_labelled_frames_with_a_face(tmp_path: Path) -> None:
    """Neutral (0), other (7), unlabelled (-1) and faceless frames stay out."""
    _expressions(tmp_path, "a", [4, 0, 7, -1, 6, 1], [1, 2, 3, 4, 5])
    _expressions(tmp_path, "b", [2, 3, 5], [1, 2, 3])
    stills = synthetic_pictures(tmp_path, "aff_wild2")
    names = [EMOTIONS[label] for label in stills.labels.tolist()]
    assert names == ["happiness", "surprise", "disgust", "fear", "sadness"]
    assert stills.luma.shape == (5, 48, 48)
    folds = stills.fold.tolist()
    assert len(set(folds[:2])) == 1
    assert len(set(folds[2:])) == 1
    assert folds[0] != folds[2]


def test_stills_are_spread_over_the_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a limit every clip still gives some, and the same ones each time."""
    monkeypatch.setattr("training.recipes.byel.pictures.MOST_STILLS", 12)
    for clip in ("a", "b", "c"):
        _expressions(tmp_path, clip, [1 + n % 6 for n in range(12)], [*range(1, 13)])
    stills = synthetic_pictures(tmp_path, "aff_wild2")
    assert len(stills.labels) == 12
    assert len(set(stills.fold.tolist())) == 3
    again = synthetic_pictures(tmp_path, "aff_wild2")
    assert torch.equal(stills.luma, again.luma)


def test_tuning_reads_drawn_faces_alone(
    made_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every setting gets five folds; FER+ is not opened."""
    monkeypatch.setattr("training.recipes.byel.pictures.load_ferplus", None)
    tried = {"steps": 4, "batch": 4, "size_px": 32, "net": TINY.net}
    monkeypatch.setattr("training.claims.byel.TRIED", (tried,))
    path = tune(made_root, tmp_path / "work", tmp_path / "tuning.json")
    (record,) = json.loads(path.read_text())["records"]
    assert len(record["folds"]) == FOLDS
    assert record["macro_f1"] == pytest.approx(sum(record["folds"]) / FOLDS, abs=1e-4)


def test_synthetic_pictures_are_the_six_emotions(made_root: Path) -> None:
    """Neutral ones are left out; every picture is 48 pixels wide and grey."""
    pictures = synthetic_pictures(made_root)
    names = {EMOTIONS[label] for label in pictures.labels.tolist()}
    assert names <= {"happiness", "sadness"}
    assert pictures.luma.shape[1:] == (48, 48)
    assert enlarge(pictures.luma, 64).shape[1:] == (1, 64, 64)


def test_real_pictures_are_those_of_valid(made_root: Path, tmp_path: Path) -> None:
    """No other part is opened: there is none. Six of the eight classes are kept."""
    (tmp_path / "ferplus").mkdir()
    for name in ("valid.csv", "valid.zip"):
        shutil.copy(made_root / "ferplus" / name, tmp_path / "ferplus" / name)
    pictures = real_pictures(tmp_path)
    # Sixty pictures, their classes in turn: eight neutral and seven of contempt.
    assert len(pictures.luma) == 45
    assert set(pictures.labels.tolist()) == set(range(len(EMOTIONS)))
