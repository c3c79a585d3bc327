"""Recipe ``mtl_kd``: a teacher of three tasks, and a student that it fills gaps for.

Jeong et al. 2022, arXiv 2203.13072. What is the paper's and what is ours stands in
``docs/recipes/mtl_kd.md``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import cast

from training.clips.recipe import (
    load_config,
    load_net,
    load_tape,
    refuse_overlap,
    trainer_finder,
    trainer_functions,
)
from training.clips.tape import Tape
from training.data.aff_wild2 import load_aff_wild2
from training.engine.loop import run
from training.features.cache import gather_features
from training.features.clips import ClipFeatures
from training.features.open import open_face_backbone, open_sound_backbone
from training.inputs import Inputs
from training.models.mtl_kd import MtlNet
from training.recipes.mtl_kd.config import (
    PRESETS,
    MtlKdConfig,
    TeacherConfig,
    teacher_config,
)
from training.recipes.mtl_kd.figures import mtl_figures
from training.recipes.mtl_kd.soft import soft_labels
from training.recipes.mtl_kd.trainer import StudentTrainer, TeacherTrainer

__all__ = ["PRESETS", "evaluate", "fit_student", "fit_teacher", "train", "trainer_of"]


def train(config: MtlKdConfig, inputs: Inputs, out: Path) -> Path:
    """Train the teacher into ``out/teacher`` and the student into ``out/student``.

    Without soft labels (``kd="none"``) there is no teacher. Killed and called again it
    goes on.

    Returns:
        The best student's path.

    Raises:
        DataError: The data root lacks a set, a file cannot be read or written, or
            ``out`` holds a run with other settings.
    """
    train_part = _load_sets(config, inputs)
    dev = load_tape(inputs, config, "valid")
    refuse_overlap(train_part, dev)
    teacher = None
    if config.kd != "none":
        teacher = fit_teacher(teacher_config(config), train_part, dev, out / "teacher")
    return fit_student(config, teacher, train_part, dev, out / "student")


def fit_teacher(config: TeacherConfig, train: Tape, dev: Tape, out: Path) -> Path:
    """Train the teacher in ``out``, or go on; return its best epoch's path.

    Raises:
        DataError: A set has too few frames, or ``out`` holds another run.
    """
    return run(TeacherTrainer(config, train, dev), out)


def fit_student(
    config: MtlKdConfig, teacher: Path | None, train: Tape, dev: Tape, out: Path
) -> Path:
    """Train the student in ``out``, or go on; return its best epoch's path.

    Args:
        config: The student's settings.
        teacher: A teacher's checkpoint; None only without soft labels.
        train: What is trained on.
        dev: Other people: selection, and the tasks' weights.
        out: Folder of the run.

    Raises:
        DataError: A set has too few frames, the teacher cannot be read, or ``out``
            holds another run.
    """
    soft = {}
    if teacher is not None:
        net = cast(MtlNet, load_net(TeacherTrainer, teacher, train))
        soft = soft_labels(load_config(TeacherTrainer, teacher), net, train)
    return run(StudentTrainer(config, train, dev, soft), out)


def _load_sets(config: TeacherConfig, inputs: Inputs) -> Tape:
    """Return the training part; a clip that two sets name comes once for each."""
    face = open_face_backbone(config.face_backbone)
    sound = open_sound_backbone(config.sound_backbone)
    clips: list[ClipFeatures] = []
    for name in config.sets:
        labelled = load_aff_wild2(inputs.data, "train", (name,))
        clips += gather_features(labelled, face, sound, inputs.cache)
    return Tape.join(clips)


_, evaluate = trainer_functions(
    StudentTrainer, figures=partial(mtl_figures, StudentTrainer)
)
trainer_of = trainer_finder(TeacherTrainer, StudentTrainer)
