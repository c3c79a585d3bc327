from __future__ import annotations

import io

from benchmarks.progress import Progress
from edge_affect.clock import NS_PER_S, SimClock
from edge_affect.commands.terminal import Terminal


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_shows_how_far_it_is_on_a_terminal() -> None:
    """Every item passes through, and the bar says how many were done."""
    screen = Screen()
    progress = Progress(Terminal(screen, {"TERM": "xterm"}))
    assert list(progress.track("abcd", 4, "ferplus valid")) == list("abcd")
    assert "2/4 [###############..............." in screen.getvalue()


def test_long_work_off_a_terminal_is_told_in_lines() -> None:
    """A log of a run of hours says once a minute how far it is."""
    stream, clock = io.StringIO(), SimClock()
    progress = Progress(Terminal(stream, {"TERM": "xterm"}), clock)
    for _ in progress.track(range(8), 8, "frames"):
        clock.advance_to(clock.now_ns() + 25 * NS_PER_S)
    assert stream.getvalue() == "frames: 3 of 8\nframes: 6 of 8\n"


def test_short_work_off_a_terminal_is_not_told() -> None:
    """What takes less than a minute writes nothing into a log."""
    stream = io.StringIO()
    progress = Progress(Terminal(stream, {"TERM": "xterm"}))
    assert list(progress.track([], 0, "empty")) == []
    assert list(progress.track([1], 1, "one")) == [1]
    assert stream.getvalue() == ""
