"""Teacher and student of ``mtl_kd`` on made clips: losses, resume, the study."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import torch
from safetensors.torch import load_file

from edge_affect.errors import DataError
from tests.training import mtl_kd_worker as worker
from tests.training.clips import make_clips
from training.claims import mtl_kd as study
from training.claims.base import Material
from training.clips import recipe as clip_recipe
from training.clips.tape import Tape
from training.engine.checkpoint import load_checkpoint
from training.engine.loop import run
from training.inputs import Inputs
from training.models.mtl_kd import SET, MtlNet
from training.recipes import mtl_kd
from training.recipes.mtl_kd.config import MtlKdConfig, TeacherConfig, teacher_config
from training.recipes.mtl_kd.figures import mtl_figures
from training.recipes.mtl_kd.losses import hard_loss, soft_loss
from training.recipes.mtl_kd.sets import only_home_labels
from training.recipes.mtl_kd.trainer import StudentTrainer, TeacherTrainer
from training.recipes.mtl_kd.window import hear, see

pytestmark = pytest.mark.torch
ROOT = Path(__file__).resolve().parents[2]
# Sums over two halves of a batch round otherwise than one over all of it.
TOLERANCE = 1e-3
TEACHER = teacher_config(worker.TINY)


class StoppedError(Exception):
    """Stands for a kill in the middle of an epoch."""


class StoppedTeacher(TeacherTrainer):
    left = 20

    def batch_loss(self, rows: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        self.left -= 1
        if self.left == 0:
            raise StoppedError
        return super().batch_loss(rows, random)


class StoppedStudent(StudentTrainer):
    left = 45

    def batch_loss(self, rows: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        self.left -= 1
        if self.left == 0:
            raise StoppedError
        return super().batch_loss(rows, random)


def _same(one: Path, two: Path) -> None:
    ours, theirs = (load_file(p / "last.safetensors") for p in (one, two))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def test_teacher_after_a_kill_gives_the_same_weights(tmp_path: Path) -> None:
    """Killed in the second epoch and run again equals never killed, to the bit."""
    tapes = worker.tapes()
    run(TeacherTrainer(TEACHER, *tapes), tmp_path / "one")
    with pytest.raises(StoppedError):
        run(StoppedTeacher(TEACHER, *tapes), tmp_path / "two")
    run(TeacherTrainer(TEACHER, *tapes), tmp_path / "two")
    _same(tmp_path / "one", tmp_path / "two")


def test_student_after_a_kill_keeps_what_its_tasks_waited(tmp_path: Path) -> None:
    """With dropout and tasks that wait, the weights are the same to the bit."""
    tapes = worker.tapes()
    shape = replace(worker.TINY.shape, dropout=0.5)
    # So fast that figures fall: tasks wait, and their weights differ from 1.
    config = replace(worker.TINY, shape=shape, epochs=5, learning_rate=0.3)
    soft = worker.soft(tapes[0])
    run(StudentTrainer(config, *tapes, soft), tmp_path / "one")
    stopped = StoppedStudent(config, *tapes, soft)
    stopped.left = 3 * stopped.steps + 2
    with pytest.raises(StoppedError):
        run(stopped, tmp_path / "two")
    halted = load_checkpoint(tmp_path / "two" / "last.safetensors", "mtl_kd")
    waited = [halted.metrics[f"dev_waited_{t}"] for t in ("va", "expr", "au")]
    assert max(waited) > 0
    run(StudentTrainer(config, *tapes, soft), tmp_path / "two")
    _same(tmp_path / "one", tmp_path / "two")


def test_trainer_ends_all_sets_together() -> None:
    """Each round has a batch of every set, smaller for the smaller sets."""
    clips = make_clips(9, 90)
    train = Tape.join([clip for n, clip in enumerate(clips) if n not in {1, 4, 2}])
    config = replace(TEACHER, sets=("VA", "EXPR", "AU"))
    trainer = TeacherTrainer(config, train, worker.tapes()[1])
    sizes = {name: len(rows) for name, rows in trainer.sets.items()}
    assert trainer.sizes["VA"] >= 8 > trainer.sizes["AU"] > trainer.sizes["EXPR"]
    random = torch.Generator().manual_seed(0)
    assert len(list(trainer.losses(random))) == trainer.steps == 3 * trainer.rounds
    for name, size in trainer.sizes.items():
        assert size * trainer.rounds <= sizes[name] / config.hop + 1


def test_batch_of_a_set_teaches_its_head_alone() -> None:
    """EXPR frames leave the other heads; MTL frames have no set to tell."""
    trainer = TeacherTrainer(TEACHER, *worker.tapes())
    random = torch.Generator().manual_seed(0)

    def taught(name: str) -> set[str]:
        trainer.net.zero_grad()
        torch.autograd.backward(trainer.batch_loss(trainer.sets[name][:8], random))
        named = trainer.net.named_parameters()
        return {
            n.split(".")[1] for n, p in named if "heads" in n and p.grad is not None
        }

    assert taught("EXPR") == {"EXPR", "SET"}
    assert taught("MTL") == {"VA", "EXPR", "AU"}


def test_student_hears_the_teacher_on_the_tasks_of_its_kind() -> None:
    """None, the set's own task, all three; MTL frames have labels of their own."""
    tapes = worker.tapes()
    soft = worker.soft(tapes[0])
    for kd, expected in (
        ("none", ("AU",)),
        ("same_task", ("AU",)),
        ("cross_task", ("AU", "VA", "EXPR")),
    ):
        trainer = StudentTrainer(replace(worker.TINY, kd=kd), *tapes, soft)
        assert trainer.tasks("AU") == expected
        assert trainer.tasks("MTL") == ("VA", "EXPR", "AU")


