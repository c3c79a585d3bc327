"""Changes of a live stream, one line each for people, and never a flood of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from edge_affect.commands.terminal import Terminal
from edge_affect.events import Event

_MOST = 10
_WITHIN_MS = 10_000.0
"""At most so many lines in so much of the stream's time: devices flap."""


class Changes:
    """Says what changed; what comes too fast is counted and said with the next."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._said_ms: deque[float] = deque(maxlen=_MOST)
        self._unsaid = 0

    def tell(self, events: Iterable[Event]) -> None:
        """Say what changed."""
        for event in events:
            self._tell(event)

    def _tell(self, event: Event) -> None:
        full = len(self._said_ms) == _MOST
        if full and event.t_ms - self._said_ms[0] < _WITHIN_MS:
            self._unsaid += 1
            return
        if self._unsaid:
            self._terminal.say(f"{self._unsaid} more changes")
            self._unsaid = 0
        self._said_ms.append(event.t_ms)
        self._terminal.say(line_of(event))


def line_of(event: Event) -> str:
    """Return ``event`` as one line: when, what, and why."""
    change = f"{event.before} → {event.after}" if event.before else event.after
    why = f" ({', '.join(event.reasons)})" if event.reasons else ""
    return f"{event.t_ms / 1_000:.1f} s: {event.what} {change}".rstrip() + why
