"""What a driver does whatever the affect: speaking, blinking, moving the head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.events import SLOT_S
from edge_affect.sources.simulated.identity import Identity

_SPEECH, _BLINKS, _WANDER, _GLANCES = 41, 42, 43, 44
_MARGIN_S = 0.3
"""Nothing here crosses the border of a slot, so that each slot stands alone."""
_FASTER = 0.3
"""How much full vocal effort quickens speech."""
_OPENNESS = (0.85, 0.5, 0.22, 0.55, 0.25)
"""How far the vowels a, e, i, o, u open the mouth."""
_AWAY = 0.05
"""Probability of looking well away in a slot."""

Curve = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Syllable:
    """One syllable of an utterance."""

    t_s: float
    """When its vowel starts, from the start of the script."""
    duration_s: float
    """How long the vowel lasts."""
    vowel: int
    """Number of the vowel: a, e, i, o, u."""
    stress: float
    """Loudness and opening relative to a full vowel, in (0, 1]."""
    consonant: int
    """What comes before it: 0 nothing, 1 a hiss, 2 a burst."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of speech within one slot."""

    start_s: float
    """From the start of the script."""
    end_s: float
    """From the start of the script."""
    syllables: tuple[Syllable, ...]
    """At least one, in order."""


def plan_speech(
    seed: int, slot: int, identity: Identity, effort_at: Callable[[float], float]
) -> list[Utterance]:
    """Draw the utterances of a slot, at most one in each half.

    Args:
        seed: Of the script.
        slot: Number of the slot.
        identity: Of the speaker.
        effort_at: Vocal effort in [-1, 1] at an instant of the script, s.
    """
    random = np.random.default_rng([seed, _SPEECH, slot])
    utterances = []
    for half in range(2):
        first = SLOT_S * (slot + half / 2) + _MARGIN_S
        length = random.uniform(1.2, SLOT_S / 2 - 2 * _MARGIN_S)
        start = first + random.uniform(0, SLOT_S / 2 - 2 * _MARGIN_S - length)
        speaks = random.random() < identity.habits.talkativeness
        drawn = _draw_utterance(random, start, start + length, identity, effort_at)
        if speaks:
            utterances.append(drawn)
    return utterances


def _draw_utterance(
    random: np.random.Generator,
    start_s: float,
    end_s: float,
    identity: Identity,
    effort_at: Callable[[float], float],
) -> Utterance:
    syllables = []
    t_s = start_s + 0.06
    while t_s < end_s - 0.3:
        pace = identity.habits.syllable_hz * (1 + _FASTER * effort_at(t_s))
        length = float(random.uniform(0.75, 1.3) / pace)
        syllables.append(
            Syllable(
                t_s,
                0.72 * length,
                int(random.integers(len(_OPENNESS))),
                float(random.uniform(0.55, 1.0)),
                int(random.choice(3, p=[0.4, 0.35, 0.25])),
            )
        )
        # Now and then a breath between phrases.
        t_s += length + (
            float(random.uniform(0.15, 0.4)) if random.random() < 0.09 else 0
        )
    return Utterance(start_s, end_s, tuple(syllables))


def mouth_opening(utterances: list[Utterance], t_s: Curve) -> Curve:
    """Return ``(T,)`` how far speech opens the mouth, in [0, 1]."""
    opening = np.zeros(len(t_s))
    for utterance in utterances:
        for one in utterance.syllables:
            phase = (t_s - one.t_s + 0.25 * one.duration_s) / (1.6 * one.duration_s)
            shape = np.sin(np.pi * np.clip(phase, 0, 1)) ** 2
            np.maximum(opening, one.stress * _OPENNESS[one.vowel] * shape, out=opening)
    return opening


def eyes_closed(seed: int, slot: int, identity: Identity, t_s: Curve) -> Curve:
    """Return ``(T,)`` closure of the eyes by the blinks of a slot, in [0, 1]."""
    random = np.random.default_rng([seed, _BLINKS, slot])
    closed = np.zeros(len(t_s))
    at = SLOT_S * slot + _MARGIN_S
    while True:
        at += 0.5 + float(random.exponential(60 / identity.habits.blinks_per_min - 0.5))
        held = float(random.uniform(0.02, 0.12))
        if at > SLOT_S * (slot + 1) - 0.6:
            return closed
        close = np.clip((t_s - at) / 0.07, 0, 1)
        reopen = np.clip((t_s - at - 0.07 - held) / 0.16, 0, 1)
        shut = close * close * (3 - 2 * close) - reopen * reopen * (3 - 2 * reopen)
        np.maximum(closed, shut, out=closed)


def head_pose(seed: int, slot: int, identity: Identity, t_s: Curve) -> Curve:
    """Return ``(T, 3)`` yaw, pitch and roll relative to the camera, degrees."""
    random = np.random.default_rng([seed, _WANDER])
    size = np.array([2.6, 1.5, 1.2]) * identity.habits.head_motion
    pace_hz = random.uniform(0.02, 0.28, (3, 4))
    phase = random.uniform(0, 2 * np.pi, (3, 4))
    waves = np.sin(2 * np.pi * pace_hz * t_s[:, None, None] + phase)
    pose = size * (waves * np.array([1, 0.8, 0.6, 0.45])).sum(2)
    pose += [identity.camera.yaw_deg, identity.camera.pitch_deg, 0]
    random = np.random.default_rng([seed, _GLANCES, slot])
    glances = int(random.integers(0, 3))
    for share in np.arange(glances) / max(1, glances):
        yaw = float(random.uniform(9, 17) * random.choice([-1, 1]))
        drop = float(random.uniform(-6, 3))
        pose += _glance(random, SLOT_S * (slot + share), t_s) * [yaw, drop, 0.12 * yaw]
    if random.random() < _AWAY and glances == 0:
        yaw = float(random.uniform(32, 50) * random.choice([-1, 1]))
        pose += _glance(random, SLOT_S * slot, t_s) * [yaw, -4.0, 0.1 * yaw]
    return np.asarray(pose, np.float64)


def _glance(random: np.random.Generator, first_s: float, t_s: Curve) -> Curve:
    """Return ``(T, 1)`` a movement there and back within 5 s of ``first_s``."""
    turn, hold = random.uniform(0.25, 0.45), random.uniform(0.4, 1.4)
    start = first_s + _MARGIN_S + random.uniform(0, 4.4 - 2 * turn - hold)
    go = np.clip((t_s - start) / turn, 0, 1)
    back = np.clip((t_s - start - turn - hold) / turn, 0, 1)
    there = go * go * (3 - 2 * go) - back * back * (3 - 2 * back)
    return np.asarray(there[:, None], np.float64)
