"""The face student: its losses, its kill, its checkpoint, its refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("soundfile")

import numpy as np
import torch
from safetensors.torch import load_file

from edge_affect.errors import ConfigError, DataError, UsageError
from training.engine.config import from_plain, read_config, to_plain
from training.engine.loop import Trainer
from training.evaluate import evaluate_face
from training.inputs import Inputs
from training.models.face import FACE_EXPRESSIONS, FaceConfig
from training.models.load import load_face_net
from training.recipes.face import FaceTrainer, FaceTraining
from training.recipes.face import train as train_face
from training.recipes.student import PRESETS, distill
from training.recipes.student.config import FaceStudent
from training.recipes.student.face import FaceStudentTrainer
from training.recipes.student.losses import (
    affect_distance,
    known_distillation,
    mixed,
    shared_classes,
)
from training.targets.folder import open_targets
from training.targets.label import label_pictures

pytestmark = pytest.mark.torch
TINY = FaceConfig(widths=(4, 4, 4, 4), blocks=(1, 1, 1), embedding=6)
TEACHER = FaceTraining(epochs=1, batch=16, synthetic_batch=4, net=TINY)
STUDENT = FaceStudent(
    epochs=2,
    batch=16,
    synthetic_batch=4,
    hint_weight=0.1,
    net=replace(TINY, widths=(3, 3, 3, 3), embedding=5),
)
# bfloat16 in the forward pass.
NEAR = 1e-5


class KilledError(Exception):
    """Stands for a kill at the start of the second epoch."""


@pytest.fixture(scope="module")
def targets(made_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return soft targets of a tiny teacher on both labelled sets."""
    out = tmp_path_factory.mktemp("targets")
    best = train_face(TEACHER, Inputs(made_root, out / "teacher"), out / "teacher")
    label_pictures([best], made_root, ("ferplus", "diffusionfer"), out / "soft")
    return out / "soft"


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make every trainer die after its first epoch, until called."""
    train_epoch = Trainer.train_epoch

    def dies(trainer: Trainer[Any, Any], epoch: int) -> float:
        if epoch:
            raise KilledError
        return train_epoch(trainer, epoch)

    monkeypatch.setattr(Trainer, "train_epoch", dies)
    return monkeypatch.undo


def _inputs(root: Path) -> Inputs:
    return Inputs(root, root / "cache")


def test_distillation_has_the_hand_computed_value() -> None:
    """T² KL of two classes at T = 2, a row that the teacher leaves out, and the mix.

    Teacher (2 ln 3, 0) / 2 gives (3/4, 1/4), student (0, 0) gives (1/2, 1/2): KL =
    3/4 ln(3/2) + 1/4 ln(1/2), times 4.
    """
    teacher = torch.tensor([[2 * math.log(3), 0.0], [math.nan, math.nan]])
    student = torch.tensor([[0.0, 0.0], [9.0, -9.0]])
    kl = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    found = known_distillation(student, teacher, 2.0)
    assert float(found) == pytest.approx(4 * kl, abs=1e-6)
    total = mixed(torch.tensor(3.0), found, 0.25)
    assert float(total) == pytest.approx(0.75 * 3 + 0.25 * 4 * kl, abs=1e-6)


def test_distillation_without_a_known_row_is_zero() -> None:
    """A teacher without this head costs nothing and leaves a gradient of zero."""
    student = torch.ones(2, 3, requires_grad=True)
    loss = known_distillation(student, torch.full((2, 3), math.nan), 2.0)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert float(loss.detach()) == 0
    assert student.grad is not None
    assert not student.grad.any()


def test_affect_distance_has_the_hand_computed_value() -> None:
    """Opposite valence: CCC −1, squared error 4; right arousal: nothing."""
    truth = torch.tensor([[1.0, 0.5], [-1.0, -0.5]])
    estimate = truth * torch.tensor([-1.0, 1.0])
    assert float(affect_distance(estimate, truth)) == pytest.approx(0.5 * 2 + 4)


def test_shared_classes_leaves_out_what_one_side_knows() -> None:
    """Columns of the same names, in the student's order."""
    mine, its = shared_classes(("a", "b", "contempt"), ("other", "b", "a"))
    assert (mine, its) == ([0, 1], [2, 1])
    with pytest.raises(DataError, match="expected two or more"):
        shared_classes(("a", "b"), ())


def test_batch_loss_is_the_labels_when_the_teacher_has_no_share(
    made_root: Path, targets: Path
) -> None:
    """With a share of 0 the student is the recipe ``face``, to the step."""
    config = replace(STUDENT, kd_share=0.0, hint_weight=0.0)
    trainers: list[FaceTrainer[Any]] = [
        FaceTrainer(config, made_root),
        FaceStudentTrainer(config, made_root, open_targets(targets)),
    ]
    losses = []
    for trainer in trainers:
        torch.manual_seed(0)
        random = torch.Generator().manual_seed(0)
        losses.append([float(loss.detach()) for loss in trainer.losses(random)])
    assert losses[0] == pytest.approx(losses[1], abs=NEAR)


