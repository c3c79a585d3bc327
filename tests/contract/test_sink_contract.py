"""What every sink promises, asked of each of them."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_affect.clock import SimClock
from edge_affect.report.page import ReportSink
from edge_affect.sinks.base import AbortableSink, Sink
from edge_affect.sinks.group import SinkGroup
from edge_affect.sinks.jsonl import JsonlSink, JsonlStream
from edge_affect.sinks.notify import NotifySink
from edge_affect.testing import make_estimate, make_header, make_lost_estimate

ODD_NAME = "clip_\udcff_\N{GREEK SMALL LETTER ALPHA}.mkv"
"""A file's name as Python gives it when a byte of it is no UTF-8."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A sink under test."""

    sink: Sink
    """Not open yet."""
    finished: Path | None
    """What is there once the record is whole; None: no file of its own."""


Make = Callable[[Path], Subject]


def _jsonl(folder: Path) -> Subject:
    return Subject(JsonlSink(folder / "x.jsonl"), folder / "x.jsonl")


def _stream(folder: Path) -> Subject:
    return Subject(JsonlStream(io.StringIO()), None)


def _narrow_stream(folder: Path) -> Subject:
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    return Subject(JsonlStream(narrow), None)


def _report(folder: Path) -> Subject:
    return Subject(ReportSink(folder / "x.html"), None)


def _manager(folder: Path) -> Subject:
    with tempfile.TemporaryDirectory() as gone:  # nobody listens there
        return Subject(NotifySink(f"{gone}/notify", None, SimClock()), None)


SINKS: dict[str, Make] = {
    "file": _jsonl,
    "stream": _stream,
    "stream of few letters": _narrow_stream,
    "report": _report,
    "service manager": _manager,
}


@pytest.fixture(params=SINKS)
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    """Make each sink in turn."""
    return SINKS[request.param](tmp_path)


def _end_badly(subject: Subject) -> SinkGroup:
    """Let a fault end the run that the open sink records."""
    group = SinkGroup([subject.sink])
    group.close(RuntimeError("the camera\nburnt down"))
    return group


def test_sink_takes_a_run_and_closes_twice(subject: Subject) -> None:
    """Header, estimates with and without values, and an end that may be told twice."""
    subject.sink.open(make_header())
    subject.sink.write(make_estimate(0))
    subject.sink.write(make_lost_estimate(1))
    subject.sink.close()
    subject.sink.close()
    assert subject.finished is None or subject.finished.exists()


def test_sink_closes_without_having_been_opened(
    subject: Subject, tmp_path: Path
) -> None:
    """A run that never gave an estimate leaves nothing behind, however it ended."""
    subject.sink.close()
    assert not _end_badly(subject).failures
    assert not list(tmp_path.iterdir())


def test_sink_takes_any_name_that_a_file_can_have(subject: Subject) -> None:
    """A source's name of odd bytes ends no record."""
    subject.sink.open(make_header(source=ODD_NAME))
    subject.sink.write(make_estimate())
    subject.sink.close()
    assert subject.finished is None or subject.finished.exists()


def test_sink_gives_no_record_its_name_after_a_fault(
    subject: Subject, tmp_path: Path
) -> None:
    """What a fault ended is not taken for a whole record, not by closing it either."""
    subject.sink.open(make_header())
    subject.sink.write(make_estimate())
    group = _end_badly(subject)
    group.close()
    subject.sink.close()
    assert subject.finished is None or not subject.finished.exists()
    if isinstance(subject.sink, AbortableSink):
        subject.sink.abort("again")
        (left,) = tmp_path.iterdir()
        assert len(left.read_text().splitlines()) == 2


def test_sink_that_makes_a_file_says_where_a_fault_left_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line: the record's name, what happened and what it is called now."""
    subject = _jsonl(tmp_path)
    subject.sink.open(make_header())
    _end_badly(subject)
    (line,) = caplog.messages
    assert line == (
        f"{tmp_path / 'x.jsonl'}: the run ended in a fault: the camera burnt down; "
        "the record was cut short and stays as x.jsonl.part"
    )


def test_sink_that_raised_keeps_an_older_record(tmp_path: Path) -> None:
    """An estimate that cannot be written is told, and spoils no earlier record."""
    subject = _jsonl(tmp_path)
    assert subject.finished is not None
    subject.finished.write_text("a good record")
    group = SinkGroup([subject.sink])
    group.open(make_header())
    group.write(make_estimate(valence=float("nan")))
    group.close()
    assert subject.finished.read_text() == "a good record"
    assert "record 0" in group.failures[0]
    assert "stays as x.jsonl.part" in group.failures[0]


@pytest.mark.parametrize("make", [_jsonl, _stream], ids=["file", "stream"])
def test_sink_writes_names_that_come_back_as_they_were(
    make: Make, tmp_path: Path
) -> None:
    """Odd letters are escaped in JSON's own way, so every byte of a line is ASCII."""
    subject = make(tmp_path)
    subject.sink.open(make_header(source=ODD_NAME))
    subject.sink.close()
    if isinstance(subject.sink, JsonlStream):
        text = subject.sink._stream.getvalue()  # type: ignore[attr-defined]
    else:
        text = (tmp_path / "x.jsonl").read_text()
    assert text.isascii()
    assert json.loads(text)["source"] == ODD_NAME
