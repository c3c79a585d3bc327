"""The study of ``mtl_kd``: what its runs are given, and what they are measured on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import torch

from tests.training import mtl_kd_worker as worker
from tests.training.clips import make_clips
from training.claims import mtl_kd as study
from training.claims.base import Material
from training.clips.recipe import Trainable, load_net
from training.clips.tape import Tape
from training.models.mtl_kd import MtlNet
from training.recipes.mtl_kd import fit_student, fit_teacher
from training.recipes.mtl_kd.config import teacher_config
from training.recipes.mtl_kd.figures import mtl_figures
from training.recipes.mtl_kd.trainer import StudentTrainer, TeacherTrainer

pytestmark = pytest.mark.torch
STUDENT = replace(worker.TINY, sets=("VA", "EXPR", "AU"), epochs=1)


def _material() -> Material:
    """Return three parts of other labels; every clip carries those of all tasks."""
    return Material(*(Tape.join(make_clips(6, 60, seed=seed)) for seed in range(3)))


@pytest.mark.parametrize(
    ("arm", "config", "kind"),
    [
        ("teacher", teacher_config(STUDENT), TeacherTrainer),
        ("cross_task", STUDENT, StudentTrainer),
    ],
)
def test_figures_are_of_the_test_part(
    arm: str, config: Any, kind: Trainable, tmp_path: Path
) -> None:
    """``dev_`` ones are of selection; the probe is of what was trained on."""
    material = _material()
    figures = study.run_arm(arm, config, material, tmp_path / arm)
    net = load_net(kind, tmp_path / arm / "best.safetensors", material.test)
    assert isinstance(net, MtlNet)
    own, dev, test = (
        mtl_figures(kind, config, net, tape)
        for tape in (material.train, material.dev, material.test)
    )
    for name in ("p_va", "p_expr", "p_au", "p_mtl"):
        assert len({told[name] for told in (own, dev, test)}) == 3
    expected = test | {f"dev_{name}": value for name, value in dev.items()}
    assert figures == expected | study.probe_sets(config, net, material.train)


def test_teacher_and_student_learn_from_home_labels_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The labels that soft ones shall stand for are not there; home ones all are."""
    given: dict[str, Tape] = {}

    def teach(config: Any, train: Tape, dev: Tape, out: Path) -> Path:
        given["teacher"] = train
        return fit_teacher(config, train, dev, out)

    def learn(config: Any, teacher: Path, train: Tape, dev: Tape, out: Path) -> Path:
        given["student"] = train
        return fit_student(config, teacher, train, dev, out)

    monkeypatch.setattr(study, "fit_teacher", teach)
    monkeypatch.setattr(study, "fit_student", learn)
    material = _material()
    study.run_arm("cross_task", STUDENT, material, tmp_path / "cross_task")
    assert given.keys() == {"teacher", "student"}
    for tape in given.values():
        for home, task in enumerate(("VA", "EXPR", "AU")):
            at_home = torch.nonzero(material.train.label_set == home)[:, 0]
            assert tape.labelled(task).equal(at_home)
