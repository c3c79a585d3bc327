"""Affect as events: what moves a driver, and where it moves the face.

Valence, arousal and the action units are the sum of critically damped second-order
responses to events. An event is one of the kinds below, with a rise time of its own
and one of the kind's patterns of action units, so that neither the units follow from
valence and arousal nor these from the units.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import ACTION_UNITS
from edge_affect.sources.simulated.identity import Habits

SLOT_S = 10.0
"""Length of the slots of time whose events are drawn independently."""
_RISE_S = (0.3, 2.0)
"""Bounds of an event's rise time, 10–90 %."""
_RISE_PER_TAU = 3.36
"""Rise time of a critically damped step in units of its time constant."""
_SETTLED_TAU = 12.0
"""Time constants after which a response counts as finished: at most 7.2 s, so that
slot k needs the events of slots k - 1 and k, and the last of slot k - 2."""
_AT_REST = 0.3
"""Probability that an event leads back to rest."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of event."""

    expression: str
    """Expression that it shows, of ``labels.EXPRESSIONS``."""
    valence: float
    """Where a full event of the kind leads."""
    arousal: float
    """Where a full event of the kind leads."""
    weight: float
    """How often it comes, relative to the others."""
    patterns: tuple[str, ...]
    """Ways in which it shows: action units and their activations in percent."""


REST = Kind("neutral", 0.0, 0.0, 0.0, ("", "", "24:15"))
KINDS = (
    REST,
    Kind(
        *("happiness", 0.72, 0.4, 3.0),
        ("6:80 12:100 25:50", "12:95", "6:90 7:40 12:100 25:90 26:45"),
    ),
    Kind(
        *("anger", -0.62, 0.6, 2.0),
        ("4:100 7:60 23:80", "4:90 7:50 24:90", "4:85 10:50 25:60 26:20"),
    ),
    Kind(
        *("disgust", -0.65, 0.25, 1.3),
        ("10:100 4:50 7:40", "10:90 6:40 25:30", "4:60 10:75 15:50"),
    ),
    Kind(
        *("fear", -0.5, 0.75, 1.3),
        ("1:90 2:50 4:70 25:50", "1:85 2:80 4:50 25:80 26:60", "1:75 4:80 7:50"),
    ),
    Kind(
        *("sadness", -0.65, -0.4, 1.6),
        ("1:90 4:60 15:80", "15:95 1:40", "1:75 4:40 15:45 24:40"),
    ),
    Kind(
        *("surprise", 0.15, 0.8, 1.8),
        ("1:100 2:100 25:90 26:80", "1:85 2:90", "1:60 2:80 25:60 26:30"),
    ),
    # Effort, boredom and content: expressions without a name of their own.
    Kind("other", -0.2, 0.4, 1.0, ("4:60 24:55", "7:60 23:60", "4:45 7:60")),
    Kind("other", -0.3, -0.6, 1.0, ("15:30", "2:40", "")),
    Kind("other", 0.5, -0.35, 1.2, ("12:45", "6:30 12:35", "")),
)
REST_INDEX = 0


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one person."""

    t_s: float
    """When it comes, from the start of the script."""
    rise_s: float
    """Rise time of the response, 10–90 %."""
    kind: int
    """Index into ``KINDS``."""
    targets: NDArray[np.float64]
    """``(14,)`` valence, arousal and the action units that it leads to."""
    delays_s: NDArray[np.float64]
    """``(14,)`` how much later each of them starts."""


def rest_event(habits: Habits) -> Event:
    """Return the state of a person whom nothing has moved yet."""
    targets = np.array([habits.rest_valence, habits.rest_arousal, *habits.au_offset])
    return Event(-3 * SLOT_S, 1.0, REST_INDEX, targets, np.zeros(len(targets)))


def plan_slot(seed: tuple[int, int], slot: int, habits: Habits) -> list[Event]:
    """Draw the events of one slot; at least two, in order.

    Args:
        seed: Script's seed and the number of a random stream.
        slot: Number of the slot; below 0 nothing has happened yet.
        habits: Of the person.
    """
    if slot < 0:
        return [rest_event(habits)]
    random = np.random.default_rng([*seed, slot])
    count = int(random.integers(2, 5))
    shares = (np.arange(count) + random.uniform(0.1, 0.9, count)) / count
    return [_draw_event(random, SLOT_S * (slot + share), habits) for share in shares]


def respond(
    events: list[Event], t_s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the response to ``events`` and the kind that rules at each instant.

    Args:
        events: In order; the first is taken as finished.
        t_s: ``(T,)`` instants from the start of the script.

    Returns:
        ``(T, 14)`` valence, arousal and action units, and ``(T,)`` indices of KINDS.
    """
    value = np.repeat(events[0].targets[None], len(t_s), axis=0)
    shares = [np.ones(len(t_s))]
    for before, event in pairwise(events):
        since = t_s[:, None] - event.t_s - event.delays_s
        value += (event.targets - before.targets) * _step(since, event.rise_s)
        shares.append(_step(t_s - event.t_s, event.rise_s))
    # An event rules as far as it has risen and the next has not.
    share = np.array(shares)
    share[:-1] -= share[1:]
    kinds = np.array([event.kind for event in events])
    return value, kinds[share.argmax(0)]


def _step(since_s: NDArray[np.float64], rise_s: float) -> NDArray[np.float64]:
    """Return the critically damped response to a step at 0."""
    u = np.clip(since_s * (_RISE_PER_TAU / rise_s), 0, _SETTLED_TAU)
    settled = 1 - (1 + _SETTLED_TAU) * np.exp(-_SETTLED_TAU)
    return np.asarray((1 - (1 + u) * np.exp(-u)) / settled, np.float64)


def _draw_event(random: np.random.Generator, t_s: float, habits: Habits) -> Event:
    weights = np.array([kind.weight for kind in KINDS])
    weights[REST_INDEX] = weights.sum() * _AT_REST / (1 - _AT_REST)
    index = int(random.choice(len(KINDS), p=weights / weights.sum()))
    kind = KINDS[index]
    strength = float(random.uniform(0.45, 1.15))
    spread = 0.04 if index == REST_INDEX else 0.1
    noise = random.normal(0, spread, 2)
    valence = habits.rest_valence + strength * kind.valence + noise[0]
    arousal = habits.rest_arousal + strength * kind.arousal + noise[1]
    shown = min(1.0, strength * float(random.lognormal(0, 0.15)))
    pattern = _pattern(kind.patterns[int(random.integers(len(kind.patterns)))])
    units = pattern * shown * np.array(habits.au_gain)
    units = units * random.lognormal(0, 0.15, len(units))
    stray = random.random(len(units)) < 0.06
    units = np.where(stray, np.maximum(units, 0.35 * random.random(len(units))), units)
    units = np.clip(np.array(habits.au_offset) + units, 0, 1)
    targets = np.array([*np.clip([valence, arousal], -1, 1), *units])
    delays = np.array([0.0, 0.0, *random.uniform(0, 0.2, len(units))])
    rise = float(np.exp(random.uniform(*np.log(_RISE_S))))
    return Event(t_s, rise, index, targets, delays)


def _pattern(text: str) -> NDArray[np.float64]:
    units = np.zeros(len(ACTION_UNITS))
    for item in text.split():
        number, percent = item.split(":")
        units[ACTION_UNITS.index(f"AU{number}")] = int(percent) / 100
    return units
