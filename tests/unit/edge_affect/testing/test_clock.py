"""The clock on whose way things happen."""

from __future__ import annotations

import threading
from functools import partial

from edge_affect.testing import EventClock


def clock_with(times: list[int], seen: list[tuple[int, int]]) -> EventClock:
    """Return a clock whose events note their own time and the clock's."""
    clock = EventClock()

    def note(t_ns: int) -> None:
        seen.append((t_ns, clock.now_ns()))

    clock.follow((t_ns, partial(note, t_ns)) for t_ns in times)
    return clock


def test_event_clock_calls_what_it_passes_in_order() -> None:
    """Each event sees its own instant, however far the clock moves at once."""
    seen: list[tuple[int, int]] = []
    clock = clock_with([5, 7, 30], seen)
    clock.advance_to(20)
    assert seen == [(5, 5), (7, 7)]
    assert clock.now_ns() == 20


def test_event_clock_waits_no_longer_than_the_next_event() -> None:
    """Whoever waits looks again after every event, as after a notification."""
    seen: list[tuple[int, int]] = []
    clock = clock_with([5, 50], seen)
    condition = threading.Condition()
    clock.wait(condition, 20)
    assert clock.now_ns() == 5
    clock.wait(condition, 20)
    assert clock.now_ns() == 20
    clock.wait(condition, None)
    assert seen == [(5, 5), (50, 50)]


def test_event_clock_that_jumps_calls_late() -> None:
    """What fell into a suspension happens after it."""
    seen: list[tuple[int, int]] = []
    clock = clock_with([5], seen)
    clock.jump(100)
    assert seen == []
    clock.advance_to(100)
    assert seen == [(5, 100)]
