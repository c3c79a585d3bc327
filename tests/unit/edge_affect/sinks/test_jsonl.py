from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from edge_affect.errors import DataError, SinkError
from edge_affect.sinks import jsonl
from edge_affect.sinks.jsonl import JsonlSink, JsonlStream, iterate_record, read_record
from edge_affect.sinks.record import estimate_record, header_record, line_from_record
from edge_affect.testing import make_estimate, make_header, make_lost_estimate

FULL = Path("/dev/full")


def _record(path: Path, count: int = 3) -> Path:
    sink = JsonlSink(path)
    sink.open(make_header())
    for index in range(count):
        sink.write(make_estimate(index))
    sink.close()
    return path


def test_jsonl_sink_writes_what_read_record_reads(tmp_path: Path) -> None:
    """A header line and one line per estimate come back as they were."""
    path = tmp_path / "est.jsonl"
    sink = JsonlSink(str(path))
    sink.open(make_header())
    sink.write(make_estimate(0))
    sink.write(make_lost_estimate(1))
    sink.close()
    header, records = read_record(path)
    assert header == make_header()
    assert records == [
        estimate_record(make_estimate(0)),
        estimate_record(make_lost_estimate(1)),
    ]


def test_jsonl_sink_takes_the_name_when_it_is_closed(tmp_path: Path) -> None:
    """Until then the record grows under another name, readable line by line."""
    path = tmp_path / "est.jsonl"
    sink = JsonlSink(path)
    sink.open(make_header())
    sink.write(make_estimate())
    assert not path.exists()
    assert len(read_record(tmp_path / "est.jsonl.part")[1]) == 1
    sink.close()
    sink.close()
    assert [p.name for p in tmp_path.iterdir()] == ["est.jsonl"]


def test_jsonl_sink_that_was_never_opened_makes_no_file(tmp_path: Path) -> None:
    """Closing a sink of a stream that never began leaves nothing behind."""
    JsonlSink(tmp_path / "est.jsonl").close()
    assert not list(tmp_path.iterdir())


def test_jsonl_sink_ignores_estimates_after_its_end(tmp_path: Path) -> None:
    """A closed record is complete; nothing is added to it."""
    path = tmp_path / "est.jsonl"
    sink = JsonlSink(path)
    sink.open(make_header())
    sink.close()
    sink.write(make_estimate())
    assert read_record(path)[1] == []


def test_jsonl_sink_refuses_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """A missing folder or a directory in its place is found before the run."""
    with pytest.raises(SinkError, match="there is no directory"):
        JsonlSink(tmp_path / "nowhere" / "est.jsonl")
    with pytest.raises(SinkError, match="is a directory"):
        JsonlSink(tmp_path)


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full to stand for a full disk")
def test_jsonl_sink_says_when_the_disk_is_full(tmp_path: Path) -> None:
    """The record stays under its temporary name and the error says why."""
    (tmp_path / "est.jsonl.part").symlink_to(FULL)
    sink = JsonlSink(tmp_path / "est.jsonl")
    with pytest.raises(SinkError, match="No space left on device; the record was cut"):
        sink.open(make_header())
    assert sink.error is not None
    sink.close()
    assert not (tmp_path / "est.jsonl").exists()


@pytest.mark.parametrize("header", [True, False])
def test_jsonl_sink_never_publishes_what_it_could_not_write(
    tmp_path: Path, *, header: bool
) -> None:
    """A number that is none, in the header or a line, cuts the record short."""
    path = _record(tmp_path / "est.jsonl")
    before = path.read_bytes()
    sink = JsonlSink(path)
    if header:
        with pytest.raises(SinkError, match="no record was written"):
            sink.open(make_header(mount={"yaw_deg": float("nan")}))
    else:
        sink.open(make_header())
        with pytest.raises(SinkError, match=r"short and stays as est\.jsonl\.part"):
            sink.write(make_estimate(valence=float("nan")))
    assert sink.error is not None
    sink.close()
    assert path.read_bytes() == before


