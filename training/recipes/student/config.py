"""Settings of the three students."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edge_affect.errors import ConfigError
from training.recipes.affect import AffectSettings
from training.recipes.face import FaceTraining
from training.recipes.voice import VoiceTraining


class Distillation(Protocol):
    """What all three have."""

    @property
    def kd_share(self) -> float:
        """Share of the teacher in the loss, in [0, 1]; the labels' is the rest."""

    @property
    def temperature(self) -> float:
        """What both sides' expression logits are divided by."""

    @property
    def sources(self) -> str:
        """Digests of the teacher and of the networks that embed, set by the run."""


def refuse_bad_shares(config: Distillation) -> None:
    """Check what all students share.

    Raises:
        ConfigError: A value is out of range.
    """
    if not 0 <= config.kd_share <= 1:
        raise ConfigError(f"kd_share: got {config.kd_share}, expected 0 to 1")
    if config.temperature <= 0:
        raise ConfigError(f"temperature: got {config.temperature}, expected above 0")


@dataclass(frozen=True, slots=True)
class FaceStudent(FaceTraining):
    """The recipe ``face`` with a teacher beside the votes."""

    kd_share: float = 0.5
    """Share of the teacher in the loss, in [0, 1]."""
    temperature: float = 2.0
    """What both sides' expression logits are divided by."""
    hint_weight: float = 0.0
    """Weight of the squared distance to the teacher's embedding; 0 for none."""
    unlabelled: tuple[str, ...] = ()
    """Picture sets that the teacher alone teaches, of those it has labelled."""
    unlabelled_batch: int = 24
    """Their pictures in a batch."""
    sources: str = ""
    """Digest of the teacher, set by the run."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: A value is out of range.
        """
        refuse_bad_shares(self)
        if self.hint_weight < 0:
            raise ConfigError(
                f"hint_weight: got {self.hint_weight}, expected 0 or more"
            )


@dataclass(frozen=True, slots=True)
class VoiceStudent(VoiceTraining):
    """The recipe ``voice`` with clips that a teacher has labelled beside EmoDB."""

    kd_share: float = 0.3
    """Share of the teacher in the loss, in [0, 1]."""
    temperature: float = 2.0
    """What both sides' expression logits are divided by."""
    clip_batch: int = 16
    """Pieces of labelled clips in a batch."""
    sources: str = ""
    """Digest of the teacher, set by the run."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: A value is out of range.
        """
        refuse_bad_shares(self)


@dataclass(frozen=True, slots=True)
class AffectStudent(AffectSettings):
    """The affect network on clips of Aff-Wild2's layout.

    Clips that are shorter than a sequence are left out.
    """

    epochs: int = 30
    average: float = 0.98
    kd_share: float = 0.5
    """Share of the teacher in the loss, in [0, 1]."""
    temperature: float = 2.0
    """What both sides' expression logits are divided by."""
    sources: str = ""
    """Digests of the teacher and of the networks that embed, set by the run."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: A value is out of range.
        """
        refuse_bad_shares(self)
