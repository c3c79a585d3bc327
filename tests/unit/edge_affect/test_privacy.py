"""Nothing but numbers leaves the process: no socket, and no file but the record."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_affect.model.bundle import shipped_folder
from edge_affect.sinks.record import GROUPS

WATCHED = """
import os, sys
told = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

def watch(event, args):
    if event.startswith("socket.") or event in ("subprocess.Popen", "os.exec"):
        os.write(told, f"{event} {args}\\n".encode())
    elif event == "open":
        path, mode, flags = args
        if (flags or 0) & WRITES or any(c in (mode or "r") for c in "wax+"):
            os.write(told, f"write {path}\\n".encode())

sys.addaudithook(watch)
from edge_affect.cli import main
code = main(sys.argv[2:])
os.write(told, b"end of the run\\n")
sys.exit(code)
"""
"""Runs the command while every opening for writing and every socket is told."""

HARMLESS = {"/dev/null"}


def _watched_run(folder: Path, *arguments: str, **variables: str) -> list[str]:
    told = folder / "told.txt"
    done = subprocess.run(
        [sys.executable, "-B", "-c", WATCHED, str(told), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "HOME": str(folder / "home"),
            "XDG_CACHE_HOME": "",
            **variables,
        },
    )
    assert done.returncode == 0, done.stderr
    return told.read_text(encoding="utf-8").splitlines()


@pytest.mark.skipif(
    not shipped_folder("edge-affect-s").exists(), reason="no bundle is shipped"
)
def test_run_opens_no_socket_and_writes_the_record_alone(tmp_path: Path) -> None:
    """Camera and sound in: the only thing written is the record that was asked for."""
    record = tmp_path / "run.jsonl"
    events = _watched_run(
        tmp_path,
        "run",
        "simulated",
        *("--purpose", "research", "--max-seconds", "2", "--out", str(record)),
    )
    assert events[-1] == "end of the run"
    written = {line.removeprefix("write ") for line in events[:-1]}
    assert written - HARMLESS == {f"{record}.part"}
    # What native code writes raises no event: the user's folders must stay empty.
    assert not (tmp_path / "home").exists()


@pytest.mark.skipif(
    not shipped_folder("edge-affect-s").exists(), reason="no bundle is shipped"
)
def test_run_of_a_service_tells_its_manager_that_it_lives_and_no_more(
    tmp_path: Path,
) -> None:
    """The one socket is local, of datagrams, and carries one of three fixed words."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        events = _watched_run(
            tmp_path,
            *("run", "simulated", "--purpose", "research", "--max-seconds", "2"),
            NOTIFY_SOCKET=address,
            WATCHDOG_USEC="1000000",
        )
        manager.setblocking(False)
        heard = []
        with contextlib.suppress(BlockingIOError):
            while True:
                heard.append(manager.recv(4096))
    assert (heard[0], heard[-1]) == (b"READY=1", b"STOPPING=1")
    assert set(heard[1:-1]) <= {b"WATCHDOG=1"}
    sockets = [line for line in events if line.startswith("socket.")]
    assert sum(line.startswith("socket.__new__") for line in sockets) == 1
    assert all(
        line.startswith("socket.__new__") or f"'{address}'" in line for line in sockets
    )


def test_doctor_wakes_no_telemetry(tmp_path: Path) -> None:
    """Its probes import what they look at: ONNX Runtime would begin a data base."""
    subprocess.run(
        [sys.executable, "-B", "-m", "edge_affect", "doctor"],
        capture_output=True,
        timeout=120,
        check=True,
        env={**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": ""},
    )
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in str(path)]


@pytest.mark.skipif(
    not shipped_folder("edge-affect-s").exists(), reason="no bundle is shipped"
)
def test_record_holds_single_numbers_and_names_alone(tmp_path: Path) -> None:
    """No line of a record could hold an image, sound, landmarks or an embedding."""
    record = tmp_path / "run.jsonl"
    _watched_run(
        tmp_path,
        "run",
        "simulated",
        *("--purpose", "research", "--max-seconds", "1", "--out", str(record)),
    )
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    for line in lines[1:]:
        assert line.pop("lost_chunks") == []  # pairs of indices; a file loses none
        for key, value in line.items():
            assert _is_plain(value) or key in (*GROUPS, "health", "dropped"), key
            if isinstance(value, dict):
                assert all(_is_plain(v) or key == "health" for v in value.values())
                assert len(value) <= 12


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))
