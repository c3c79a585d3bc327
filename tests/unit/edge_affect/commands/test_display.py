from __future__ import annotations

import io
from dataclasses import dataclass

from edge_affect.clock import NS_PER_MS, SimClock
from edge_affect.commands.display import (
    LiveTable,
    NoDisplay,
    ProgressLine,
    SecondLines,
    display_for,
)
from edge_affect.commands.terminal import Terminal
from edge_affect.realtime.info import StreamInfo, StreamStats
from edge_affect.testing import make_estimate


class _Screen(io.StringIO):
    encoding = "ascii"

    def isatty(self) -> bool:
        return True


@dataclass
class _Stream:
    info: StreamInfo
    stats: StreamStats


STREAM = _Stream(
    StreamInfo("s", None, True, "b", "p", "t", "why", "bundle", "d", "research"),
    StreamStats({}, 0, 0, {}, 0, 0, 0, 0, 0, 0, 0.5),
)
TERM = {"TERM": "xterm"}


def test_live_table_is_drawn_five_times_a_second() -> None:
    """A second at 30 cells per second draws five tables, in plain characters."""
    clock, screen = SimClock(), _Screen()
    table = LiveTable(Terminal(screen, TERM), clock)
    for index in range(30):
        clock.advance_to(index * 1_000 * NS_PER_MS // 30)
        table.show(make_estimate(index), STREAM)
    assert screen.getvalue().count("\x1b[?7l") == 5
    assert "#" in screen.getvalue()
    assert "█" not in screen.getvalue()


def test_progress_line_tells_how_fast_a_file_is_read() -> None:
    """One line, drawn in place."""
    clock, screen = SimClock(), _Screen()
    line = ProgressLine(Terminal(screen, TERM), clock)
    clock.advance_to(500 * NS_PER_MS)
    line.show(make_estimate(59), STREAM)
    line.show(make_estimate(60), STREAM)
    assert "2.0 s read, 4.0x real time, face ok 50%" in screen.getvalue()
    assert screen.getvalue().count("real time") == 1


def test_second_lines_come_once_a_second_of_stream() -> None:
    """Ninety cells make three lines, whatever the clock says."""
    stream = io.StringIO()
    lines = SecondLines(Terminal(stream, {}))
    for index in range(90):
        lines.show(make_estimate(index), STREAM)
    assert len(stream.getvalue().splitlines()) == 3


def test_display_for_suits_the_terminal() -> None:
    """A table for live streams, a line for files, nothing where it would disturb."""
    clock, screen = SimClock(), Terminal(_Screen(), TERM)
    assert isinstance(display_for(screen, clock, live=True), LiveTable)
    assert isinstance(display_for(screen, clock, live=False), ProgressLine)
    pipe = Terminal(io.StringIO(), TERM)
    assert isinstance(display_for(pipe, clock, live=True), NoDisplay)
    both = display_for(screen, clock, live=True, records_on_screen=True)
    assert isinstance(both, NoDisplay)
