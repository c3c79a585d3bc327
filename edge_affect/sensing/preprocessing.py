"""Check that sensing prepares what the graphs of a bundle were trained on."""

from __future__ import annotations

from edge_affect.errors import BundleError
from edge_affect.model.entries import MANIFEST_FILE
from edge_affect.model.manifest import Manifest
from edge_affect.model.preprocessing import (
    FacePreprocessing,
    Preprocessing,
    VoicePreprocessing,
)
from edge_affect.sensing.align import FACE_SIZE_PX, TEMPLATE
from edge_affect.sensing.logmel import BLOCK_COLUMNS, LogMel


def sensed() -> Preprocessing:
    """Return what this version of edge_affect gives to the graphs."""
    logmel = LogMel()
    voice = {name: getattr(logmel, name) for name in VoicePreprocessing.__slots__}
    face = FacePreprocessing(FACE_SIZE_PX, "RGB", (0.0, 255.0), TEMPLATE)
    return Preprocessing(face, VoicePreprocessing(**voice))


def check_preprocessing(manifest: Manifest) -> None:
    """Refuse a bundle whose graphs expect other input than sensing gives.

    Wrong input gives plausible estimates that are wrong, so nothing else would tell.

    Raises:
        BundleError: The message names the key that differs.
    """
    given = sensed()
    for part in ("face", "voice"):
        ours, theirs = getattr(given, part), getattr(manifest.preprocessing, part)
        for name in ours.__slots__:
            _require(
                f"preprocessing.{part}.{name}",
                getattr(theirs, name),
                getattr(ours, name),
            )
    logmel = LogMel()
    hop_ms = BLOCK_COLUMNS * logmel.hop * 1_000 // logmel.rate_hz
    _require("timing.voice_hop_ms", manifest.timing.voice_hop_ms, hop_ms)


def _require(key: str, expected: object, given: object) -> None:
    if expected != given:
        raise BundleError(
            f"{MANIFEST_FILE}.{key}: the graphs expect {expected}, this edge_affect "
            f"gives {given}; install the version that the bundle was made for"
        )
