"""Names of everything that can be estimated, in Aff-Wild2's order."""

from __future__ import annotations

EXPRESSIONS = (
    "neutral",
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
    "other",
)
"""Aff-Wild2's eight expression classes, in the order of its annotation files."""

EXPRESSION_NAMES = (*EXPRESSIONS, "contempt")
"""Every expression a bundle may estimate: Aff-Wild2's eight and FER+'s contempt."""

ACTION_UNITS = (
    "AU1",
    "AU2",
    "AU4",
    "AU6",
    "AU7",
    "AU10",
    "AU12",
    "AU15",
    "AU23",
    "AU24",
    "AU25",
    "AU26",
)
"""Aff-Wild2's twelve facial action units, in the order of its annotation files."""

DRIVER_SIGNALS = ("eyes_closed", "yawn", "head_away", "perclos")
"""Driver-state signals, each in [0, 1]; ``realtime.driver`` defines them."""

VOICE_EMOTIONS = (
    "neutral",
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "boredom",
)
"""Emotions a voice graph may tell apart (EmoDB's classes)."""

PURPOSES = ("private_vehicle", "research", "safety_documented", "fleet")
"""What a stream may be for; ``fleet`` runs only bundles without emotion heads."""

TARGETS = ("cpu-fp32", "cpu-int8", "trt-int8", "trt-fp16")
"""What a graph file is made for."""
