from __future__ import annotations

import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge_affect.cli import main
from edge_affect.clock import Clock
from edge_affect.commands.display import NoDisplay
from edge_affect.commands.run import Conductor, Outputs
from edge_affect.commands.signals import StopSignals
from edge_affect.commands.terminal import Terminal
from edge_affect.errors import SourceError
from edge_affect.realtime.stream import AffectStream
from edge_affect.report.page import ReportSink
from edge_affect.sinks.jsonl import JsonlSink, JsonlStream, read_record
from edge_affect.testing import (
    FakeModel,
    ScriptedSource,
    camera_script,
    device_lost,
    make_chunk,
)
from tests.fakes.media_files import click, write_clip

ROOT = Path(__file__).resolve().parents[4]
TINY = ROOT / "tests" / "data" / "tiny_bundle"
RESEARCH = ("--purpose", "research", "--bundle", str(TINY), "--allow-unsigned")
FULL = Path("/dev/full")


def _run(*arguments: object) -> int:
    return main(["run", *map(str, arguments), *RESEARCH])


def _check(records: Sequence[dict[str, Any]]) -> None:
    """One estimate per cell, times rising, every number finite and in range."""
    assert [record["index"] for record in records] == list(range(len(records)))
    times = [record["t_ms"] for record in records]
    assert all(a < b for a, b in pairwise(times))
    for record in records:
        for key in ("valence", "arousal"):
            assert record[key] is None or -1 <= record[key] <= 1
            assert record[f"{key}_std"] is None or record[f"{key}_std"] > 0
        shares = record["expression"]
        assert shares is None or math.isclose(sum(shares.values()), 1, abs_tol=1e-6)


def test_run_writes_a_record_and_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The simulated driver goes in, a second of estimates and a page come out."""
    record, page = tmp_path / "est.jsonl", tmp_path / "est.html"
    code = _run("simulated", "--out", record, "--report", page, "--max-seconds", 1)
    assert code == 0
    header, records = read_record(record)
    assert (header.purpose, header.bundle) == ("research", "tiny 0.0.1")
    assert len(records) == 30
    _check(records)
    assert all(line["health"]["face"] == "ok" for line in records)
    assert page.read_text().count("<svg") > 4
    captured = capsys.readouterr()
    assert not captured.out
    assert "30 estimates; face ok in 100.0% of them" in captured.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["est.html", "est.jsonl"]


def test_run_gives_the_standard_output_to_records_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With ``--out -`` every line of the output is JSON."""
    assert _run("simulated", "--out", "-", "--max-seconds", 0.5) == 0
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert len(lines) == 16
    assert lines[0]["schema"] == 1
    assert "\x1b" not in captured.err


def test_run_takes_its_settings_from_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file alone is enough; an unknown key in it is wrong usage."""
    config = tmp_path / "run.json"
    values = {
        "source": "simulated",
        "purpose": "research",
        "bundle": str(TINY),
        "allow_unsigned": True,
        "max_seconds": 0.2,
    }
    config.write_text(json.dumps(values))
    assert main(["run", "--config", str(config)]) == 0
    config.write_text(json.dumps({**values, "colour": 1}))
    assert main(["run", "--config", str(config)]) == 2
    assert "colour: unknown key" in capsys.readouterr().err


def test_run_reads_a_clip_with_its_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file is one estimate per cell, and ``--audio none`` leaves its sound out."""
    clip = write_clip(tmp_path / "clip.mkv", sound=click(0.5))
    assert _run(clip, "--out", tmp_path / "with.jsonl") == 0
    assert _run(clip, "--out", tmp_path / "none.jsonl", "--audio", "none") == 0
    assert _run(clip, "--out", tmp_path / "own.jsonl", "--audio", "default") == 0
    header, records = read_record(tmp_path / "with.jsonl")
    _check(records)
    assert len(records) == pytest.approx(30, abs=1)
    assert header.audio == "clip.mkv"
    assert any(record["hop"] is not None for record in records)
    header, records = read_record(tmp_path / "none.jsonl")
    assert header.audio is None
    assert all(record["hop"] is None for record in records)
    own, with_ = (tmp_path / name for name in ("own.jsonl", "with.jsonl"))
    assert read_record(own)[1] == read_record(with_)[1]


def _silent(folder: Path) -> Path:
    return write_clip(folder / "silent.mkv")


def _blind(folder: Path) -> Path:
    return write_clip(folder / "blind.mkv", frame_ms=(), sound=click(0.5))


def _empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def _text(folder: Path) -> Path:
    (folder / "text.mp4").write_text("hello")
    return folder / "text.mp4"


def _noise(folder: Path) -> Path:
    (folder / "noise.avi").write_bytes(bytes(range(256)) * 400)
    return folder / "noise.avi"


