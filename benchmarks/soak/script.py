"""Scripts of a device that misbehaves: what happens when, from one seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np

from edge_affect.clock import NS_PER_MS, NS_PER_S

CHUNK_NS = 100 * NS_PER_MS
FRAME_RATES = (5.0, 10.0, 15.0, 23.976, 25.0, 29.97, 30.0, 50.0, 60.0)
"""Cameras that scripts may have; each keeps its rate for a drive."""
USUAL_RATE, USUAL_SHARE = 30.0, 0.6
"""The camera that most drives have, and how many of them."""
EPISODES_PER_DRIVE = 16
CALM_NS = (2 * NS_PER_S, 4 * NS_PER_S)
"""Time without a fault between two episodes, from and to."""
RECOVERY_NS = 11 * NS_PER_S
"""The same after a model that was too slow."""
PAIR_SHARE = 0.4
"""Share of episodes in which camera, sound and model fail independently together."""


class Do(str, Enum):
    """What a script lets happen."""

    FRAME = "frame"
    FREEZE = "freeze"
    SWAP = "swap"
    DARK = "dark"
    FLASH = "flash"
    TORN = "torn"
    DROP = "drop"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    SKIP = "skip"
    UNPLUG = "unplug"
    REPLUG = "replug"
    SUSPEND = "suspend"
    SOUND = "sound"
    SILENCE = "silence"
    DC = "dc"
    CLIP = "clip"
    OVERFLOW = "overflow"
    NOT_A_NUMBER = "not_a_number"
    MIC_UNPLUG = "mic_unplug"
    MIC_REPLUG = "mic_replug"
    MODEL_SLOW = "model_slow"
    MODEL_HANG = "model_hang"
    MODEL_HEAT = "model_heat"
    MODEL_NAN = "model_nan"
    MODEL_RAISE = "model_raise"
    MODEL_WELL = "model_well"
    CONSUMER_STALL = "consumer_stall"
    CONSUMER_READ = "consumer_read"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens."""

    t_ns: int
    """When, from the start; a frame or a chunk reaches us then."""
    do: Do
    value: int = 0
    """What goes with it: frames skipped, ns of a suspension, times slower."""


_FRAME_FAULTS = (
    *(Do.FREEZE, Do.SWAP, Do.DARK, Do.FLASH, Do.TORN, Do.DROP, Do.DUPLICATE),
    *(Do.REORDER, Do.SKIP, Do.UNPLUG, Do.SUSPEND),
)
_SOUND_FAULTS = (
    *(Do.SILENCE, Do.DC, Do.CLIP, Do.OVERFLOW, Do.NOT_A_NUMBER, Do.MIC_UNPLUG),
)
_MODEL_FAULTS = (
    *(Do.MODEL_SLOW, Do.MODEL_HANG, Do.MODEL_HEAT, Do.MODEL_NAN, Do.MODEL_RAISE),
    Do.CONSUMER_STALL,
)
_ONCE = (Do.FLASH, Do.TORN, Do.DROP, Do.DUPLICATE, Do.REORDER, Do.SKIP)
"""Faults of single frames: the camera goes on in between."""


def make_script(seed: int, frames: int) -> Iterator[Event]:
    """Yield events in order until ``frames`` frames have come, and a calm end.

    A longer script of the same seed begins with the shorter one's episodes.
    """
    random = np.random.default_rng(seed)
    drive = _Drive(random, 30.0, 0)
    t_ns, seen, episode = 0, 0, 0
    while seen < frames:
        if episode % EPISODES_PER_DRIVE == 0:
            usual = random.random() < USUAL_SHARE
            fps = USUAL_RATE if usual else float(random.choice(FRAME_RATES))
            drive = _Drive(random, fps, t_ns)
        episode += 1
        events, t_ns = drive.episode(t_ns)
        seen += sum(event.do in _PICTURES for event in events)
        yield from events


_PICTURES = frozenset(
    (Do.FRAME, Do.FREEZE, Do.SWAP, Do.DARK, Do.FLASH, Do.TORN, Do.REORDER, Do.SKIP)
)
"""Events that deliver a frame which was not delivered before."""


