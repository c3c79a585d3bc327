"""Recipe ``student``: the product's networks, distilled from a teacher's soft targets.

What is from papers and what is ours stands in ``docs/recipes/student.md``. The
checkpoints are those of the recipes ``face``, ``voice`` and ``affect``: they load and
are exported as theirs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_affect.errors import UsageError
from training.data.emodb import load_emodb
from training.engine.loop import Trainer, run
from training.inputs import Inputs
from training.recipes.face import FaceTrainer, open_signals
from training.recipes.student import affect
from training.recipes.student.config import AffectStudent, FaceStudent, VoiceStudent
from training.recipes.student.face import FaceStudentTrainer
from training.recipes.student.voice import VoiceStudentTrainer, hear_clips
from training.recipes.voice import VoiceTrainer
from training.targets.folder import TargetFolder, open_targets

__all__ = ["PRESETS", "distill", "evaluate", "train"]

Student = FaceStudent | VoiceStudent | AffectStudent

PRESETS: dict[str, Student] = {
    "face": FaceStudent(),
    "voice": VoiceStudent(),
    "affect": AffectStudent(),
}
"""The settings of each part."""

evaluate = affect.evaluate


def distill(config: Student, inputs: Inputs, targets: Path | None, out: Path) -> Path:
    """Train the student that ``config`` is of, or go on.

    See ``training.engine.loop.run``.

    Args:
        config: One of ``PRESETS``, or settings over it.
        inputs: The data root holds what the part needs: the public sets for face and
            voice, Aff-Wild2's layout for voice and affect.
        targets: Folder of soft targets; None trains on labels alone.
        out: Folder of the run.

    Returns:
        The best checkpoint's path.

    Raises:
        UsageError: There is no folder of targets, but a setting that needs one.
        DataError: Data or targets cannot be read or do not belong together, the loss
            is not finite, or ``out`` holds a run with other settings or teacher.
    """
    if targets is None:
        _refuse_without_teacher(config)
    folder = None if targets is None else open_targets(targets)
    return run(_new_trainer(config, inputs, folder), out)


def train(config: Student, inputs: Inputs, out: Path) -> Path:
    """Train on labels alone; ``distill`` is the same with a teacher's targets.

    Raises:
        UsageError: A setting needs targets.
        DataError: As ``distill``.
    """
    return distill(config, inputs, None, out)


def _new_trainer(
    config: Student, inputs: Inputs, targets: TargetFolder | None
) -> Trainer[Any, Any]:
    if isinstance(config, AffectStudent):
        return affect.new_trainer(config, inputs, targets)
    if targets is None:
        if isinstance(config, FaceStudent):
            return FaceTrainer(config, inputs.data, open_signals(config, inputs))
        return VoiceTrainer(config, load_emodb(inputs.data, "train"))
    teacher = str(targets.teacher)
    if isinstance(config, FaceStudent):
        config = replace(config, sources=teacher)
        signals = open_signals(config, inputs)
        return FaceStudentTrainer(config, inputs.data, targets, signals)
    heard = hear_clips(inputs, targets)
    utterances = load_emodb(inputs.data, "train")
    return VoiceStudentTrainer(replace(config, sources=teacher), utterances, heard)


def _refuse_without_teacher(config: Student) -> None:
    needing = {"kd_share": config.kd_share}
    if isinstance(config, FaceStudent):
        needing |= {
            "hint_weight": config.hint_weight,
            "unlabelled": float(len(config.unlabelled)),
        }
    wanted = [name for name, value in needing.items() if value]
    if wanted:
        raise UsageError(
            f"--targets: got none, but {', '.join(wanted)} of the settings; expected a "
            "folder made by `python -m training label`, or --set kd_share=0"
        )