def test_run_of_a_clip_without_sound_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The face alone carries the estimates."""
    assert _run(_silent(tmp_path)) == 0
    assert "silent.mkv, no sound" in capsys.readouterr().err


@pytest.mark.parametrize(
    "source",
    [
        _blind,
        _empty,
        _text,
        _noise,
        lambda folder: folder,
        lambda folder: folder / "missing.mp4",
    ],
    ids=["no video", "empty", "text", "noise", "directory", "missing"],
)
def test_run_of_what_is_no_clip_is_one_line(
    source: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad input is named in one line, exit code 1, and no record is left."""
    path = source(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    assert _run(path, "--out", out / "est.jsonl", "--report", out / "est.html") == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("edge-affect: ")
    assert captured.err.count("\n") == 1
    assert path.name in captured.err
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--out", "/nowhere/x.jsonl"), 1),
        (("--report", "/nowhere/x.html"), 1),
        (("--out", "x" * 300), 1),
        (("--out", "x" * 253), 1),
        (("--report", "x" * 253), 1),
        (("--detector", "x" * 300), 1),
        (("--detector", "/nowhere/yunet.onnx"), 1),
        (("--backend", "tensorrt"), 1),
        (("--budget-ms", "0"), 2),
        (("--budget-ms", "nan"), 2),
        (("--max-seconds", "-1"), 2),
        (("--config", "/nowhere/run.json"), 2),
        (("--audio", "0"), 2),
    ],
)
def test_run_refuses_settings_before_it_begins(
    arguments: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot work is told in one line, at once."""
    assert _run("simulated", *arguments) == code
    captured = capsys.readouterr()
    assert captured.err.startswith("edge-affect: ")
    assert captured.err.count("\n") == 1


def test_run_for_a_fleet_refuses_emotion_heads(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A bundle with emotion heads does not run for drivers at work."""
    arguments = ["run", "simulated", "--bundle", str(TINY), "--allow-unsigned"]
    assert main([*arguments, "--purpose", "fleet"]) == 2
    told = capsys.readouterr().err
    assert "without emotion heads" in told
    assert "'edge-affect-s-signals'" in told


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full to stand for a full disk")
def test_run_goes_on_when_the_disk_is_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One warning, every other output is whole, and the exit code is 1."""
    (tmp_path / "est.jsonl.part").symlink_to(FULL)
    arguments = ("--out", tmp_path / "est.jsonl", "--report", tmp_path / "est.html")
    assert _run("simulated", *arguments, "--max-seconds", 0.5) == 1
    err = capsys.readouterr().err
    assert err.count("warning") == 1
    assert "No space left on device" in err
    assert "15 estimates" in err
    assert (tmp_path / "est.html").exists()


class _FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        """Fail as a full disk does."""
        raise OSError(28, "No space left on device")


def test_conductor_fails_when_the_standard_output_cannot_be_written() -> None:
    """A record that was cut short is exit code 1, wherever it went."""
    outputs = Outputs(stream=JsonlStream(_FullDisk()))
    assert _conducted(outputs, ScriptedSource(camera_script(0.5)))[0] == 1


def test_run_takes_a_clip_whose_name_is_no_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Record and page are whole, and spell the odd byte out."""
    try:
        clip = write_clip(tmp_path / "a.mkv").rename(tmp_path / "a\udcff.mkv")
    except OSError:
        pytest.skip("no file can have such a name here")
    record, page = tmp_path / "est.jsonl", tmp_path / "est.html"
    assert _run(clip, "--out", record, "--report", page) == 0
    assert read_record(record)[0].source == "a\\udcff.mkv"
    assert "a\\udcff.mkv" in page.read_text()
    assert "this should not happen" not in capsys.readouterr().err


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "edge_affect",
            "run",
            "simulated",
            *arguments,
            *RESEARCH,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "EDGE_AFFECT_DEBUG": "1"},
    )


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)]
)
def test_run_closes_its_sinks_when_a_signal_comes(
    number: int, code: int, tmp_path: Path
) -> None:
    """The record gets its name and the page is written before the process ends."""
    part, page = tmp_path / "est.jsonl.part", tmp_path / "est.html"
    run = _start("--out", str(tmp_path / "est.jsonl"), "--report", str(page))
    while not part.exists() and run.poll() is None:
        time.sleep(0.02)
    run.send_signal(number)
    _, err = run.communicate(timeout=60)
    assert run.returncode == code, err
    assert "Traceback" not in err
    _check(read_record(tmp_path / "est.jsonl")[1])
    assert page.exists()


