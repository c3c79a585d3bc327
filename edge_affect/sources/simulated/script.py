"""The seeded script: everything that happens to a simulated driver, at any time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.clock import NS_PER_S
from edge_affect.labels import ACTION_UNITS
from edge_affect.sources.simulated import motion
from edge_affect.sources.simulated.base import Truth
from edge_affect.sources.simulated.events import (
    KINDS,
    REST_INDEX,
    SLOT_S,
    Event,
    plan_slot,
    respond,
)
from edge_affect.sources.simulated.identity import Identity
from edge_affect.sources.simulated.motion import Utterance

SLOT_NS = int(SLOT_S) * NS_PER_S
_GRID_HZ = 100
_EFFORT, _TREMOR = 52, 53
_AFFECT = 110  # this number gives seed 0, the demo, an eventful first 20 s
_KEPT_SLOTS = 12
_FROM_AROUSAL = 0.67
"""Share of vocal effort that is arousal; its square is the share of the arousal's
variance that a perfect ear could explain."""
_NEUTRAL = 0.2
"""Distance from rest in valence and arousal up to which a face counts as neutral."""

_UNITS = slice(2, 2 + len(ACTION_UNITS))
_CLOSED, _YAW, _PITCH, _ROLL, _OPENING, _VOICE = range(_UNITS.stop, _UNITS.stop + 6)
_COLUMNS = _VOICE + 1


@dataclass(frozen=True, slots=True)
class _Slot:
    """One slot of the script, worked out on a grid of 10 ms."""

    values: NDArray[np.float64]
    """``(T, columns)``; the last row is the first of the next slot."""
    labels: tuple[str, ...]
    """``(T,)`` expression at each row."""
    utterances: tuple[Utterance, ...]


class SeededScript:
    """Draws one person's time; asked in any order, it gives the same answers.

    Safe to share between threads.
    """

    def __init__(self, seed: int, identity: Identity) -> None:
        self._seed = seed
        self._identity = identity
        self._slots: OrderedDict[int, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    def truth_at(self, t_ns: int) -> Truth:
        """Return the state ``t_ns`` after the start; before it, the state there."""
        number, rest_ns = divmod(max(0, t_ns), SLOT_NS)
        slot = self._slot(number)
        place = rest_ns * _GRID_HZ / NS_PER_S
        row = int(place)
        low, high = slot.values[row], slot.values[row + 1]
        value = (low + (place - row) * (high - low)).tolist()
        t_s = t_ns / NS_PER_S
        return Truth(
            valence=value[0],
            arousal=value[1],
            expression=slot.labels[row],
            action_units=dict(zip(ACTION_UNITS, value[_UNITS], strict=True)),
            eyes_closed=value[_CLOSED],
            yaw_deg=value[_YAW],
            pitch_deg=value[_PITCH],
            roll_deg=value[_ROLL],
            speaking=any(one.start_s <= t_s < one.end_s for one in slot.utterances),
            mouth_opening=value[_OPENING],
            vocal_effort=value[_VOICE],
        )

    def utterances(self, slot: int) -> tuple[Utterance, ...]:
        """Return the utterances of slot ``slot`` of 10 s; none crosses its borders."""
        return self._slot(slot).utterances

    def vocal_effort(self, slot: int) -> NDArray[np.float64]:
        """Return ``(1001,)`` vocal effort from the slot's start, every 10 ms."""
        return self._slot(slot).values[:, _VOICE]

    def _slot(self, number: int) -> _Slot:
        with self._lock:
            slot = self._slots.get(number)
            if slot is None:
                slot = self._work_out(number)
                self._slots[number] = slot
                if len(self._slots) > _KEPT_SLOTS:
                    self._slots.popitem(last=False)
            return slot

    def _work_out(self, number: int) -> _Slot:
        rows = round(SLOT_S * _GRID_HZ) + 1
        t_s = SLOT_S * number + np.arange(rows) / _GRID_HZ
        values = np.zeros((rows, _COLUMNS))
        moved, kinds = respond(self._events(_AFFECT, number), t_s)
        values[:, : _UNITS.stop] = moved + self._tremor(t_s)
        np.clip(values[:, :2], -1, 1, out=values[:, :2])
        other, _ = respond(self._events(_EFFORT, number), t_s)
        apart = np.sqrt(1 - _FROM_AROUSAL**2)
        effort = _FROM_AROUSAL * values[:, 1] + apart * other[:, 1]
        values[:, _VOICE] = np.clip(effort, -1, 1)
        seed, identity = self._seed, self._identity

        def effort_at(when_s: float) -> float:
            return float(np.interp(when_s, t_s, values[:, _VOICE]))

        speech = motion.plan_speech(seed, number, identity, effort_at)
        values[:, _OPENING] = motion.mouth_opening(speech, t_s)
        values[:, _CLOSED] = motion.eyes_closed(seed, number, identity, t_s)
        values[:, _YAW : _ROLL + 1] = motion.head_pose(seed, number, identity, t_s)
        _speak(values[:, _UNITS], values[:, _OPENING])
        return _Slot(values, self._labels(values, kinds), tuple(speech))

    def _events(self, stream: int, number: int) -> list[Event]:
        """Return the events that slot ``number`` still shows, the first finished."""
        habits, seed = self._identity.habits, (self._seed, stream)
        finished = plan_slot(seed, number - 2, habits)[-1]
        recent = [plan_slot(seed, slot, habits) for slot in (number - 1, number)]
        return [finished, *recent[0], *recent[1]]

    def _tremor(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the small movements that nothing causes."""
        random = np.random.default_rng([self._seed, _TREMOR])
        pace_hz = random.uniform(0.05, 0.6, (_UNITS.stop, 3))
        phase = random.uniform(0, 2 * np.pi, (_UNITS.stop, 3))
        waves = np.sin(2 * np.pi * pace_hz * t_s[:, None, None] + phase).sum(2)
        return np.asarray(0.014 * waves, np.float64)

    def _labels(
        self, values: NDArray[np.float64], kinds: NDArray[np.intp]
    ) -> tuple[str, ...]:
        habits = self._identity.habits
        rest = np.array([habits.rest_valence, habits.rest_arousal])
        near = np.hypot(*(values[:, :2] - rest).T) < _NEUTRAL
        return tuple(
            "neutral"
            if calm or kind == REST_INDEX
            else _label(int(kind), valence, arousal)
            for calm, kind, valence, arousal in zip(
                near, kinds, values[:, 0], values[:, 1], strict=True
            )
        )


def _label(kind: int, valence: float, arousal: float) -> str:
    """Return the expression's name, or ``other`` where it does not fit the state."""
    expression = KINDS[kind].expression
    fits = {
        "happiness": valence > 0.05,
        "surprise": arousal > 0.1,
        "sadness": valence < -0.05,
        "anger": valence < -0.05 and arousal > -0.1,
        "fear": valence < -0.05 and arousal > -0.1,
        "disgust": valence < -0.05,
    }
    return expression if fits.get(expression, True) else "other"


def _speak(units: NDArray[np.float64], opening: NDArray[np.float64]) -> None:
    """Let speech move the mouth's action units too, and keep all within [0, 1]."""
    for name, by_speech in (("AU25", 2.0), ("AU26", 0.9)):
        unit = units[:, ACTION_UNITS.index(name)]
        np.maximum(unit, np.minimum(by_speech * opening, 1), out=unit)
    for name in ("AU23", "AU24"):
        units[:, ACTION_UNITS.index(name)] *= 1 - opening
    np.clip(units, 0, 1, out=units)
