"""A simulated clock on whose way things happen: threads of a device in one thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from edge_affect.clock import SimClock


class EventClock(SimClock):
    """Calls what is due whenever its time passes that instant.

    What a reader's thread does while the stepping thread works or waits happens here
    while the clock moves, in order and always the same.
    """

    def __init__(self, start_ns: int = 0) -> None:
        """Start without events; ``follow`` gives some."""
        super().__init__(start_ns)
        self._events: Iterator[tuple[int, Callable[[], None]]] = iter(())
        self._next: tuple[int, Callable[[], None]] | None = None

    def follow(self, events: Iterator[tuple[int, Callable[[], None]]]) -> None:
        """Take the events, each an instant and what is called then, in order."""
        self._events = events
        self._next = next(events, None)

    def advance_to(self, t_ns: int) -> None:
        """Move to ``t_ns``, stopping at every event on the way."""
        while self._next is not None and self._next[0] <= t_ns:
            due_ns, call = self._next
            self._next = next(self._events, None)
            super().advance_to(due_ns)
            call()
        super().advance_to(t_ns)

    def jump(self, by_ns: int) -> None:
        """Move at once, as a suspended machine does: nothing happens in between."""
        super().advance_to(self.now_ns() + by_ns)

    def wait(self, condition: threading.Condition, until_ns: int | None) -> None:
        """Move to the next event, or to ``until_ns`` when that comes first."""
        del condition
        due_ns = None if self._next is None else self._next[0]
        instants = [t_ns for t_ns in (due_ns, until_ns) if t_ns is not None]
        if instants:
            self.advance_to(min(instants))
