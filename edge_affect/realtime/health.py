"""Health of a modality as a pure function of what is known about its input."""

from __future__ import annotations

from dataclasses import dataclass

from edge_affect.clock import NS_PER_MS
from edge_affect.types import HealthState

STALE_NS = 170 * NS_PER_MS
"""Age from which input is too old to fuse."""
LOST_NS = 330 * NS_PER_MS
"""Age from which a modality counts as gone."""
CONFIDENT_NS = 100 * NS_PER_MS
"""Age up to which confidence is not lowered."""

WOKE = "woke"
NO_FRAMES = "no_frames"
NO_FACE = "no_face"
FROZEN = "frozen"
NO_SOUND = "no_sound"
SILENT = "silent"
CLIPPED = "clipped"
LATE_VOICE = "late_voice"
NON_FINITE = "non_finite"
MODEL_FAILED = "model_failed"


@dataclass(frozen=True, slots=True)
class FaceInput:
    """What is known of the face at one instant."""

    frame_age_ns: int | None
    """Since the newest frame's capture; None before the first."""
    face_age_ns: int | None
    """Since the newest frame with a face; None before the first."""
    quality: tuple[str, ...] = ()
    """Reason codes of the newest frame's quality checks."""


@dataclass(frozen=True, slots=True)
class VoiceInput:
    """What is known of the sound at one instant."""

    age_ns: int | None
    """Since the newest sound that should have been there; None before the first."""
    late: bool = False
    """Whether the hop that the step needs was not computed yet."""
    flat: bool = False
    """Whether every sample of the hop is the same: no microphone sounds like that."""
    clipped: bool = False
    """Whether the hop was too loud for the microphone, which bends what it heard."""


def _by_age(age_ns: int | None) -> HealthState:
    if age_ns is None or age_ns >= LOST_NS:
        return HealthState.LOST
    return HealthState.STALE if age_ns >= STALE_NS else HealthState.OK


def face_health(face: FaceInput) -> tuple[HealthState, tuple[str, ...]]:
    """Return the face's state and the reasons for it."""
    state = _by_age(face.face_age_ns)
    reasons = list(face.quality)
    if _by_age(face.frame_age_ns) is not HealthState.OK:
        reasons.append(NO_FRAMES)
    elif face.face_age_ns != face.frame_age_ns and FROZEN not in reasons:
        reasons.append(NO_FACE)
    if FROZEN in reasons and state is not HealthState.LOST:
        return HealthState.STALE, tuple(reasons)
    if reasons and state is HealthState.OK:
        return HealthState.DEGRADED, tuple(reasons)
    return state, tuple(reasons)


def voice_health(voice: VoiceInput) -> tuple[HealthState, tuple[str, ...]]:
    """Return the voice's state and the reasons for it."""
    state = _by_age(voice.age_ns)
    if state is not HealthState.OK:
        return state, (NO_SOUND,)
    if voice.flat:
        return HealthState.STALE, (SILENT,)
    if voice.late:
        return HealthState.DEGRADED, (LATE_VOICE,)
    if voice.clipped:
        return HealthState.DEGRADED, (CLIPPED,)
    return state, ()


def fusable(state: HealthState) -> bool:
    """Return whether input in ``state`` may enter the affect graph."""
    return state in (HealthState.OK, HealthState.DEGRADED)


def confidence_share(age_ns: int) -> float:
    """Return the share of confidence left at ``age_ns``: 1 when fresh, 0 when lost."""
    return min(1.0, max(0.0, (LOST_NS - age_ns) / (LOST_NS - CONFIDENT_NS)))