WAITED = {"VA": 1, "EXPR": 2, "AU": 3}
"""Epochs of waiting: no two tasks weigh alike, and none weighs 1."""
RAMP = 2 / 3
"""λ in the second epoch of the three of ``TINY``."""


def _in_second_epoch(adaptation: float, *, discriminator: bool) -> StudentTrainer:
    """Return a student that waits, of a teacher who says another thing of each row."""
    shape = replace(worker.TINY.shape, adaptation=adaptation)
    config = replace(worker.TINY, shape=shape, discriminator=discriminator)
    train, dev = worker.tapes()
    random = torch.Generator().manual_seed(2)
    widths = {"VA": 2, "EXPR": 8, "AU": 12}
    said = {
        task: torch.randn(len(train.present), width, generator=random)
        for task, width in widths.items()
    }
    trainer = StudentTrainer(config, train, dev, said)
    trainer.epoch = 1
    for task, epochs in WAITED.items():
        trainer.waiting[task].epochs = epochs
    return trainer


def _batch(trainer: StudentTrainer, home: str) -> torch.Tensor:
    order = torch.randperm(24, generator=torch.Generator().manual_seed(3))
    return trainer.sets[home][order[:8]]


def _told(trainer: StudentTrainer, rows: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the outputs in training; batch norm is of this batch, dropout is 0."""
    sound = hear(trainer.train, rows, trainer.config.sound_past_s)
    wanted = ("VA", "EXPR", "AU", *((SET,) if trainer.config.discriminator else ()))
    told: dict[str, torch.Tensor] = trainer.net(see(trainer.train, rows), sound, wanted)
    return told


def _label(trainer: StudentTrainer, task: str, rows: torch.Tensor) -> torch.Tensor:
    tape = trainer.train
    labels = (tape.valence_arousal, tape.expression, tape.action_units)
    return labels[("VA", "EXPR", "AU").index(task)][rows]


@pytest.mark.parametrize("home", ["VA", "EXPR", "AU"])
def test_student_loss_of_a_uni_task_batch_is_the_papers(home: str) -> None:
    """10·w_k·L_k(s, y) + w_k·L_k(s, t) + 0.9·Σ w_j·L_j(s, t) + λ·L_D, row by row."""
    trainer = _in_second_epoch(1.0, discriminator=True)
    rows = _batch(trainer, home)
    told = _told(trainer, rows)
    expected = 0.0
    for task, waited in WAITED.items():
        said = torch.stack([trainer.teacher[task][row] for row in rows.tolist()])
        soft = soft_loss(task, told[task], said, 2.5).item()
        share = 1.0 if task == home else 0.9
        expected += share * math.exp(0.5 * waited) * soft
    hard = hard_loss(home, told[home], _label(trainer, home, rows)).item()
    expected += 10 * math.exp(0.5 * WAITED[home]) * hard
    number = ("VA", "EXPR", "AU").index(home)
    expected -= RAMP * torch.log_softmax(told[SET], 1)[:, number].mean().item()
    loss = trainer.batch_loss(rows, torch.Generator()).item()
    assert loss == pytest.approx(expected, rel=1e-5)


def test_student_loss_of_a_batch_of_all_labels_weighs_each_task() -> None:
    """Σ w·L(s, y): nothing of the teacher, nothing of the discriminator."""
    trainer = _in_second_epoch(1.0, discriminator=True)
    rows = _batch(trainer, "MTL")
    told = _told(trainer, rows)
    expected = sum(
        math.exp(0.5 * waited)
        * hard_loss(task, told[task], _label(trainer, task, rows)).item()
        for task, waited in WAITED.items()
    )
    loss = trainer.batch_loss(rows, torch.Generator()).item()
    assert loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("home", "number"), [("VA", 0), ("EXPR", 1), ("AU", 2)])
def test_ramp_scales_what_the_trunk_unlearns(home: str, number: int) -> None:
    """The discriminator adds −λ times its gradient to the trunk, λ times to itself."""

    def gradients(trainer: StudentTrainer, loss: torch.Tensor) -> list[torch.Tensor]:
        named = dict(trainer.net.named_parameters())
        layers = ["trunk.0.weight", "trunk.3.weight"]
        if trainer.config.discriminator:
            layers.append(f"heads.{SET}.0.weight")
        return list(torch.autograd.grad(loss, [named[layer] for layer in layers]))

    turned = _in_second_epoch(1.0, discriminator=True)
    rows = _batch(turned, home)
    both = gradients(turned, turned.batch_loss(rows, torch.Generator()))
    without = _in_second_epoch(1.0, discriminator=False)
    task = gradients(without, without.batch_loss(rows, torch.Generator()))
    # A reversal by -1 is none: the gradient as it would flow without it.
    plain = _in_second_epoch(-1.0, discriminator=True)
    named_set = torch.full((len(rows),), number)
    told = torch.nn.functional.cross_entropy(_told(plain, rows)[SET], named_set)
    tells = gradients(plain, told)
    for whole, own, tell in zip(both[:2], task, tells[:2], strict=True):
        assert tell.abs().max() > 5e-3
        assert torch.allclose(whole - own, -RAMP * tell, atol=2e-5)
    assert torch.allclose(both[2], RAMP * tells[2], atol=1e-6)


def test_batches_of_an_epoch_have_its_ramp() -> None:
    """The weight of the discriminator is that of the epoch that runs."""
    seen = []

    class Watched(TeacherTrainer):
        def batch_loss(
            self, rows: torch.Tensor, random: torch.Generator
        ) -> torch.Tensor:
            seen.append(self.epoch)
            return super().batch_loss(rows, random)

    trainer = Watched(TEACHER, *worker.tapes())
    trainer.train_epoch(1)
    assert seen == [1] * trainer.steps


def test_trainer_refuses_a_set_with_too_few_frames() -> None:
    """The message names the set."""
    train = Tape.join(make_clips(2, 90))
    with pytest.raises(DataError, match="got 0 frames of the set AU"):
        TeacherTrainer(replace(TEACHER, sets=("VA", "AU")), train, train)


def _recipe_on_made_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    train, dev = worker.tapes()
    dev = replace(dev, names=tuple(f"other {name}" for name in dev.names))
    monkeypatch.setattr(mtl_kd, "_load_sets", lambda config, inputs: train)
    for where in (mtl_kd, clip_recipe):
        monkeypatch.setattr(where, "load_tape", lambda *_: dev)


def test_train_makes_teacher_and_student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One command; the student learns from the teacher's best epoch, not its last."""
    _recipe_on_made_clips(monkeypatch)
    heard: list[Path] = []
    fit = mtl_kd.fit_student

    def spy(config: MtlKdConfig, teacher: Path | None, *rest: Any) -> Path:
        assert teacher is not None
        heard.append(teacher)
        return fit(config, teacher, *rest)

    monkeypatch.setattr(mtl_kd, "fit_student", spy)
    inputs = Inputs(tmp_path, tmp_path)
    best = mtl_kd.train(worker.TINY, inputs, tmp_path)
    assert heard == [tmp_path / "teacher" / "best.safetensors"]
    assert best == tmp_path / "student" / "best.safetensors"
    assert load_checkpoint(heard[0], "mtl_kd_teacher").config["batch"] == 8
    figures = mtl_kd.evaluate(best, inputs)
    stored = load_checkpoint(best, "mtl_kd").metrics
    for name in ("p_va", "p_expr", "p_au", "p_mtl", "p_mtl_over_batches"):
        assert figures[name] == pytest.approx(stored[f"dev_{name}"], abs=1e-6)


def test_train_without_soft_labels_has_no_teacher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing would ask it."""
    _recipe_on_made_clips(monkeypatch)
    config = replace(worker.TINY, kd="none", epochs=1)
    mtl_kd.train(config, Inputs(tmp_path, tmp_path), tmp_path)
    assert not (tmp_path / "teacher").exists()


def test_mtl_figures_over_batches_are_of_whole_frames(tmp_path: Path) -> None:
    """A part without frames that carry all labels has P_MTL over frames alone."""
    train, dev = worker.tapes()
    trainer = TeacherTrainer(TEACHER, train, dev)
    whole = mtl_figures(TeacherTrainer, TEACHER, trainer.average, dev)
    assert {"p_mtl", "p_mtl_over_batches"} <= whole.keys()
    home = only_home_labels(dev)
    parts = mtl_figures(TeacherTrainer, TEACHER, trainer.average, home)
    assert "p_mtl" in parts
    assert "p_mtl_over_batches" not in parts


def test_arms_of_a_seed_share_their_teacher(tmp_path: Path) -> None:
    """It is trained once; every arm has figures on both parts, and the probe's."""
    sets = ("VA", "EXPR", "AU")
    train, dev = (Tape.join(make_clips(6, 90, seed=seed)) for seed in (0, 1))
    material = Material(train, dev, dev)
    config = replace(worker.TINY, sets=sets, epochs=1)
    folder = tmp_path / "teacher"
    first = study.run_arm("teacher", teacher_config(config), material, folder)
    before = (folder / "best.safetensors").stat().st_mtime_ns
    second = study.run_arm("cross_task", config, material, tmp_path / "cross_task")
    assert (folder / "best.safetensors").stat().st_mtime_ns == before
    assert first.keys() == second.keys()
    assert {"p_mtl", "dev_p_mtl", "set_probe_accuracy"} <= first.keys()
    again = study.run_arm("cross_task", config, material, tmp_path / "cross_task")
    assert again == second


def test_probe_tells_sets_that_differ_and_no_others() -> None:
    """Clips whose faces sit elsewhere for each set are told; alike ones are not."""
    net = MtlNet(worker.TINY.shape, 5, 3, "both", tells_set=False).eval()
    alike = Tape.join(make_clips(12, 90))
    apart = Tape.join(
        [
            replace(clip, face=clip.face + np.float32(4 * (number % 3)))
            for number, clip in enumerate(make_clips(12, 90))
        ]
    )
    config = TeacherConfig(sound_past_s=0.0)
    assert study.probe_sets(config, net, alike)["set_probe_inputs"] < 0.6
    told = study.probe_sets(config, net, apart)
    assert told["set_probe_inputs"] > 0.9
    assert 0 < told["set_probe_accuracy"] <= 1


def test_study_claims_name_arms_of_its_own() -> None:
    """Every arm that a claim reads is run, with a seed that can be replaced."""
    arms = study.STUDY.arms
    for claim in study.STUDY.claims:
        assert claim.better[0] in arms
        assert claim.than[0] in arms
    assert all(replace(config, seed=3).seed == 3 for config in arms.values())


@pytest.mark.slow
def test_two_processes_lose_what_one_loses(tmp_path: Path) -> None:
    """Batch statistics, reversal and every set's loss are those of the whole batch."""
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    subprocess.run(
        [sys.executable, *launcher, worker.__file__, str(tmp_path / "two.json")],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        timeout=240,
    )
    two = json.loads((tmp_path / "two.json").read_text())
    one = worker.told_losses()
    assert len(one) >= 16
    assert two == pytest.approx(one, abs=TOLERANCE)
