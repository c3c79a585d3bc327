"""What changes in a stream: the health of its inputs, its service, what was lost."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from edge_affect.realtime.health import WOKE
from edge_affect.realtime.ladder import RUNGS
from edge_affect.types import Estimate, HealthState

FACE, VOICE, SERVICE = "face", "voice", "service"
SKIPPED, UNREAD, SUSPENDED = "skipped", "unread", "suspended"
EVENTS_LOST = "events_lost"
CAPACITY = 256
"""Events that wait to be taken."""
_AGAIN_MS = 10_000.0
"""Estimates that a consumer did not read are told anew once it read for so long."""


@dataclass(frozen=True, slots=True)
class Event:
    """One change between two estimates."""

    index: int
    """Cell of the estimate that shows it."""
    t_ms: float
    """Time of that estimate since the stream's start, ms."""
    what: str
    """``face`` or ``voice``: its health; ``service``: the ladder's rung; ``skipped``:
    cells were left out, for the process stood still; ``suspended``: the machine was,
    so all that was known is forgotten; ``unread``: estimates were dropped that a
    consumer did not read; ``events_lost``: nobody took events for too long."""
    before: str
    """Health state or name of the rung; empty for what is counted."""
    after: str
    """Likewise; how many, for what is counted."""
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
        self._index = -1
        self._unread = 0
        self._unread_ms = -_AGAIN_MS
        self._state = {
            FACE: HealthState.LOST.value,
            VOICE: HealthState.LOST.value,
            SERVICE: RUNGS[0].name,
        }

    def see(self, estimate: Estimate, unread: int = 0) -> list[Event]:
        """Compare an estimate with the one before it; return the changes.

        Args:
            estimate: The newest.
            unread: Estimates up to now that a consumer did not read.
        """
        found: list[Event] = []
        place = estimate.index, estimate.t_ms
        skipped = estimate.index - self._index - 1
        if skipped:
            found.append(Event(*place, SKIPPED, "", str(skipped)))
        if unread > self._unread:
            # Of a consumer that sleeps it is told once, not with every estimate.
            if estimate.t_ms - self._unread_ms >= _AGAIN_MS:
                found.append(Event(*place, UNREAD, "", str(unread)))
            self._unread_ms = estimate.t_ms
        self._index, self._unread = estimate.index, unread
        if WOKE in estimate.health.reasons:
            found.append(Event(*place, SUSPENDED, "", ""))
        found += self._changes(estimate)
        for event in found:
            self._add(event)
        return found

    def _changes(self, estimate: Estimate) -> list[Event]:
        health = estimate.health
        now = {
            FACE: health.face.value,
            VOICE: health.voice.value,
            SERVICE: RUNGS[estimate.rung].name,
        }
        if now == self._state:
            return []
        before, self._state = self._state, now
        place = estimate.index, estimate.t_ms
        return [
            Event(*place, what, before[what], after, health.reasons)
            for what, after in now.items()
            if before[what] != after
        ]

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
