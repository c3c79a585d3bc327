"""What soft labels and the task discriminator do, on sets that differ in their camera.

Each clip keeps the labels of its home set alone. All students of a seed learn from the
same teacher.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import linear_model, pipeline, preprocessing
from torch import Tensor

from training.claims.base import Claim, Material, Study
from training.clips.recipe import Trainable, load_net
from training.clips.tape import Tape
from training.data.aff_wild2.layout import UNI_TASK_SETS
from training.metrics import AnyFloats, Ints, balanced_accuracy
from training.models.mtl_kd import MtlNet
from training.recipes.mtl_kd import PRESETS, fit_student, fit_teacher
from training.recipes.mtl_kd.config import TeacherConfig, teacher_config
from training.recipes.mtl_kd.figures import mtl_figures
from training.recipes.mtl_kd.sets import only_home_labels
from training.recipes.mtl_kd.trainer import StudentTrainer, TeacherTrainer
from training.recipes.mtl_kd.window import hear, see

ALPHAS = (1.0, 5.0, 15.0, 20.0)
"""Weights of the hard label that are tried beside the paper's 10."""
_PROBE_HOP = 4
_ROWS_AT_ONCE = 1024


def run_arm(arm: str, config: Any, material: Material, out: Path) -> dict[str, float]:
    """Train the seed's teacher unless it is there, then the student; test both alike.

    Raises:
        DataError: A run failed.
    """
    train = only_home_labels(material.train)
    plain = teacher_config(config) if arm != "teacher" else config
    teacher = fit_teacher(
        replace(plain, discriminator=False), train, material.dev, out.parent / "teacher"
    )
    kind: Trainable = TeacherTrainer
    best = teacher
    if arm != "teacher":
        kind = StudentTrainer
        best = fit_student(config, teacher, train, material.dev, out)
    net = cast(MtlNet, load_net(kind, best, material.test))
    figures = mtl_figures(kind, config, net, material.test)
    on_dev = mtl_figures(kind, config, net, material.dev)
    figures |= {f"dev_{name}": value for name, value in on_dev.items()}
    return figures | probe_sets(config, net, material.train)


def probe_sets(config: TeacherConfig, net: MtlNet, tape: Tape) -> dict[str, float]:
    """Return how well a linear probe tells a frame's label set, by clip.

    Logistic regression on standardised features of one half of each set's clips, tested
    on the other half, both ways round; balanced accuracy, so that chance is 1/3.

    Returns:
        ``set_probe_accuracy`` of the features that all heads read, and
        ``set_probe_inputs`` of the frame's own face and sound features.
    """
    rows = torch.arange(0, len(tape.present), _PROBE_HOP)
    rows = rows[tape.label_set[rows] >= 0]
    given = torch.cat([tape.face[rows], hear(tape, rows, config.sound_past_s)], dim=1)
    is_first = _every_second_clip(tape)[tape.clip[rows]].numpy()
    sets = tape.label_set[rows].numpy()
    return {
        name: 0.5 * (_probe(values, sets, is_first) + _probe(values, sets, ~is_first))
        for name, values in (
            ("set_probe_accuracy", _shared_features(config, net, tape, rows)),
            ("set_probe_inputs", given.numpy()),
        )
    }


def _probe(features: AnyFloats, sets: Ints, fitted: NDArray[np.bool_]) -> float:
    probe = pipeline.make_pipeline(
        preprocessing.StandardScaler(),
        linear_model.LogisticRegression(max_iter=1000, class_weight="balanced"),
    )
    probe.fit(features[fitted], sets[fitted])
    told = probe.predict(features[~fitted])
    return balanced_accuracy(sets[~fitted], told, len(UNI_TASK_SETS))


@torch.no_grad()
def _shared_features(
    config: TeacherConfig, net: MtlNet, tape: Tape, rows: Tensor
) -> AnyFloats:
    parts = [
        net.share(see(tape, part), hear(tape, part, config.sound_past_s))
        for part in torch.split(rows, _ROWS_AT_ONCE)
    ]
    features: AnyFloats = torch.cat(parts).numpy()
    return features


def _every_second_clip(tape: Tape) -> Tensor:
    """Return ``(clips,)`` bool: the first, third... clip of each set."""
    of_clip = torch.zeros(len(tape.names), dtype=torch.int64)
    of_clip[tape.clip] = tape.label_set
    chosen = torch.zeros(len(tape.names), dtype=torch.bool)
    for number in range(len(UNI_TASK_SETS)):
        chosen[torch.nonzero(of_clip == number)[::2, 0]] = True
    return chosen


_STUDENT = replace(PRESETS["small"], discriminator=False)
_WHOLE = replace(_STUDENT, discriminator=True)

STUDY = Study(
    name="mtl_kd",
    arms={
        "teacher": teacher_config(_STUDENT),
        "no_kd": replace(_STUDENT, kd="none"),
        "same_task": replace(_STUDENT, kd="same_task"),
        "cross_task": _STUDENT,
        "discriminator": _WHOLE,
        **{f"alpha_{alpha:g}": replace(_WHOLE, alpha=alpha) for alpha in ALPHAS},
    },
    claims=(
        Claim(
            "soft labels of the frame's own task help a student",
            ("same_task", "p_mtl"),
            ("no_kd", "p_mtl"),
        ),
        Claim(
            "soft labels of the other tasks help further",
            ("cross_task", "p_mtl"),
            ("same_task", "p_mtl"),
        ),
        Claim(
            "the task discriminator helps further",
            ("discriminator", "p_mtl"),
            ("cross_task", "p_mtl"),
        ),
        Claim(
            "the whole student is better than its best-epoch teacher",
            ("discriminator", "p_mtl"),
            ("teacher", "p_mtl"),
        ),
        Claim(
            "the discriminator hides the label set from a linear probe",
            ("cross_task", "set_probe_accuracy"),
            ("discriminator", "set_probe_accuracy"),
        ),
    ),
    run=run_arm,
    notes=(
        "Mechanism only: frozen features of our own small students, drawn people, sets "
        "that differ in camera and identity pool. The teacher of all arms is trained "
        "without a discriminator, so that each arm adds one thing; the sweep of alpha "
        "is of the whole student, alpha 10 being the arm discriminator. The probe's "
        "chance level is 1/3. The paper's claim needs Aff-Wild2, CAPNet's companion "
        "and a sound backbone with real weights."
    ),
)
"""The arms of ``mtl_kd``."""