def test_jsonl_sink_never_publishes_what_its_file_could_not_encode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faults that are no fault of the disk cut the record short as well."""
    sink = JsonlSink(tmp_path / "est.jsonl")
    sink.open(make_header())
    monkeypatch.setattr(jsonl, "line_from_record", lambda record: "\udcff\n")
    with pytest.raises(SinkError, match="surrogates not allowed; the record was cut"):
        sink.write(make_estimate())
    sink.close()
    assert [p.name for p in tmp_path.iterdir()] == ["est.jsonl.part"]


def test_jsonl_record_survives_a_kill(tmp_path: Path) -> None:
    """All estimates up to SIGKILL are in the file that is left."""
    script = f"""
import os, signal
from pathlib import Path
from edge_affect.sinks.jsonl import JsonlSink
from edge_affect.testing import make_estimate, make_header
sink = JsonlSink(Path({str(tmp_path / "est.jsonl")!r}))
sink.open(make_header())
for index in range(100):
    sink.write(make_estimate(index))
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    _, records = read_record(tmp_path / "est.jsonl.part")
    assert len(records) == 100


def test_read_record_leaves_out_a_last_line_that_was_cut_off(tmp_path: Path) -> None:
    """Wherever a kill cut the last line, what is whole is read."""
    path = _record(tmp_path / "est.jsonl")
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for end in (last, last + 1, last + 50, len(whole) - 2):
        path.write_bytes(whole[:end])
        assert len(read_record(path)[1]) == 2
    path.write_bytes(whole[:-1])
    assert len(read_record(path)[1]) == 3


def test_read_record_names_the_file_and_the_line(tmp_path: Path) -> None:
    """A bad line in the middle is an error that says where it is."""
    path = _record(tmp_path / "est.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    lines[2] = '{"index": 1}\n'
    path.write_text("".join(lines))
    with pytest.raises(DataError, match=r"est\.jsonl:3: t_ms: got None"):
        read_record(path)
    lines[2] = lines[1]
    path.write_text("".join(lines))
    with pytest.raises(DataError, match=r"est\.jsonl:3: t_ms: got .*, expected more"):
        read_record(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\xff\xfe\x00", "not text"),
        (b"hello\n", ":1: got no line of JSON"),
        (b'{"index": 0}', ":1: run header: schema: got None"),
        (line_from_record(header_record(make_header(schema=9))).encode(), "schema"),
    ],
)
def test_read_record_refuses_what_is_no_record(
    tmp_path: Path, content: bytes, message: str
) -> None:
    """Another kind of file gives one line that says what was expected."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_record(path)


def test_read_record_of_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(DataError, match=r"none\.jsonl: No such file"):
        iterate_record(tmp_path / "none.jsonl")


class _ClosedPipe(io.StringIO):
    def write(self, text: str) -> int:
        """Fail as a pipe without a reader does."""
        raise BrokenPipeError(32, "Broken pipe")


class _FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        """Fail as a full disk does."""
        raise OSError(28, "No space left on device")


def test_jsonl_stream_writes_lines() -> None:
    """The standard output gets the same lines as a file, at once."""
    stream = io.StringIO()
    sink = JsonlStream(stream)
    sink.open(make_header())
    sink.write(make_estimate())
    sink.close()
    assert stream.getvalue() == line_from_record(
        header_record(make_header())
    ) + line_from_record(estimate_record(make_estimate()))


def test_jsonl_stream_ends_quietly_when_nobody_reads() -> None:
    """A closed pipe is no error; the sink says that the reader went."""
    sink = JsonlStream(_ClosedPipe())
    sink.open(make_header())
    assert sink.reader_gone
    sink.write(make_estimate())


def test_jsonl_stream_says_when_it_cannot_be_written() -> None:
    """A full disk behind the standard output is an error."""
    sink = JsonlStream(_FullDisk())
    with pytest.raises(SinkError, match="No space left"):
        sink.open(make_header())
    assert sink.error is not None