def test_run_ends_quietly_when_nobody_reads_its_records() -> None:
    """``edge-affect run … --out - | head`` is no fault."""
    run = _start("--out", "-")
    assert run.stdout is not None
    assert run.stderr is not None
    run.stdout.readline()
    run.stdout.close()
    err = run.stderr.read()
    run.stderr.close()
    assert run.wait(timeout=60) == 0, err
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def _conduct(
    folder: Path, source: ScriptedSource, max_seconds: float = math.inf
) -> tuple[int, str]:
    outputs = Outputs(
        JsonlSink(folder / "x.jsonl"), None, ReportSink(folder / "x.html")
    )
    return _conducted(outputs, source, max_seconds)


def _conducted(
    outputs: Outputs, source: ScriptedSource, max_seconds: float = math.inf
) -> tuple[int, str]:
    said = io.StringIO()
    stream = AffectStream(
        source, purpose="research", model=FakeModel(), sinks=outputs.sinks
    )
    with StopSignals() as signals:
        conductor = Conductor(
            Terminal(said, {}), signals, outputs, lambda info: NoDisplay(), max_seconds
        )
        return conductor.conduct(stream), said.getvalue()


def test_conductor_keeps_what_came_before_a_fault(tmp_path: Path) -> None:
    """A damaged file is an error, and what it gave is in page and unfinished record."""
    script = camera_script(1.0)
    script.insert(20, (0, device_lost("x.mp4")))
    with pytest.raises(SourceError, match="is gone"):
        _conduct(tmp_path, ScriptedSource(script))
    assert not (tmp_path / "x.jsonl").exists()
    assert len(read_record(tmp_path / "x.jsonl.part")[1]) == 20
    assert (tmp_path / "x.html").exists()


def test_conductor_reads_no_more_than_was_asked(tmp_path: Path) -> None:
    """Half a second is fifteen cells, to the cell."""
    code, said = _conduct(tmp_path, ScriptedSource(camera_script(2.0)), 0.5)
    assert code == 0
    assert len(read_record(tmp_path / "x.jsonl")[1]) == 15
    assert "15 estimates" in said


def test_conductor_calls_a_source_without_a_picture_a_fault(tmp_path: Path) -> None:
    """Sound alone gives no grid, so there is nothing to estimate."""
    script = [(0, make_chunk(k, k * 10**8)) for k in range(5)]
    with pytest.raises(SourceError, match="holds no picture"):
        _conduct(tmp_path, ScriptedSource(script))


def test_conductor_passes_notes_on(tmp_path: Path) -> None:
    """What a source has to say reaches the user and the page."""
    source = ScriptedSource(camera_script(0.2), note="no sound track")
    assert "note: no sound track" in _conduct(tmp_path, source)[1]
    assert "no sound track" in (tmp_path / "x.html").read_text()


def test_run_reads_every_real_clip(data_root: Path, tmp_path: Path) -> None:
    """Real clips give thirty estimates a second, in order and in range."""
    clips = sorted(p for p in (data_root / "clips").iterdir() if p.suffix[1:2] == "m")
    assert clips
    for clip in clips:
        assert _run(clip, "--out", tmp_path / "est.jsonl") == 0
        records = read_record(tmp_path / "est.jsonl")[1]
        _check(records)
        assert len(records) >= 80


@pytest.mark.parametrize("flag", ["--out", "--report"])
@pytest.mark.parametrize("form", ["plain", "link", "dotted"])
def test_run_never_writes_over_its_own_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str, form: str
) -> None:
    """The clip that is read is still a clip afterwards, whatever it is called."""
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"not opened at all")
    target = {
        "plain": clip,
        "link": tmp_path / "link.mp4",
        "dotted": tmp_path / "." / "clip.mp4",
    }[form]
    if form == "link":
        target.symlink_to(clip)
    arguments = ["run", str(clip), "--purpose", "research", flag, str(target)]
    assert main(arguments) == 2
    assert "would be written over" in capsys.readouterr().err
    assert clip.read_bytes() == b"not opened at all"


def test_run_opens_a_lost_camera_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service goes on for hours: one read that fails must not end its pictures.

    Counted are frames that came, used or not: a busy machine may use few of them.
    """
    opened: list[ScriptedSource] = []

    def open_camera(spec: object, *, clock: Clock, audio: object) -> ScriptedSource:
        del spec, audio
        script = camera_script(9.0)
        if len(opened) < 2:  # the first one is only asked what it is
            script[6:] = [(script[6][0], device_lost())]
        opened.append(ScriptedSource(script, clock=clock, name="camera 0"))
        return opened[-1]

    monkeypatch.setattr("edge_affect.sources.given.open_source", open_camera)
    assert _run("camera", "--out", tmp_path / "est.jsonl", "--max-seconds", 2) == 0
    assert len(opened) == 3
    before_it_was_lost = 6
    [frames] = re.findall(r"^(\d+) frames;", capsys.readouterr().err, re.MULTILINE)
    assert int(frames) > 2 * before_it_was_lost
