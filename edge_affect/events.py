"""What changes in a stream: the health of its inputs, and how much service it gives."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from edge_affect.realtime.ladder import RUNGS
from edge_affect.types import Estimate, HealthState

FACE, VOICE, SERVICE = "face", "voice", "service"
EVENTS_LOST = "events_lost"
CAPACITY = 256
"""Events that wait to be taken."""


@dataclass(frozen=True, slots=True)
class Event:
    """One change between two estimates."""

    index: int
    """Cell of the estimate that shows it."""
    t_ms: float
    """Time of that estimate since the stream's start, ms."""
    what: str
    """``face`` or ``voice``: its health; ``service``: the ladder's rung;
    ``events_lost``: nobody took events for too long."""
    before: str
    """Health state or name of the rung; empty for ``events_lost``."""
    after: str
    """Likewise; for ``events_lost`` how many were lost."""
    reasons: tuple[str, ...] = ()
    """Reason codes of the estimate that shows it."""


class EventLog:
    """Finds the changes and keeps them until they are taken; for two threads.

    When full the oldest go, and the first event taken next says how many. A stream
    begins with both inputs ``lost`` and full service.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Event] = deque()
        self._lost = 0
        self._state = {
            FACE: HealthState.LOST.value,
            VOICE: HealthState.LOST.value,
            SERVICE: RUNGS[0].name,
        }

    def see(self, estimate: Estimate) -> None:
        """Compare an estimate with the one before it."""
        health = estimate.health
        now = {
            FACE: health.face.value,
            VOICE: health.voice.value,
            SERVICE: RUNGS[estimate.rung].name,
        }
        if now == self._state:
            return
        for what, after in now.items():
            before = self._state[what]
            if before != after:
                place = estimate.index, estimate.t_ms
                self._add(Event(*place, what, before, after, health.reasons))
        self._state = now

    def _add(self, event: Event) -> None:
        with self._lock:
            if len(self._waiting) >= CAPACITY:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(event)

    def take(self) -> tuple[Event, ...]:
        """Return every event since this was asked last, oldest first, at once."""
        with self._lock:
            events, lost = tuple(self._waiting), self._lost
            self._waiting.clear()
            self._lost = 0
        if lost:
            first = events[0]
            gap = Event(first.index, first.t_ms, EVENTS_LOST, "", str(lost))
            events = (gap, *events)
        return events
