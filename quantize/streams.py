"""Endless streams of training material, step by step as a device would meet them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.sensing.logmel import LogMel, logmel
from quantize.sides import Values
from training.models.voice import HOP_COLUMNS

CELL_HZ = 30
"""Cells of the affect graph a second."""
HOP_CELLS = 3
"""Cells for which a voice hop is the newest."""
VOICE_LAG_S = 0.1
"""Age of a voice hop when a cell first uses it."""
PAUSE_HOPS = 10
"""Longest silence between two utterances, hops."""
HELD_CELLS = (30, 120)
"""Shortest and longest time that one face is shown, cells."""
# What gets lost on the way is as frequent and as long as in the recipe "affect".
LOSSES_PER_S = 0.15
"""How often either modality is lost for a while."""
LOST_S = (0.1, 2.0)
"""Shortest and longest such while."""
DROP_SHARE = 0.05
"""Share of single faces lost on top."""
STALE_S = 0.5
"""Age from which a face is masked."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Material:
    """What a graph's stream is made of, and what it meets when nothing is there."""

    stream: Iterator[Values]
    """Endless inputs of one step each."""
    nothing: Values
    """Inputs of a step of silence, or without any face and voice."""


def voice_material(clips: Floats, seed: int) -> Material:
    """Return utterances in random order with pauses between.

    Args:
        clips: ``(N, columns, 64)`` log-mel of utterances, whole hops.
        seed: Of the order and the pauses.
    """
    quiet = logmel(np.zeros(LogMel().block_samples, np.float32))
    silence = {"mel": quiet[None]}
    return Material(_voice_steps(clips, silence, seed), silence)


def _voice_steps(clips: Floats, silence: Values, seed: int) -> Iterator[Values]:
    random = np.random.default_rng(seed)
    while True:
        for row in random.permutation(len(clips)):
            for start in range(0, clips.shape[1], HOP_COLUMNS):
                yield {"mel": clips[row : row + 1, start : start + HOP_COLUMNS].copy()}
            yield from itertools.repeat(silence, int(random.integers(PAUSE_HOPS + 1)))


def affect_material(faces: Floats, voices: Floats, seed: int) -> Material:
    """Return faces, each held for a while, beside voices that go on hop by hop.

    Either is lost and comes back, on its own.

    Args:
        faces: ``(pictures, E)`` embeddings.
        voices: ``(hops, E)`` embeddings in their order in time.
        seed: Of the order and of what is lost.
    """
    nothing = {
        "face_embedding": np.zeros((1, faces.shape[1]), np.float32),
        "voice_embedding": np.zeros((1, voices.shape[1]), np.float32),
        **{
            name: np.zeros((1, 1), np.float32)
            for name in ("face_valid", "voice_valid", "face_age", "voice_age")
        },
    }
    return Material(_affect_steps(faces, voices, nothing, seed), nothing)


def _affect_steps(
    faces: Floats, voices: Floats, nothing: Values, seed: int
) -> Iterator[Values]:
    random = np.random.default_rng(seed)
    seen = _seen(faces, random)
    heard = _heard(voices, random)
    for face, voice in zip(seen, heard, strict=True):
        step = dict(nothing)
        for name, arrived in (("face", face), ("voice", voice)):
            if arrived is not None:
                step[f"{name}_embedding"], age_s = arrived
                step[f"{name}_valid"] = np.ones((1, 1), np.float32)
                step[f"{name}_age"] = np.full((1, 1), age_s, np.float32)
        yield step


_Arrived = tuple[Floats, float] | None
"""An embedding ``(1, E)`` and its age in seconds, or nothing that may be used."""


def _seen(faces: Floats, random: np.random.Generator) -> Iterator[_Arrived]:
    lost = _losses(random)
    newest, age_s = faces[:1], STALE_S
    while True:
        shown = faces[int(random.integers(len(faces)))][None]
        for _ in range(int(random.integers(*HELD_CELLS))):
            age_s += 1 / CELL_HZ
            if not next(lost) and random.random() >= DROP_SHARE:
                newest, age_s = shown, 0.0
            yield (newest, age_s) if age_s < STALE_S else None


def _heard(voices: Floats, random: np.random.Generator) -> Iterator[_Arrived]:
    lost = _losses(random)
    for row in itertools.cycle(range(len(voices))):
        for cell in range(HOP_CELLS):
            age_s = VOICE_LAG_S + (cell + 0.5) / CELL_HZ
            yield None if next(lost) else (voices[row : row + 1], age_s)


def _losses(random: np.random.Generator) -> Iterator[bool]:
    """Yield for one cell after the other whether it lies in a loss."""
    while True:
        between_s = random.exponential(1 / LOSSES_PER_S)
        yield from itertools.repeat(False, int(between_s * CELL_HZ))
        yield from itertools.repeat(True, int(random.uniform(*LOST_S) * CELL_HZ))
