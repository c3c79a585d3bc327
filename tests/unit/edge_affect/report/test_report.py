from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from edge_affect.cli import main
from edge_affect.commands.report import write_report
from edge_affect.errors import DataError, SinkError
from edge_affect.realtime.budget import StageStats
from edge_affect.realtime.info import StreamStats
from edge_affect.report.columns import RecordColumns
from edge_affect.report.page import ReportSink, build_report
from edge_affect.sinks.jsonl import JsonlSink
from edge_affect.sinks.record import estimate_record
from edge_affect.testing import make_estimate, make_header, make_lost_estimate

STATS = StreamStats(
    stages={"face": StageStats(9, 2.125, 3.0, 3.5, 4.0, 4.0)},
    captured=10,
    processed=9,
    dropped={"late": 1},
    misses=2,
    masked_hops=0,
    lost_samples=0,
    cells=12,
    skipped=0,
    consumer_dropped=0,
    face_ok_share=0.75,
)
EVIL = '<script>alert("x")</script>&\'"'


class _Checker(HTMLParser):
    """Follows the tags and keeps what would leave the page."""

    VOID = ("meta", "path", "rect", "polygon", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a tag."""
        self.seen.append(tag)
        self.fetched += [str(v) for k, v in attrs if k in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag without an inside."""
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close a tag."""
        assert self.open.pop() == tag


def _check(page: str) -> _Checker:
    checker = _Checker()
    checker.feed(page)
    checker.close()
    assert not checker.open
    return checker


def _page(count: int = 60, notes: tuple[str, ...] = ()) -> str:
    estimates = [make_estimate(index) for index in range(count)]
    estimates[count // 2] = make_lost_estimate(count // 2)
    columns = RecordColumns(map(estimate_record, estimates))
    return build_report(make_header(), columns, STATS, notes)


def test_report_is_self_contained() -> None:
    """The page is well-formed, fetches nothing and runs nothing."""
    checker = _check(_page())
    assert not checker.fetched
    assert "script" not in checker.seen
    assert "nan" not in _page().lower()


def test_report_shows_what_ran_and_how() -> None:
    """Digest, backend, stages, drops and notes are on the page."""
    page = _page(notes=("the sound track is absent",))
    for text in (
        "ab" * 32,
        "FakeProvider",
        "2.12",
        "3.50",
        "the sound track is absent",
    ):
        assert text in page
    assert "2 of 12 cells missed" in page
    assert "10 frames captured, 9 processed" in page


def test_report_escapes_every_string() -> None:
    """Names, labels, reasons and notes of others stay text."""
    header = make_header(source=EVIL, audio=EVIL, bundle=EVIL, mount={EVIL: EVIL})
    record = {
        **estimate_record(make_estimate()),
        "expression": {EVIL: 1.0},
        "dropped": {EVIL: 1},
        "health": {"face": "ok", "voice": "ok", "reasons": [EVIL]},
    }
    page = build_report(header, RecordColumns([record]), STATS, [EVIL])
    assert "script" not in _check(page).seen
    assert EVIL not in page


@pytest.mark.parametrize("count", [1, 2, 40])
def test_report_of_a_lost_run_says_so(count: int) -> None:
    """A record without any value still makes a page, from one cell on."""
    columns = RecordColumns(
        estimate_record(make_lost_estimate(k)) for k in range(count)
    )
    page = build_report(make_header(), columns)
    _check(page)
    assert "or no face was seen" in page
    assert "no_face" in page


def test_report_of_an_hour_stays_small() -> None:
    """Columns are thinned to the width of the picture."""
    records = (estimate_record(make_estimate(index)) for index in range(108_000))
    page = build_report(make_header(), RecordColumns(records))
    assert len(page) < 2_000_000


def test_report_sink_writes_the_page_of_its_stream(tmp_path: Path) -> None:
    """What the sink was given is on the page; without any there is no page."""
    sink = ReportSink(tmp_path / "x.html")
    assert not sink.save(None)
    sink.open(make_header(source="camera 7"))
    sink.write(make_estimate())
    sink.close()
    assert sink.save(STATS)
    assert "camera 7" in (tmp_path / "x.html").read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["x.html"]


def test_report_makes_the_page_of_a_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A record on disk, also one that a kill cut off, becomes a page."""
    record = tmp_path / "est.jsonl"
    sink = JsonlSink(record)
    sink.open(make_header())
    sink.write(make_estimate())
    sink.close()
    record.write_text(record.read_text() + '{"index": 1, "t_')
    page = tmp_path / "est.html"
    assert main(["report", str(record), "--out", str(page)]) == 0
    assert "1 estimates of scripted" in capsys.readouterr().err
    _check(page.read_text())


def test_write_report_refuses_a_record_without_an_estimate(tmp_path: Path) -> None:
    """There is nothing to show, and no page is left."""
    sink = JsonlSink(tmp_path / "est.jsonl")
    sink.open(make_header())
    sink.close()
    with pytest.raises(DataError, match="holds no estimate"):
        write_report(tmp_path / "est.jsonl", tmp_path / "est.html")
    with pytest.raises(SinkError, match="there is no directory"):
        write_report(tmp_path / "est.jsonl", tmp_path / "none" / "est.html")
    assert [p.name for p in tmp_path.iterdir()] == ["est.jsonl"]


def test_report_never_writes_over_its_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The record is refused as the page, by its name and through a link."""
    record, link = tmp_path / "est.jsonl", tmp_path / "link.html"
    record.write_text("not read at all")
    link.symlink_to(record)
    for page in (record, link):
        assert main(["report", str(record), "--out", str(page)]) == 2
        assert "would be written over" in capsys.readouterr().err
    assert record.read_text() == "not read at all"


def test_report_does_not_trip_over_a_year_that_cannot_be(tmp_path: Path) -> None:
    """A header's absurd clock leaves out the date."""
    header = make_header(utc_offset_ns=10**30)
    columns = RecordColumns([estimate_record(make_estimate())])
    assert "UTC" not in build_report(header, columns)
