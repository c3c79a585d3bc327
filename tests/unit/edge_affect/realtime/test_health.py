"""Health is a pure function of ages and quality, with limits in milliseconds."""

from __future__ import annotations

import pytest

from edge_affect.clock import NS_PER_MS
from edge_affect.realtime.health import (
    FROZEN,
    NO_FACE,
    NO_FRAMES,
    FaceInput,
    VoiceInput,
    confidence_share,
    face_health,
    voice_health,
)
from edge_affect.types import HealthState


@pytest.mark.parametrize(
    ("age_ms", "state"),
    [
        (0, HealthState.OK),
        (169, HealthState.OK),
        (170, HealthState.STALE),
        (329, HealthState.STALE),
        (330, HealthState.LOST),
    ],
)
def test_health_follows_the_age_alone_whatever_the_frame_rate(
    age_ms: int, state: HealthState
) -> None:
    """Unplugged is stale at 170 ms and lost at 330 ms."""
    age_ns = age_ms * NS_PER_MS
    found, _ = face_health(FaceInput(age_ns, age_ns))
    if state is HealthState.OK:
        assert found in (HealthState.OK, HealthState.DEGRADED)
    else:
        assert found is state
    assert voice_health(VoiceInput(age_ns))[0] is state


def test_health_of_nothing_seen_is_lost() -> None:
    """Before the first frame and the first sound both are lost, with reasons."""
    assert face_health(FaceInput(None, None)) == (HealthState.LOST, (NO_FRAMES,))
    assert voice_health(VoiceInput(None))[0] is HealthState.LOST


def test_face_health_tells_a_missing_face_from_missing_frames() -> None:
    """Fresh frames without a face name the face, not the camera."""
    state, reasons = face_health(FaceInput(0, 400 * NS_PER_MS))
    assert (state, reasons) == (HealthState.LOST, (NO_FACE,))


def test_face_health_never_calls_a_frozen_picture_ok() -> None:
    """A frozen camera is stale however fresh its frames claim to be."""
    state, reasons = face_health(FaceInput(0, 0, (FROZEN,)))
    assert (state, reasons) == (HealthState.STALE, (FROZEN,))


def test_face_health_degrades_a_dark_picture() -> None:
    """A face found in the dark is used, and flagged."""
    assert face_health(FaceInput(0, 0, ("dark",)))[0] is HealthState.DEGRADED


def test_voice_health_degrades_a_hop_that_was_not_computed_in_time() -> None:
    """A late hop is named; it is not the microphone's fault."""
    state, reasons = voice_health(VoiceInput(0, late=True))
    assert (state, reasons) == (HealthState.DEGRADED, ("late_voice",))


def test_confidence_falls_steadily_to_nothing() -> None:
    """Confidence never rises with age and is gone when the face is lost."""
    shares = [confidence_share(age * NS_PER_MS) for age in range(0, 400, 10)]
    assert shares[0] == 1
    assert shares[-1] == 0
    assert shares == sorted(shares, reverse=True)
