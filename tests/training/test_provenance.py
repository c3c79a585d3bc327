from __future__ import annotations

import json
import platform
import socket
from pathlib import Path

import pytest

from training.provenance import machine_info, source_commit


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """Return a root that looks like a Jetson's."""
    for name, content in (
        ("proc/cpuinfo", "processor : 0\nModel\t: ARMv8 Processor rev 1 (v8l)\n"),
        ("proc/meminfo", "MemTotal:        7802636 kB\nMemFree: 5 kB\n"),
        ("proc/device-tree/model", "NVIDIA Jetson Orin Nano\0"),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "schedutil\n"),
        ("var/lib/nvpmodel/status", "pmode:0002\n"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tmp_path


def test_machine_info_reads_a_board(board: Path) -> None:
    """Processor, memory, board and power mode come from the system's files."""
    known = machine_info(board)
    assert known["cpu"] == "ARMv8 Processor rev 1 (v8l)"
    assert known["memory_bytes"] == 7802636 * 1024
    assert known["board"] == "NVIDIA Jetson Orin Nano"
    assert (known["governor"], known["power_mode"]) == ("schedutil", "pmode:0002")


def test_machine_info_leaves_out_what_is_not_known(tmp_path: Path) -> None:
    """Without any system file there are still cores, Python and versions."""
    known = machine_info(tmp_path)
    assert not {"memory_bytes", "board", "governor", "power_mode"} & known.keys()
    assert known["python"] == platform.python_version()
    assert known["cores"]


def test_machine_info_of_this_machine_tells_no_name_and_no_path() -> None:
    """What is written names neither the host nor a folder."""
    text = json.dumps(machine_info())
    assert f'"{socket.gethostname()}"' not in text
    assert str(Path.home()) not in text
    assert str(Path.cwd()) not in text


def test_source_commit_is_none_outside_of_a_checkout(tmp_path: Path) -> None:
    """A folder without git has no commit."""
    assert source_commit(tmp_path) is None
    assert source_commit(tmp_path / "missing") is None