def test_batch_loss_sums_its_four_terms(made_root: Path, targets: Path) -> None:
    """The share, the hint and the affect weight count as the settings say."""

    def loss(**settings: float) -> float:
        config = replace(STUDENT, **settings)  # type: ignore[arg-type]  # floats alone
        trainer = FaceStudentTrainer(config, made_root, open_targets(targets))
        rows = torch.arange(16), torch.arange(4)
        torch.manual_seed(0)
        with torch.no_grad():
            return float(trainer.batch_loss(*rows, torch.Generator().manual_seed(0)))

    hard, soft = loss(kd_share=0, hint_weight=0), loss(kd_share=1, hint_weight=0)
    assert loss(kd_share=0.25, hint_weight=0) == pytest.approx(
        0.75 * hard + 0.25 * soft, abs=NEAR
    )
    hint = loss(kd_share=0, hint_weight=1) - hard
    assert hint > 0
    assert loss(kd_share=0, hint_weight=3) == pytest.approx(hard + 3 * hint, abs=NEAR)


def test_a_killed_distillation_goes_on_to_the_same_weights(
    made_root: Path, targets: Path, tmp_path: Path, kill: Callable[[], None]
) -> None:
    """Killed after an epoch and run again equals never killed, to the bit."""
    with pytest.raises(KilledError):
        distill(STUDENT, _inputs(made_root), targets, tmp_path / "two")
    kill()
    for name in ("one", "two"):
        distill(STUDENT, _inputs(made_root), targets, tmp_path / name)
    unbroken = load_file(tmp_path / "one" / "last.safetensors")
    resumed = load_file(tmp_path / "two" / "last.safetensors")
    assert unbroken.keys() == resumed.keys()
    for name, value in unbroken.items():
        assert torch.equal(value, resumed[name]), name
    assert any("taught." in name for name in unbroken)


def test_distilled_face_loads_and_is_measured_as_a_face(
    made_root: Path, targets: Path, tmp_path: Path
) -> None:
    """The layer that only training needs is left out."""
    config = replace(STUDENT, epochs=1)
    best = distill(config, _inputs(made_root), targets, tmp_path)
    net = load_face_net(best)
    assert not any(name.startswith("taught") for name in net.state_dict())
    assert net.config == STUDENT.net
    assert np.isfinite(list(evaluate_face(best, made_root).values())).all()


def test_distill_refuses_to_go_on_with_another_teacher(
    made_root: Path, targets: Path, tmp_path: Path
) -> None:
    """The run knows whose targets it began with."""
    config = replace(STUDENT, epochs=1)
    distill(config, _inputs(made_root), targets, tmp_path / "run")
    other = train_face(
        replace(TEACHER, seed=2),
        Inputs(made_root, tmp_path / "other"),
        tmp_path / "other",
    )
    label_pictures([other], made_root, ("ferplus", "diffusionfer"), tmp_path / "soft")
    with pytest.raises(DataError, match="settings: sources: got"):
        distill(config, _inputs(made_root), tmp_path / "soft", tmp_path / "run")


def test_distill_refuses_what_the_teacher_has_not_labelled(
    made_root: Path, targets: Path, tmp_path: Path
) -> None:
    """An unlabelled set must be in the folder."""
    config = replace(STUDENT, unlabelled=("photos",))
    with pytest.raises(DataError, match="run the label command"):
        distill(config, _inputs(made_root), targets, tmp_path)


def test_unlabelled_pictures_are_taught_by_the_teacher_alone(
    made_root: Path, targets: Path
) -> None:
    """They change the loss through the teacher's share and not without it."""

    def loss(config: FaceStudent) -> float:
        trainer = FaceStudentTrainer(config, made_root, open_targets(targets))
        rows, random = torch.arange(16), torch.Generator().manual_seed(0)
        with torch.no_grad():
            return float(trainer.batch_loss(rows, torch.arange(4), random))

    plain = replace(STUDENT, hint_weight=0.0)
    more = replace(plain, unlabelled=("ferplus",), unlabelled_batch=8)
    assert loss(plain) != loss(more)
    trainer = FaceStudentTrainer(more, made_root, open_targets(targets))
    both = len(trainer.real.luma) + len(trainer.synthetic.luma)
    assert len(trainer.extra) == len(trainer.real.luma)
    assert torch.equal(
        trainer.soft.expression[both:], trainer.soft.expression[: len(trainer.extra)]
    )


def test_distill_without_targets_needs_no_teacher(
    made_root: Path, tmp_path: Path
) -> None:
    """Labels alone train the same network; a share without a teacher is refused."""
    config = replace(STUDENT, epochs=1, kd_share=0.0, hint_weight=0.0)
    best = distill(config, _inputs(made_root), None, tmp_path)
    assert load_face_net(best).config == config.net
    with pytest.raises(UsageError, match="kd_share, hint_weight"):
        distill(STUDENT, _inputs(made_root), None, tmp_path)


@pytest.mark.parametrize(
    "setting", ["kd_share=1.5", "kd_share=-0.1", "temperature=0", "hint_weight=-1"]
)
def test_settings_out_of_range_are_refused(setting: str) -> None:
    """The message names the setting."""
    with pytest.raises(ConfigError, match=setting.split("=", maxsplit=1)[0]):
        read_config(PRESETS["face"], None, [setting])


def test_presets_survive_a_checkpoint() -> None:
    """Plain values and back give the same settings."""
    for preset in PRESETS.values():
        assert from_plain(type(preset), to_plain(preset)) == preset
    assert len(FACE_EXPRESSIONS) == PRESETS["face"].net.expressions  # type: ignore[union-attr]  # a face
