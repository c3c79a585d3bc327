"""Latency, scale, footprint and limit: that they count what they say, not how fast."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from benchmarks import limit
from benchmarks.__main__ import main
from benchmarks.footprint import measure_footprint, read_energy_j
from benchmarks.latency import COLD, COLD_STAGES, LatencyPlan, measure_latency
from benchmarks.looped import LATENCY_NS, SECONDS, Drawn, LoopedSource, draw
from benchmarks.progress import Progress
from benchmarks.records import Record, load_result
from benchmarks.scale import ScalePlan, measure_scale
from benchmarks.ways import Way, ways_of
from edge_affect.clock import NS_PER_MS, NS_PER_S, SimClock
from edge_affect.commands.terminal import Terminal
from edge_affect.errors import DataError, RunnerError
from edge_affect.labels import TARGETS
from edge_affect.model.bundle import load_bundle
from edge_affect.types import AudioChunk, Frame


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    """Return a small film."""
    return draw(0, 10, (64, 48))


@pytest.fixture
def progress() -> Progress:
    """Return a progress that nobody sees."""
    return Progress(Terminal(io.StringIO(), {}))


def _values(records: list[Record], metric: str, stage: str) -> list[float]:
    return [r.value for r in records if (r.metric, r.stage) == (metric, stage)]


def test_looped_source_plays_on_in_order_and_on_time(drawn: Drawn) -> None:
    """Over the end of the film indices, captures and arrivals go on."""
    clock = SimClock(7 * NS_PER_S)
    source = LoopedSource(drawn, clock)
    frames: list[Frame] = []
    chunks: list[AudioChunk] = []
    with source:
        while len(frames) < 2.5 * drawn.frames:
            item = source.read(NS_PER_S)
            assert item is not None
            assert clock.now_ns() >= item.t_arrival_ns
            (frames if isinstance(item, Frame) else chunks).append(item)  # type: ignore[arg-type]  # each to its own kind
    assert source.read(NS_PER_S) is None
    assert source.ended
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    captured_ns = [frame.t_capture_ns for frame in frames]
    assert np.ptp(np.diff(captured_ns)) <= 2
    assert all(source.arrived_ns(f.index) == f.t_arrival_ns for f in frames)
    repeat = frames[drawn.frames]
    assert np.array_equal(repeat.data, frames[0].data)
    assert repeat.t_capture_ns - frames[0].t_capture_ns == SECONDS * NS_PER_S


def test_looped_source_waits_no_longer_than_it_may(drawn: Drawn) -> None:
    """Nothing is due at once: the reader gets None when its time is up."""
    clock = SimClock()
    with LoopedSource(drawn, clock) as source:
        assert source.read(1_000) is None
        assert clock.now_ns() == 1_000


def test_looped_source_that_is_held_loses_frames_and_keeps_the_sound(
    drawn: Drawn,
) -> None:
    """The frames of a rest are gone, as those of a camera that sleeps."""
    clock = SimClock()
    with LoopedSource(drawn, clock) as source:
        source.hold(NS_PER_S)
        items = [source.read(NS_PER_S) for _ in range(100)]
    frames = [item for item in items if isinstance(item, Frame)]
    assert frames[0].index == 10
    assert frames[0].t_arrival_ns >= NS_PER_S
    assert isinstance(items[0], AudioChunk)


def test_latency_tells_every_stage_and_every_way(
    progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Percentiles rise, and rare ones are told only where there is enough of them."""
    monkeypatch.setattr("benchmarks.latency.WARM_UP", 15)
    plan = LatencyPlan(60, 30, rushed_s=4.0, pauses=1, pause_s=0.5, cold=1)
    ways = [Way(None, "cpu-int8", 1), Way(None, "cpu-fp32", 2)]
    records = measure_latency(ways, plan, progress)
    told = {(r.target, r.split): r for r in records}
    assert set(told) == {("cpu-int8", "1 thread"), ("cpu-fp32", "2 threads")}
    for stage in ("locate", "align", "face", "affect", "step", "voice"):
        for way in ("back to back", "at 30 Hz", "beside a busy core"):
            assert len(_values(records, "p50_ms", f"{stage}, {way}")) == 2
    [ninety, _] = _values(records, "p90_ms", "step, back to back")
    [median, _] = _values(records, "p50_ms", "step, back to back")
    assert median <= ninety
    assert not _values(records, "p999_ms", "step, back to back")
    loads, steps, both = (
        _values(records, "p50_ms", f"{stage}, {COLD}") for stage in COLD_STAGES
    )
    assert len(loads) == 2
    for load, step, whole in zip(loads, steps, both, strict=True):
        assert load + step < whole
    for way in ("at 30 Hz", "beside a busy core"):
        for what in ("arrival", "capture"):
            stage = f"{what} to estimate, {way}"
            medians, longest = (
                _values(records, m, stage) for m in ("p50_ms", "max_ms")
            )
            assert len(medians) == 2
            assert all(m <= top for m, top in zip(medians, longest, strict=True))
            assert not _values(records, "p999_ms", stage)
    rests = _values(records, "p50_ms", "arrival to estimate, after 0.5 s")
    ages = _values(records, "p50_ms", "capture to estimate, after 0.5 s")
    latency_ms = LATENCY_NS / NS_PER_MS
    assert ages == pytest.approx([rest + latency_ms for rest in rests])
    assert min(rests) > 0
    ages = _values(records, "p50_ms", "capture to estimate, at 30 Hz")
    waits = _values(records, "p50_ms", "arrival to estimate, at 30 Hz")
    assert all(age > wait for age, wait in zip(ages, waits, strict=True))


