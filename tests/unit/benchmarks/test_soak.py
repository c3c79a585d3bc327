"""The soak: scripts, the run in simulated time, and that a defect shows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count, islice, pairwise
from mmap import mmap
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.__main__ import main
from benchmarks.records import load_result
from benchmarks.soak import realtime
from benchmarks.soak.load import StolenTime
from benchmarks.soak.process import ProcessWatch
from benchmarks.soak.promises import GROWTH_BYTES, rows_of, same_bytes
from benchmarks.soak.realtime import RealtimePlan
from benchmarks.soak.rows import Row, render_rows
from benchmarks.soak.script import Do, make_script
from benchmarks.soak.simulated import SimulatedRun
from edge_affect.errors import DataError
from edge_affect.realtime import health, vision
from edge_affect.realtime.accounts import BUSY, FrameAccounts
from edge_affect.realtime.ladder import Ladder
from edge_affect.realtime.loop import StreamLoop
from edge_affect.realtime.stepper import CellStepper
from edge_affect.sensing.quality import FrameQuality
from edge_affect.types import Estimate, Frame

FRAMES = 6_000
"""Enough for every kind of fault of seed 0 that the defects below need."""


_PLUGS = {Do.REPLUG: Do.UNPLUG, Do.MIC_REPLUG: Do.MIC_UNPLUG}


def test_script_of_a_seed_is_always_the_same() -> None:
    """Two scripts of a seed are equal; another seed's is not."""
    assert list(make_script(3, 500)) == list(make_script(3, 500))
    assert list(make_script(3, 500)) != list(make_script(4, 500))


def test_script_begins_like_a_shorter_one() -> None:
    """What a short run shows, a long one of the same seed shows as well."""
    short = list(make_script(5, 500))
    assert list(islice(make_script(5, 2_000), len(short))) == short


def test_script_delivers_nothing_while_a_device_is_unplugged() -> None:
    """In no drive, not even at the instant: of seed 1868 a frame is due just then."""
    for events in (list(make_script(1868, 300)), list(make_script(0, 20_000))):
        gone = {Do.UNPLUG: False, Do.MIC_UNPLUG: False}
        for event in events:
            if event.do in gone:
                gone[event.do] = True
            elif event.do in (Do.REPLUG, Do.MIC_REPLUG):
                gone[_PLUGS[event.do]] = False
            else:
                assert not (gone[Do.UNPLUG] and event.do is Do.FRAME), event
                assert not (gone[Do.MIC_UNPLUG] and event.do is Do.SOUND), event


def test_script_holds_every_fault_in_order_of_time() -> None:
    """Nothing of the vocabulary is left out, and time goes forward."""
    events = list(make_script(0, 40_000))
    assert {event.do for event in events} == set(Do)
    # A frame that jitters over the end of its episode is the only exception.
    back_ns = [a.t_ns - b.t_ns for a, b in pairwise(events) if b.t_ns < a.t_ns]
    assert max(back_ns, default=0) < 100_000_000


