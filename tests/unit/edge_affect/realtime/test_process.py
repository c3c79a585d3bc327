"""What a stepping thread asks of the machine, and what happens when it is refused."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_affect.commands.settings import run_settings
from edge_affect.config import RealtimeSettings, StreamConfig, config_from_mapping
from edge_affect.errors import ConfigError
from edge_affect.realtime.process import in_real_time

linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's scheduler")


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def in_thread(act: Callable[[], None]) -> None:
    """Run in a thread: what it asks for ends with it."""
    faults: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - raised again below
            faults.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    if faults:
        raise faults[0]


def test_by_default_nothing_is_asked_for() -> None:
    """An application's process is left as it is."""
    before = gc.get_threshold(), gc.get_freeze_count()
    with in_real_time(RealtimeSettings()):
        assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_the_collector_rests_until_the_last_stream_has_ended() -> None:
    """No full collection, however many objects come; afterwards all is as before."""
    before = gc.get_threshold()
    settings = RealtimeSettings(freeze_collector=True)
    with in_real_time(settings):
        frozen = gc.get_freeze_count()
        assert frozen > 1_000
        with in_real_time(settings):
            pass
        assert gc.get_freeze_count() == frozen
        full = gc.get_stats()[2]["collections"]
        kept: list[list[object]] = [[[]] for _ in range(200_000)]
        assert gc.get_stats()[2]["collections"] == full
        assert len(kept) == 200_000
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


@linux
def test_the_thread_runs_on_the_processors_that_were_asked_for() -> None:
    """The thread alone, not the process."""
    mine = os.sched_getaffinity(0)
    one = min(mine)

    def act() -> None:
        with in_real_time(RealtimeSettings(cores=(one,))):
            assert os.sched_getaffinity(0) == {one}

    in_thread(act)
    assert os.sched_getaffinity(0) == mine


@linux
def test_a_real_time_priority_is_taken_or_its_refusal_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Which of both depends on who runs the test; it is never an error."""

    def act() -> None:
        with in_real_time(RealtimeSettings(priority=7)):
            is_fifo = os.sched_getscheduler(0) == os.SCHED_FIFO
            is_seven = os.sched_getparam(0).sched_priority == 7
            assert (is_fifo and is_seven) or "realtime.priority: refused" in caplog.text

    in_thread(act)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


@linux
def test_what_is_refused_is_logged_and_the_stream_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line each, with what it takes."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    for name in ("sched_setscheduler", "sched_setaffinity"):
        monkeypatch.setattr(os, name, refuse)
    asked = RealtimeSettings(priority=40, cores=(0,))
    with caplog.at_level(logging.WARNING), in_real_time(asked):
        went_on = True
    assert went_on
    cores, priority = (record.getMessage() for record in caplog.records)
    assert cores == "realtime.cores: refused (Operation not permitted)"
    assert priority == (
        "realtime.priority: refused (Operation not permitted); it takes "
        "LimitRTPRIO=49 in a systemd unit, ulimit -r 49 in a shell"
    )


@linux
def test_memory_is_locked_where_the_limit_allows_it() -> None:
    """In a process of its own: what is locked stays locked."""
    code = (
        "import logging; logging.basicConfig()\n"
        "from edge_affect.config import RealtimeSettings\n"
        "from edge_affect.realtime.process import in_real_time\n"
        "with in_real_time(RealtimeSettings(lock_memory=True)):\n"
        "    print(open('/proc/self/status').read())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (line,) = [x for x in done.stdout.splitlines() if x.startswith("VmLck:")]
    locked_kb = int(line.split()[1])
    assert locked_kb > 1_000 or "realtime.lock_memory: refused" in done.stderr


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"priority": 50}, "realtime.priority: got 50, expected 1 to 49"),
        ({"priority": "high"}, "realtime.priority: got 'high'"),
        ({"cores": [0, -1]}, "realtime.cores: got -1"),
        ({"cores": ["a"]}, "realtime.cores: got 'a'"),
        ({"lock": True}, "realtime.lock: unknown key"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    values: dict[str, object], told: str
) -> None:
    """The error names the key."""
    with pytest.raises(ConfigError, match=told):
        config_from_mapping(StreamConfig, {"purpose": "research", "realtime": values})


def test_run_rests_the_collector_unless_its_file_says_otherwise(tmp_path: Path) -> None:
    """Its process is the stream's alone; a table with other keys changes nothing."""
    flags = {"source": "simulated", "purpose": "research"}
    assert run_settings(flags, None).realtime == RealtimeSettings(freeze_collector=True)
    file = tmp_path / "run.json"
    file.write_text('{"realtime": {"priority": 40, "cores": [1, 2]}}')
    assert run_settings(flags, file).realtime == RealtimeSettings(
        priority=40, cores=(1, 2), freeze_collector=True
    )
    file.write_text('{"realtime": {"freeze_collector": false}}')
    assert run_settings(flags, file).realtime == RealtimeSettings()
