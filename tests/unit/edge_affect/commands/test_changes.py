"""What a live run says of its changes."""

from __future__ import annotations

import io

from edge_affect.commands.changes import Changes, line_of
from edge_affect.commands.terminal import Terminal
from edge_affect.events import Event


def test_a_change_is_one_line_with_its_time_and_its_reasons() -> None:
    """Health with what it was, and what is only counted."""
    stale = Event(70, 2_333.3, "face", "ok", "stale", ("frozen",))
    assert line_of(stale) == "2.3 s: face ok → stale (frozen)"
    assert line_of(Event(9, 300.0, "skipped", "", "1800")) == "0.3 s: skipped 1800"


def test_a_device_that_flaps_says_ten_lines_in_ten_seconds() -> None:
    """The others are counted, and said when there is room again."""
    stream = io.StringIO()
    changes = Changes(Terminal(stream, {}))
    for number in range(60):
        changes.tell([Event(number, number * 33.3, "face", "ok", "lost")])
    assert len(stream.getvalue().splitlines()) == 10
    changes.tell([Event(400, 13_000.0, "face", "lost", "ok")])
    *_, more, last = stream.getvalue().splitlines()
    assert (more, last) == ("50 more changes", "13.0 s: face lost → ok")