@pytest.mark.slow
def test_soak_keeps_every_promise_over_a_hundred_thousand_frames(
    tmp_path: Path,
) -> None:
    """Mixed faults for hours of simulated time: no row is missed, all are tested.

    In a process of its own, as users run it: what other tests leave behind is freed and
    taken again meanwhile, and would count as memory that grows.
    """
    out = tmp_path / "soak.json"
    command = [sys.executable, "-m", "benchmarks", "soak", "--frames", "100000"]
    told = subprocess.run(
        [*command, "--json", str(out)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    frames = {r.stage: r.value for r in load_result(out).records}["frames"]
    assert frames >= 100_000


@pytest.mark.parametrize("seed", range(1, 5))
def test_soak_keeps_every_promise_of_other_seeds(seed: int) -> None:
    """Other scripts, other cameras: nothing is missed in them either."""
    outcome = SimulatedRun(seed).run(3_000)
    assert outcome.findings.told == []
    assert [row.promise for row in rows_of(outcome) if not row.kept] == []


def test_soak_of_a_seed_gives_the_same_bytes_twice() -> None:
    """One seed, one record; another seed, another."""
    first, again = SimulatedRun(8).run(1_500), SimulatedRun(8).run(1_500)
    assert first.digest == again.digest
    assert first.digest != SimulatedRun(9).run(1_500).digest
    assert not same_bytes(first, replace(again, digest="0")).kept


def test_main_soaks_and_writes_a_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table with every promise, and a result with machine, seed and limits."""
    out = tmp_path / "soak.json"
    arguments = ["--frames", "800", "--seed", "2", "--json", str(out)]
    assert main(["soak", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "frames unaccounted for" in printed
    assert "seed 2" in printed
    result = load_result(out)
    told = {record.stage: record for record in result.records}
    assert told["frames unaccounted for"].value == 0
    assert told["frames"].value >= 800
    assert result.run["limits"]["memory growth"] == GROWTH_BYTES
    assert "--seed 2" in result.run["command"]
    assert str(tmp_path) not in out.read_text(encoding="utf-8")
    json.loads(out.read_text(encoding="utf-8"), parse_constant=pytest.fail)


Break = Callable[[pytest.MonkeyPatch], None]


def uncounted_drop(patch: pytest.MonkeyPatch) -> None:
    """Lose frames for a newer one without counting them."""
    drop = FrameAccounts.drop

    def forget(self: FrameAccounts, reason: str, count: int = 1) -> None:
        if reason != BUSY:
            drop(self, reason, count)

    patch.setattr(FrameAccounts, "drop", forget)


def lost_estimate(patch: pytest.MonkeyPatch) -> None:
    """Emit only some of the estimates."""
    step = StreamLoop._step

    def skip(self: StreamLoop, t_ns: int, frame: Frame | None, from_ns: int) -> None:
        emit = self._emit
        if self.cells % 500 == 499:
            self._emit = lambda _: None
        step(self, t_ns, frame, from_ns)
        self._emit = emit

    patch.setattr(StreamLoop, "_step", skip)


def old_faces(patch: pytest.MonkeyPatch) -> None:
    """Trust a face for twice as long as promised."""
    patch.setattr(health, "STALE_NS", 2 * health.STALE_NS)


def blind_to_freezing(patch: pytest.MonkeyPatch) -> None:
    """Never tell that a camera is frozen."""
    patch.setattr(FrameQuality, "check", lambda *_: ())


def values_of_nothing(patch: pytest.MonkeyPatch) -> None:
    """Tell values with neither face nor voice."""
    patch.setattr("edge_affect.realtime.stepper._has_input", lambda *_: True)


def stuck_ladder(patch: pytest.MonkeyPatch) -> None:
    """Never climb."""
    patch.setattr(Ladder, "_climb_wait_ns", 1 << 62)


def deaf_to_nan(patch: pytest.MonkeyPatch) -> None:
    """Let outputs pass that are not finite."""
    patch.setattr("edge_affect.runners.base.np.isfinite", lambda _: np.True_)


def test_main_fails_on_a_value_that_is_not_finite(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The record itself refuses it: exit code 1 and one line."""
    deaf_to_nan(monkeypatch)
    assert main(["soak", "--frames", str(FRAMES), "--seed", "0"]) == 1
    assert "not JSON compliant" in capsys.readouterr().err


def slow_return(patch: pytest.MonkeyPatch) -> None:
    """Never take up a face again once it was gone."""
    look = vision.VisionPath.look

    def once(
        self: vision.VisionPath, frame: Frame, detect_every: int
    ) -> NDArray[np.uint8] | None:
        last_ns = self.frame_ns
        if last_ns is None or frame.t_capture_ns - last_ns < health.STALE_NS * 2:
            return look(self, frame, detect_every)
        return None

    patch.setattr(vision.VisionPath, "look", once)


def leak(patch: pytest.MonkeyPatch) -> None:
    """Keep something of cell after cell for ever."""
    kept: list[mmap] = []
    cells = count()
    step = CellStepper.step

    def keep(self: CellStepper, cell: object) -> Estimate:
        # Fresh pages, written to: what the process has freed before cannot hide them.
        if next(cells) % 20 == 0:
            kept.append(mmap(-1, 262_144))
            kept[-1].write(b"\x01" * 262_144)
        return step(self, cell)  # type: ignore[arg-type]

    patch.setattr(CellStepper, "step", keep)


@pytest.mark.parametrize(
    ("defect", "promise"),
    [
        (uncounted_drop, "frames unaccounted for"),
        (lost_estimate, "estimates lost or out of order"),
        (old_faces, "not stale at 170 ms"),
        (blind_to_freezing, "dead picture untold"),
        (values_of_nothing, "values from dead input"),
        (stuck_ladder, "not in full service again"),
        (slow_return, "source back, not ok"),
        (leak, "memory growth"),
    ],
)
def test_main_fails_when_the_loop_is_broken(
    defect: Break,
    promise: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Each defect is told by its promise, with exit code 1 and in the result file."""
    defect(monkeypatch)
    monkeypatch.setattr("benchmarks.soak.promises.TWICE_FRAMES", 50)
    out = tmp_path / "soak.json"
    arguments = ["--frames", str(FRAMES), "--seed", "0", "--json", str(out)]
    assert main(["soak", *arguments]) == 1
    told = capsys.readouterr()
    assert promise in told.err.splitlines()[-1]
    assert "MISSED" in told.out
    result = load_result(out)
    limits = cast("dict[str, float]", result.run["limits"])
    seen = {str(r.stage): r.value for r in result.records}
    missed = [name for name, most in limits.items() if seen[name] > most]
    assert any(promise in name for name in missed)


def test_process_watch_counts_files_sockets_and_collections(tmp_path: Path) -> None:
    """What is opened for writing, made or collected while it watches is counted."""
    import gc
    import socket

    with ProcessWatch() as quiet:
        (tmp_path / "missing").exists()
    with ProcessWatch() as busy:
        (tmp_path / "a").write_text("a")
        socket.socket().close()
        gc.collect()
    assert (quiet.growth.writes, quiet.growth.sockets) == (0, 0)
    assert busy.growth.writes == 1
    assert busy.growth.sockets >= 1
    assert busy.growth.collections == 1


def test_rows_say_what_was_missed_and_what_was_not_tested() -> None:
    """A promise that nothing put to the test is neither kept nor missed."""
    rows = [
        Row("kept", "count", 0, 0, 5),
        Row("missed", "max_ms", 3.5, 2, 5),
        Row("idle", "count", 0, 0, 0),
        Row("told", "count", 7, float("inf"), 1),
    ]
    lines = render_rows(rows).splitlines()[1:]
    assert [line.split("  ")[-1].strip() for line in lines[:3]] == [
        "ok",
        "MISSED",
        "not tested",
    ]
    assert [row.kept for row in rows] == [True, False, True, True]


def test_steal_is_a_share_of_all_time(tmp_path: Path) -> None:
    """The eighth column of /proc/stat, against their sum."""
    stat = tmp_path / "stat"
    stat.write_text("cpu  10 0 0 90 0 0 0 0 0 0\n")
    steal = StolenTime(stat)
    stat.write_text("cpu  60 0 0 130 0 0 0 10 0 0\n")
    assert steal.share() == pytest.approx(0.1)


def test_main_calls_a_run_in_real_time_void_when_time_was_stolen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every row of a short run is printed; it is void, whatever it showed."""
    monkeypatch.setattr(realtime, "WARM_UP_FRAMES", 3)
    monkeypatch.setattr(StolenTime, "share", lambda _: 0.02)
    arguments = ["--realtime", "--frames", "20", "--cycles", "1", "--starve", "0.2"]
    assert main(["soak", *arguments]) == 1
    told = capsys.readouterr()
    rows = {line.split("  ")[0]: line for line in told.out.splitlines()}
    assert rows["frames unaccounted for"].endswith("ok")
    assert "20" in rows["misses while healthy"]
    assert "starved, until full service" in rows
    assert rows["share of time stolen"].endswith("MISSED")
    assert "void: 2.0 %" in told.err


def test_main_soaks_many_seeds_as_one_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Frames, estimates and tests of all scripts add up; the worst figure counts."""
    out = tmp_path / "seeds.json"
    arguments = ["--frames", "300", "--seed", "4", "--seeds", "3", "--json", str(out)]
    assert main(["soak", *arguments]) == 0
    capsys.readouterr()
    runs = [SimulatedRun(seed).run(300) for seed in (4, 5, 6)]
    told = {record.stage: record for record in load_result(out).records}
    assert told["frames"].value == sum(run.frames for run in runs)
    assert told["estimates"].value == sum(run.cells for run in runs)
    back = told["source back, not ok within 1 s"]
    counts = [run.findings.counted["source back is ok"] for run in runs]
    assert back.n == sum(counts)
    assert told["camera back until ok"].value == pytest.approx(
        max(run.findings.worst.get("camera ok after ms", 0) for run in runs), abs=0.1
    )


def test_main_names_the_seed_that_broke_a_promise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever mends it can run that script alone."""
    lost_estimate(monkeypatch)
    assert main(["soak", "--frames", "600", "--seed", "3", "--seeds", "3"]) == 1
    assert "seed 3: order" in capsys.readouterr().err


def test_main_refuses_many_seeds_in_real_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Scripts are of simulated time; one line says so."""
    assert main(["soak", "--realtime", "--seeds", "2"]) == 1
    assert "--seeds with --realtime" in capsys.readouterr().err


@pytest.mark.parametrize("plan", [{"cycles": -1}, {"starve_s": 0.0}])
def test_realtime_plan_refuses_what_cannot_be_run(plan: dict[str, float]) -> None:
    """One line says what was got and what is expected."""
    with pytest.raises(DataError, match="expected 0 or more"):
        RealtimePlan(**plan)  # type: ignore[arg-type]
