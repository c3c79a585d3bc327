"""What is read of a board, from a made-up tree of its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_affect.board import BoardState, read_board

MODES = """
# comment
< POWER_MODEL ID=0 NAME=15W >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=1 NAME=25W >
< POWER_MODEL ID=2 NAME=MAXN_SUPER >
< PM_CONFIG DEFAULT=1 >
"""


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def jetson(tmp_path: Path) -> Path:
    """Make the files of a board that was throttled three times."""
    _write(
        tmp_path,
        {
            "sys/class/thermal/thermal_zone0/temp": "51250\n",
            "sys/class/thermal/thermal_zone1/temp": "63500\n",
            "sys/class/thermal/thermal_zone2/temp": "-256000\n",
            "sys/class/thermal/thermal_zone3/temp": "",
            "sys/class/thermal/cooling_device0/temp": "99000\n",
            "sys/class/hwmon/hwmon0/name": "pwmfan\n",
            "sys/class/hwmon/hwmon0/oc1_event_cnt": "77\n",
            "sys/class/hwmon/hwmon3/name": "soctherm_oc\n",
            "sys/class/hwmon/hwmon3/oc1_event_cnt": "0\n",
            "sys/class/hwmon/hwmon3/oc2_event_cnt": "1\n",
            "sys/class/hwmon/hwmon3/oc3_event_cnt": "2\n",
            "sys/class/hwmon/hwmon3/oc3_throt_en": "1\n",
            "var/lib/nvpmodel/status": "pmode:0002\n",
            "etc/nvpmodel.conf": MODES,
        },
    )
    return tmp_path


def test_read_board_takes_the_hottest_zone_the_events_and_the_mode(
    jetson: Path,
) -> None:
    """Zones that are off are left out, and only the throttling device is counted."""
    assert read_board(jetson) == BoardState(63.5, 3, "MAXN_SUPER")


def test_read_board_of_another_machine_knows_nothing(tmp_path: Path) -> None:
    """Where nothing is told, nothing is made up."""
    assert read_board(tmp_path) == BoardState(None, None, None)


@pytest.mark.parametrize("modes", [None, "", "< POWER_MODEL ID=9 NAME=7W >"])
def test_read_board_gives_the_number_of_a_mode_without_a_name(
    jetson: Path, modes: str | None
) -> None:
    """In a container the list of names may be missing."""
    names = jetson / "etc/nvpmodel.conf"
    names.unlink()
    if modes is not None:
        names.write_text(modes)
    assert read_board(jetson).power_mode == "2"


@pytest.mark.parametrize("text", ["", "hot", "12.5.1", "\x00", "²"])
def test_read_board_takes_no_text_for_a_number(tmp_path: Path, text: str) -> None:
    """Whatever a driver writes, reading it raises nothing."""
    _write(
        tmp_path,
        {
            "sys/class/thermal/thermal_zone0/temp": text,
            "sys/class/hwmon/hwmon0/name": "soctherm_oc",
            "sys/class/hwmon/hwmon0/oc1_event_cnt": text,
            "var/lib/nvpmodel/status": text,
        },
    )
    assert read_board(tmp_path) == BoardState(None, None, None)


def test_read_board_skips_what_a_driver_refuses(jetson: Path) -> None:
    """A file that is there and cannot be read counts as missing."""
    refused = jetson / "sys/class/thermal/thermal_zone1/temp"
    refused.unlink()
    refused.mkdir()
    assert read_board(jetson).temperature_c == 51.25


def test_read_board_writes_nothing(jetson: Path) -> None:
    """Power modes and clocks belong to whoever runs the device."""
    before = {path: path.read_bytes() for path in jetson.rglob("*") if path.is_file()}
    read_board(jetson)
    after = {path: path.read_bytes() for path in jetson.rglob("*") if path.is_file()}
    assert after == before