class _Drive:
    """One camera of one rate: makes its episodes."""

    def __init__(self, random: np.random.Generator, fps: float, start_ns: int) -> None:
        self._random = random
        self._period_ns = round(NS_PER_S / fps)
        self._jitter_ns = int(random.choice([0, 2 * NS_PER_MS, self._period_ns // 3]))
        self._next_frame_ns = start_ns + self._period_ns
        self._next_chunk_ns = start_ns + CHUNK_NS

    def episode(self, t_ns: int) -> tuple[list[Event], int]:
        """Return the events from ``t_ns`` on, and when the next episode begins."""
        random = self._random
        kinds = _draw_faults(random)
        calm_ns = int(random.integers(*CALM_NS))
        if {Do.MODEL_SLOW, Do.MODEL_HEAT, Do.MODEL_HANG} & set(kinds):
            calm_ns = RECOVERY_NS
        longest_ns = max(map(self._length_ns, kinds))
        fault = (t_ns, t_ns + longest_ns)
        end_ns = fault[1] + calm_ns
        events: list[Event] = []
        for kind in kinds:
            if kind in _MODEL_FAULTS:
                events += _model_fault(random, kind, *fault)
        frame_fault = next((k for k in kinds if k in _FRAME_FAULTS), None)
        sound_fault = next((k for k in kinds if k in _SOUND_FAULTS), None)
        events += self._frames(frame_fault, fault, end_ns)
        events += self._sound(sound_fault, fault, end_ns)
        events.sort(key=lambda event: event.t_ns)
        if frame_fault is Do.SUSPEND:
            events, end_ns = self._suspended(events, fault[1], end_ns)
        return events, end_ns

    def _length_ns(self, kind: Do) -> int:
        """Return how long a fault lasts: at least twelve frames if it is of frames."""
        seconds = float(self._random.uniform(0.5, 3.0))
        if kind is Do.MODEL_SLOW:
            seconds = float(self._random.uniform(2.0, 3.0))
        elif kind is Do.CONSUMER_STALL:
            seconds = float(self._random.uniform(5.0, 12.0))
        least_ns = 12 * self._period_ns if kind in _FRAME_FAULTS else 0
        return max(round(seconds * NS_PER_S), least_ns)

    def _frames(
        self, fault: Do | None, span: tuple[int, int], end_ns: int
    ) -> list[Event]:
        events: list[Event] = []
        if fault is Do.UNPLUG:
            events += [Event(span[0], Do.UNPLUG), Event(span[1], Do.REPLUG)]
        while self._next_frame_ns < end_ns:
            regular_ns = self._next_frame_ns
            self._next_frame_ns += self._period_ns
            shift_ns = 0
            if self._jitter_ns:
                shift_ns = int(self._random.integers(0, self._jitter_ns))
            t_ns = regular_ns + shift_ns
            if not span[0] <= t_ns <= span[1] or fault in (None, Do.SUSPEND):
                events.append(Event(t_ns, Do.FRAME))
            elif fault is not Do.UNPLUG:
                events.append(self._bad_frame(fault, t_ns))
        return events

    def _bad_frame(self, fault: Do | None, t_ns: int) -> Event:
        if fault in _ONCE and self._random.random() < 0.6:
            return Event(t_ns, Do.FRAME)
        value = int(self._random.integers(1, 30)) if fault is Do.SKIP else 0
        return Event(t_ns, fault or Do.FRAME, value)

    def _sound(
        self, fault: Do | None, span: tuple[int, int], end_ns: int
    ) -> list[Event]:
        events: list[Event] = []
        if fault is Do.MIC_UNPLUG:
            events += [Event(span[0], Do.MIC_UNPLUG), Event(span[1], Do.MIC_REPLUG)]
        while self._next_chunk_ns < end_ns:
            t_ns = self._next_chunk_ns
            self._next_chunk_ns += CHUNK_NS
            bad = fault is not None and span[0] <= t_ns <= span[1]
            if not bad:
                events.append(Event(t_ns, Do.SOUND))
            elif fault in (Do.OVERFLOW, Do.NOT_A_NUMBER):
                kind = fault if self._random.random() < 0.3 else Do.SOUND
                events.append(Event(t_ns, kind or Do.SOUND))
            elif fault is not None and fault is not Do.MIC_UNPLUG:
                events.append(Event(t_ns, fault))
        return events

    def _suspended(
        self, events: list[Event], at_ns: int, end_ns: int
    ) -> tuple[list[Event], int]:
        """Put a suspension in: all that comes after it is later by its length."""
        gap_ns = int(self._random.integers(2, 601)) * NS_PER_S
        before = [event for event in events if event.t_ns <= at_ns]
        after = [
            Event(event.t_ns + gap_ns, event.do, event.value)
            for event in events
            if event.t_ns > at_ns
        ]
        self._next_frame_ns += gap_ns
        self._next_chunk_ns += gap_ns
        events = [*before, Event(at_ns, Do.SUSPEND, gap_ns), *after]
        return events, end_ns + gap_ns


def _draw_faults(random: np.random.Generator) -> list[Do]:
    groups = (_FRAME_FAULTS, _SOUND_FAULTS, _MODEL_FAULTS)
    drawn = [group[int(random.integers(len(group)))] for group in groups]
    if random.random() < PAIR_SHARE:
        together = [kind for kind in drawn if random.random() < 0.6]
        if together:
            return together
    return [drawn[int(random.choice(3, p=[0.6, 0.25, 0.15]))]]


def _model_fault(
    random: np.random.Generator, kind: Do, start_ns: int, end_ns: int
) -> list[Event]:
    if kind is Do.CONSUMER_STALL:
        return [Event(start_ns, kind), Event(end_ns, Do.CONSUMER_READ)]
    value = 0
    if kind is Do.MODEL_HANG:
        value = int((end_ns - start_ns) * random.uniform(0.2, 0.8))
    elif kind in _TIMES_SLOWER:
        value = int(random.integers(*_TIMES_SLOWER[kind]))
    return [Event(start_ns, kind, value), Event(end_ns, Do.MODEL_WELL)]


_TIMES_SLOWER = {Do.MODEL_SLOW: (6, 20), Do.MODEL_HEAT: (3, 12)}