def test_every_way_that_a_bundle_runs_is_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CPU targets by one and two threads; TensorRT's where it is there."""
    bundle = load_bundle(None)
    cpu = [Way(None, t, n) for t in ("cpu-fp32", "cpu-int8") for n in (1, 2)]

    def none() -> None:
        raise RunnerError("no GPU")

    monkeypatch.setattr("benchmarks.ways.open_libraries", none)
    assert ways_of(bundle, None) == cpu
    monkeypatch.setattr("benchmarks.ways.open_libraries", lambda: None)
    assert ways_of(bundle, None) == [*cpu, Way(None, "trt-int8", 1, "tensorrt")]


def test_scale_runs_every_setting_once(progress: Progress) -> None:
    """Each has its delays, misses and share; more streams give more estimates."""
    plan = ScalePlan((1, 3), ((160, 120),), (15,), seconds=1.0, longest_s=1.0)
    records = measure_scale(Way(None, "cpu-int8", 1), plan, progress)
    splits = list(dict.fromkeys(record.split for record in records))
    assert splits == ["1 stream", "3 streams", "160x120", "15 frames per second"]
    counts = {r.split: r.n or 0 for r in records if r.metric == "misses"}
    assert counts["3 streams"] > 2 * counts["1 stream"] > 0
    shares = {r.split: r.value for r in records if r.metric == "cpu_share"}
    assert all(share > 0 for share in shares.values())
    assert all(0 <= r.value <= 1 for r in records if r.metric == "misses")


def test_footprint_counts_files_and_runs_fresh_processes(
    tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes are those of the files; no energy where nothing counts it."""
    monkeypatch.setattr("benchmarks.footprint.FRESH", 1)
    wheel = tmp_path / "a.whl"
    wheel.write_bytes(bytes(1234))
    records = measure_footprint(wheel, 1, progress, tmp_path)
    assert _values(records, "bytes", "wheel") == [1234]
    assert _values(records, "bytes", "installed edge_affect")[0] > 1e6
    [imported] = _values(records, "p50_ms", "import edge_affect")
    [first] = _values(records, "p50_ms", "process start to first estimate")
    assert 0 < imported < first
    assert _values(records, "cpu_share", "stream at 30 Hz")[0] > 0
    [target] = {r.target for r in records if r.stage == "stream at 30 Hz"}
    assert target in TARGETS
    assert _values(records, "bytes", "stream at 30 Hz, resident memory")[0] > 5e7
    assert not [r for r in records if r.metric == "watt"]
    with pytest.raises(DataError, match="expected a wheel"):
        measure_footprint(tmp_path / "b.whl", 1, progress, tmp_path)


def test_a_process_that_fails_is_told_in_one_line(
    tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line of its traceback, as an error of ours."""
    monkeypatch.setattr("benchmarks.footprint._IMPORT", "raise OSError('no disk')")
    with pytest.raises(DataError, match="a process failed: OSError: no disk"):
        measure_footprint(None, 1, progress, tmp_path)


def test_energy_is_the_sum_of_all_packages(tmp_path: Path) -> None:
    """Parts of a package are in its own count already; a closed file is no energy."""
    zones = tmp_path / "sys" / "class" / "powercap"
    for name, count_uj in {
        "rapl:0": 2_000_000,
        "rapl:1": 500_000,
        "rapl:0:0": 7,
    }.items():
        (zones / name).mkdir(parents=True)
        (zones / name / "energy_uj").write_text(f"{count_uj}\n", encoding="ascii")
    assert read_energy_j(tmp_path) == 2.5
    (zones / "rapl:1" / "energy_uj").write_text("?", encoding="ascii")
    assert read_energy_j(tmp_path) is None


def test_limit_holds_every_graph_against_a_peak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each graph of both CPU targets has its time, its floor and their ratio."""
    pytest.importorskip("onnx")
    for name, value in {
        "SIDE": 64,
        "COPY_BYTES": 1 << 16,
        "ROUNDS": 2,
        "STEPS": 3,
    }.items():
        monkeypatch.setattr(limit, name, value)
    out = tmp_path / "limit.json"
    assert main(["limit", "--json", str(out)]) == 0
    assert "face" in capsys.readouterr().out
    result = load_result(out)
    by = {(r.metric, r.stage, r.target): r.value for r in result.records}
    for graph in ("locator", "face", "voice", "affect"):
        for target in ("cpu-fp32", "cpu-int8"):
            taken = by["p50_ms", graph, target]
            [floor] = [
                value
                for (metric, stage, of), value in by.items()
                if metric == "floor_ms" and of == target and graph in str(stage)
            ]
            assert by["ratio", graph, target] == pytest.approx(taken / floor)
    assert set(result.run["peaks"]["products_per_s"]) == {"float", "int8"}
