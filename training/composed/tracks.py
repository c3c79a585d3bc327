"""Voice tracks: utterances that partly agree with a face, embedded once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import VOICE_EMOTIONS
from edge_affect.types import SAMPLE_RATE_HZ
from training.composed.compose import CELL_HZ, class_sequence, segments
from training.engine.cache import Arrays
from training.engine.progress import progress
from training.models.face import FACE_EXPRESSIONS
from training.models.voice import VoiceNet
from training.recipes.voice import Spoken, run_voice
from training.sound import SoundConfig, change_speech

VOICE_PARTNERS = {
    "neutral": ("neutral", "boredom"),
    "anger": ("anger",),
    "disgust": ("disgust",),
    "fear": ("fear",),
    "happiness": ("happiness",),
    "sadness": ("sadness",),
}
"""Expression → voice emotions that agree; surprise and contempt have none."""
AGREEMENT = 0.7
"""Share of segments whose voice agrees with the face, where it can."""


def partner(label: int, random: np.random.Generator) -> int:
    """Draw the voice emotion beside a face of class ``label``.

    A class without a partner hears any emotion, so that hearing one tells nothing
    about whether the face has a partner.
    """
    names = VOICE_PARTNERS.get(FACE_EXPRESSIONS[label], ())
    if names and random.random() < AGREEMENT:
        return VOICE_EMOTIONS.index(names[int(random.integers(len(names)))])
    return int(random.integers(len(VOICE_EMOTIONS)))


def embed_tracks(
    net: VoiceNet,
    spoken: list[Spoken],
    prior: NDArray[np.float64],
    seeds: range,
    cells: int,
) -> Arrays:
    """Draw a class sequence for each seed and embed a voice track for it.

    Args:
        net: The frozen voice network.
        spoken: Utterances to draw from.
        prior: ``(K,)`` share of each expression.
        seeds: One for each track.
        cells: Length of a track.

    Returns:
        ``classes (N, cells)`` and ``voices (N, hops, E)``.
    """
    classes, voices = [], []
    for seed in progress(seeds, "voices embedded"):
        random = np.random.default_rng(seed)
        drawn = class_sequence(cells, prior, random)
        track = voice_track(drawn, spoken, random)
        classes.append(drawn)
        voices.append(run_voice(net, track).embedding[0].numpy())
    return {"classes": np.stack(classes), "voices": np.stack(voices)}


def voice_track(
    classes: NDArray[np.int64], spoken: list[Spoken], random: np.random.Generator
) -> NDArray[np.float32]:
    """Speak to ``(T,)`` classes, pauses between, over noise; ``(samples,)``."""
    track = np.zeros(len(classes) * SAMPLE_RATE_HZ // CELL_HZ, np.float32)
    for start, stop in segments(classes):
        emotion = partner(int(classes[start]), random)
        able = [s.sound for s in spoken if s.emotion == emotion]
        at = start * SAMPLE_RATE_HZ // CELL_HZ + int(random.integers(0, 8000))
        end = stop * SAMPLE_RATE_HZ // CELL_HZ
        while at < end and able:
            sound = able[int(random.integers(len(able)))][: end - at]
            track[at : at + len(sound)] = sound
            at += len(sound) + int(random.integers(3000, 16000))
    return change_speech(track, SoundConfig(), random)
