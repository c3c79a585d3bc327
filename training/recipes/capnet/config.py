"""Settings of the recipe ``capnet``."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_affect.errors import ConfigError
from training.clips.settings import ClipTraining
from training.clips.windows import past_times
from training.models.capnet import CnnConfig

OWN_CNN = "capnet"
"""Face backbone that stands for the paper's CNN, trained on crops as stage 1."""
STEP_S = 1 / 3
"""Seconds between two faces of a window: 10 frames at 30 a second."""
FILL_S = 0.3
"""Age up to which an earlier face fills a gap: 9 frames at 30 a second."""


@dataclass(frozen=True, slots=True)
class CapnetTraining(ClipTraining):
    """Three stages: the companion FER-Tuned, the LSTM, the dense layers alone.

    ``epochs`` and ``learning_rate`` are stage 2's: LSTM and dense layers on frozen
    features. ``patience`` and ``schedule`` hold for each stage. Sound is not heard.
    """

    epochs: int = 10
    weight_decay: float = 0.0
    seed: int = 1
    face_backbone: str = "ours"
    """Frozen face features; ``capnet`` trains the paper's CNN on crops first."""
    tuned_epochs: int = 12
    """Passes of stage 1: FER-Tuned."""
    tuned_learning_rate: float = 2e-2
    """Highest learning rate of stage 1."""
    head_epochs: int = 2
    """Passes of stage 3: the dense layers, the LSTM frozen."""
    head_learning_rate: float = 3e-4
    """Highest learning rate of stage 3."""
    window_s: float = 2.0
    """Seconds of past faces: 1, 2 or 3 in the paper, 3 faces each."""
    horizon_s: float = STEP_S
    """Age of the newest face at the estimated time, in seconds: 1/3 in the paper."""
    hidden: int = 256
    """LSTM units, and width of the dense layer after it."""
    dropout: float = 0.2
    """Share dropped of the LSTM's input and of its output."""
    cnn: CnnConfig = field(default_factory=CnnConfig)
    """The network of ``face_backbone = capnet``; else not used."""

    def __post_init__(self) -> None:
        """Check what the windows depend on.

        Raises:
            ConfigError: The window holds no face, or the horizon lies in the past.
        """
        if self.faces < 1:
            raise ConfigError(
                f"window_s: got {self.window_s}, expected 1/3 s or more: "
                "one face for each third of a second"
            )
        if self.horizon_s < 0:
            raise ConfigError(f"horizon_s: got {self.horizon_s}, expected 0 or more")

    @property
    def faces(self) -> int:
        """Faces in a window."""
        return round(self.window_s / STEP_S)

    @property
    def ago_s(self) -> tuple[float, ...]:
        """Age of each face of a window, oldest first, in seconds."""
        return past_times(self.faces, STEP_S, self.horizon_s)


PRESETS = {
    "small": CapnetTraining(),
    "paper": CapnetTraining(
        epochs=30,
        hop=1,
        learning_rate=1e-5,
        schedule="constant",
        average=0.0,
        face_backbone=OWN_CNN,
        tuned_epochs=30,
        tuned_learning_rate=1e-5,
        head_epochs=30,
        head_learning_rate=1e-5,
    ),
}
