"""Settings of teacher and student; presets."""

from __future__ import annotations

from dataclasses import dataclass, fields

from edge_affect.errors import ConfigError
from training.clips.settings import ClipTraining
from training.data.aff_wild2.layout import UNI_TASK_SETS
from training.engine.config import check_choice
from training.models.mtl_kd import STREAMS, MtlShape

MTL = "MTL"
"""The set whose frames carry all three labels."""
KINDS = ("none", "same_task", "cross_task")
"""What the student hears of the teacher: nothing, the frame's own task, all tasks."""

SMALL = MtlShape(lstm=64, trunk=(96, 64), head=(32,), discriminator=(32, 16))
"""Widths for the preset ``small``."""


@dataclass(frozen=True, slots=True)
class TeacherConfig(ClipTraining):
    """Settings of the teacher, and of the student as far as both have them."""

    epochs: int = 16
    batch: int = 128
    """Frames in a batch of the largest set; the other sets' are smaller in proportion,
    so that all end together."""
    hop: int = 4
    learning_rate: float = 1e-3
    patience: int | None = 5
    sets: tuple[str, ...] = UNI_TASK_SETS
    """Sets that are trained on: some of VA, EXPR, AU and MTL."""
    stream: str = "both"
    """What the network is given: ``both``, ``image`` or ``audio``."""
    sound_past_s: float = 10.0
    """Seconds of past sound features that are averaged; 0 takes the newest alone, for
    a backbone that hears ten seconds by itself."""
    skip_s: float = 0.0
    """Seconds at the start of each clip that are not trained on."""
    shape: MtlShape = SMALL
    """Widths of the network."""
    discriminator: bool = True
    """Whether a discriminator behind a gradient reversal guesses the label set."""

    def __post_init__(self) -> None:
        """Refuse what no run can mean."""
        known = (*UNI_TASK_SETS, MTL)
        if not self.sets or len(set(self.sets) & set(known)) != len(self.sets):
            raise ConfigError(
                f"sets: got {', '.join(self.sets) or 'none'}, "
                f"expected some of {', '.join(known)}, each once"
            )
        check_choice("stream", self.stream, STREAMS)
        for name in ("sound_past_s", "skip_s"):
            if getattr(self, name) < 0:
                raise ConfigError(
                    f"{name}: got {getattr(self, name)}, expected 0 or more seconds"
                )


@dataclass(frozen=True, slots=True)
class MtlKdConfig(TeacherConfig):
    """Settings of the student."""

    kd: str = "cross_task"
    """Soft labels: ``none``, ``same_task`` or ``cross_task`` (same task included)."""
    temperature: float = 2.5
    """Softening of the expression's logits in soft labels."""
    alpha: float = 10.0
    """Weight of the hard label."""
    beta: float = 0.9
    """Weight of the other tasks' soft labels."""

    def __post_init__(self) -> None:
        """Refuse what no run can mean."""
        # With slots the class is made anew, and super() would look for the old one.
        TeacherConfig.__post_init__(self)
        check_choice("kd", self.kd, KINDS)
        if self.temperature <= 0:
            raise ConfigError(
                f"temperature: got {self.temperature}, expected a number above 0"
            )


def teacher_config(config: MtlKdConfig) -> TeacherConfig:
    """Return the settings of the teacher that goes with a student."""
    return TeacherConfig(
        **{field.name: getattr(config, field.name) for field in fields(TeacherConfig)}
    )


PRESETS = {
    "small": MtlKdConfig(),
    "paper": MtlKdConfig(
        epochs=20,
        batch=256,
        hop=1,
        learning_rate=1e-4,
        schedule="constant",
        patience=5,
        weight_decay=0.0,
        average=0.0,
        face_backbone="capnet:runs/capnet/fer_tuned/best.safetensors",
        sound_backbone="ast:MIT/ast-finetuned-audioset-10-10-0.4593",
        sets=(*UNI_TASK_SETS, MTL),
        sound_past_s=0.0,
        skip_s=10.0,
        shape=MtlShape(),
    ),
}
"""``small`` reads our own frozen students; ``paper`` has the paper's numbers."""
