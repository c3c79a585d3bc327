"""Family B's affect: family A's process of events, with other faces and other rates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import ACTION_UNITS
from edge_affect.sources.simulated.events import SLOT_S, Event, Kind, rest_event
from edge_affect.sources.simulated.identity import Habits, Identity
from edge_affect.sources.simulated.script import SeededScript

_RISE_S = (0.3, 2.0)
"""Bounds of an event's rise time, 10–90 %; even between them."""
_AT_REST = 0.22
"""Probability that an event leads back to rest."""
_STRAY = 0.1
"""Probability that a unit moves for no reason."""
_NEUTRAL = 0.18
"""Distance from rest in valence and arousal up to which a face counts as neutral."""

REST = Kind("neutral", 0.0, 0.0, 0.0, ("", "24:10", "1:10"))
KINDS = (
    REST,
    Kind("happiness", 0.62, 0.3, 2.0, ("6:45 12:80", "12:70 25:60 26:20")),
    Kind("happiness", 0.78, 0.62, 1.0, ("6:85 12:90 25:85 26:50", "2:40 12:90 25:70")),
    Kind(
        "anger", -0.55, 0.68, 1.8, ("4:85 24:75", "4:70 7:80 23:60", "4:80 10:60 25:70")
    ),
    Kind(
        "disgust",
        -0.6,
        0.15,
        1.2,
        ("10:85 7:50", "4:40 10:70 15:40", "6:40 10:90 25:40"),
    ),
    Kind("fear", -0.6, 0.62, 1.2, ("1:80 2:40 4:60 25:60", "1:60 4:60 7:60 26:50")),
    Kind("sadness", -0.55, -0.45, 1.8, ("1:70 15:70", "1:80 4:50 24:40", "4:40 15:80")),
    Kind(
        "surprise",
        0.25,
        0.7,
        1.6,
        ("1:80 2:80 26:80 25:70", "2:100 25:40", "1:90 2:60"),
    ),
    # Pain, doubt, tiredness and calm: expressions without a name of their own.
    Kind("other", -0.55, 0.45, 0.8, ("4:60 6:60 7:70 10:40", "6:50 7:80 25:50")),
    Kind("other", -0.3, 0.1, 1.0, ("2:40 24:50", "12:30 24:50", "15:40 23:50")),
    Kind("other", -0.15, -0.65, 1.0, ("7:40", "15:25", "26:25 25:30")),
    Kind("other", 0.45, -0.4, 1.0, ("12:40", "6:25 12:30", "")),
)
_FITS = {
    "happiness": (0.05, -1.0),
    "surprise": (-1.0, 0.1),
}
"""Least valence and arousal at which an event's name still fits the state."""
_WORST = {"anger": -0.05, "disgust": -0.05, "fear": -0.05, "sadness": -0.05}
"""Most valence at which it does."""


class RepertoireScript(SeededScript):
    """Draws one person's time from family B's repertoire."""

    def _events(self, stream: int, number: int) -> list[Event]:
        habits, seed = self._identity.habits, (self._seed, stream)
        finished = plan_slot(seed, number - 2, habits)[-1]
        recent = [plan_slot(seed, slot, habits) for slot in (number - 1, number)]
        return [finished, *recent[0], *recent[1]]

    def _labels(
        self, values: NDArray[np.float64], kinds: NDArray[np.intp]
    ) -> tuple[str, ...]:
        habits = self._identity.habits
        rest = np.array([habits.rest_valence, habits.rest_arousal])
        near = np.hypot(*(values[:, :2] - rest).T) < _NEUTRAL
        return tuple(
            "neutral" if calm or kind == 0 else _label(int(kind), valence, arousal)
            for calm, kind, valence, arousal in zip(
                near, kinds, values[:, 0], values[:, 1], strict=True
            )
        )


def _label(kind: int, valence: float, arousal: float) -> str:
    name = KINDS[kind].expression
    pleasant, lively = _FITS.get(name, (-1.0, -1.0))
    fits = valence >= pleasant and arousal >= lively
    return name if fits and valence <= _WORST.get(name, 1.0) else "other"


def plan_slot(seed: tuple[int, int], slot: int, habits: Habits) -> list[Event]:
    """Draw the events of one slot; at least one, in order.

    Args:
        seed: Script's seed and the number of a random stream.
        slot: Number of the slot; below 0 nothing has happened yet.
        habits: Of the person.
    """
    if slot < 0:
        return [rest_event(habits)]
    random = np.random.default_rng([*seed, slot])
    times = np.sort(random.uniform(0, 1, 1 + int(random.poisson(1.6))))
    return [_draw_event(random, SLOT_S * (slot + share), habits) for share in times]


def _draw_event(random: np.random.Generator, t_s: float, habits: Habits) -> Event:
    weights = np.array([kind.weight for kind in KINDS])
    weights[0] = weights.sum() * _AT_REST / (1 - _AT_REST)
    index = int(random.choice(len(KINDS), p=weights / weights.sum()))
    kind = KINDS[index]
    strength = float(random.triangular(0.3, 0.85, 1.25))
    spread = 0.05 if index == 0 else 0.12
    affect = strength * np.array([kind.valence, kind.arousal])
    affect += np.array([habits.rest_valence, habits.rest_arousal])
    affect += random.normal(0, spread, 2)
    pattern = _pattern(kind.patterns[int(random.integers(len(kind.patterns)))])
    # What is shown rises slower than what is felt, and differs more.
    shown = strength**0.8 * float(random.uniform(0.7, 1.3))
    units = pattern * shown * habits.au_gain * random.uniform(0.75, 1.25, len(pattern))
    stray = random.random(len(units)) < _STRAY
    units = units + stray * random.uniform(0, 0.4, len(units))
    units = np.clip(np.array(habits.au_offset) + units, 0, 1)
    targets = np.concatenate([np.clip(affect, -1, 1), units])
    delays = np.array([0.0, 0.0, *random.uniform(0, 0.3, len(units))])
    return Event(t_s, float(random.uniform(*_RISE_S)), index, targets, delays)


def _pattern(text: str) -> NDArray[np.float64]:
    units = np.zeros(len(ACTION_UNITS))
    for item in text.split():
        number, percent = item.split(":")
        units[ACTION_UNITS.index(f"AU{number}")] = int(percent) / 100
    return units


def draw_habits(identity: Identity, pitch: tuple[float, float]) -> Habits:
    """Draw how a person of family B behaves.

    Args:
        identity: Whose seed it depends on.
        pitch: Bounds of the voice in shares of the family's range.
    """
    random = np.random.default_rng([identity.seed, 95])
    units = len(ACTION_UNITS)
    offset = 0.3 * random.beta(1.0, 3.5, units)
    offset[[ACTION_UNITS.index("AU25"), ACTION_UNITS.index("AU26")]] *= 0.3
    height = float(random.uniform(*pitch))
    return Habits(
        rest_valence=float(random.uniform(-0.15, 0.12)),
        rest_arousal=float(random.uniform(-0.2, 0.08)),
        au_offset=tuple(offset.tolist()),
        au_gain=tuple(random.triangular(0.6, 1.0, 1.3, units).tolist()),
        blinks_per_min=float(random.uniform(6, 30)),
        talkativeness=float(random.uniform(0.4, 0.95)),
        head_motion=float(random.uniform(0.6, 1.5)),
        pitch_hz=85.0 * 2.8**height,
        formant_scale=0.88 + 0.34 * height + float(random.normal(0, 0.02)),
        syllable_hz=float(random.uniform(3.2, 5.2)),
        road_noise=float(random.uniform(0.002, 0.016)),
    )
