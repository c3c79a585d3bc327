"""What a board tells of its heat, its throttling and its power mode; read, never set.

Temperatures are those of Linux's thermal zones; throttling is counted by the hwmon
device ``soctherm_oc`` of a Jetson, the power mode is what its ``nvpmodel`` wrote down.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

MILLI = 1_000
"""Zones give thousandths of a degree."""
_PLAUSIBLE_C = (-40.0, 150.0)
"""A zone that is switched off or broken gives something else, if anything."""
_THROTTLE_DEVICE = "soctherm_oc"
_MODE = re.compile(r"pmode:(\d+)")
_NAME = re.compile(r"POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)")


@dataclass(frozen=True, slots=True)
class BoardState:
    """What a board told at one moment; None where it tells nothing."""

    temperature_c: float | None = None
    """The hottest zone, °C."""
    throttle_events: int | None = None
    """Times that over-current or over-heat slowed the chip since it was switched on:
    a rise means that it happened meanwhile, the count itself means little."""
    power_mode: str | None = None
    """Name of the power mode, such as ``15W``, or its number where it has no name."""


def read_board(root: Path = Path("/")) -> BoardState:
    """Return what the board tells now; never raises for what is missing.

    Args:
        root: Where ``sys``, ``var`` and ``etc`` lie; another one in tests.
    """
    return BoardState(_hottest_c(root), _throttle_events(root), _power_mode(root))


def _hottest_c(root: Path) -> float | None:
    zones = (root / "sys/class/thermal").glob("thermal_zone*/temp")
    low_c, high_c = _PLAUSIBLE_C
    degrees = [milli / MILLI for zone in zones if (milli := _number(zone)) is not None]
    return max((one for one in degrees if low_c <= one <= high_c), default=None)


def _throttle_events(root: Path) -> int | None:
    counts = [
        _number(counter)
        for name in (root / "sys/class/hwmon").glob("hwmon*/name")
        if _text(name) == _THROTTLE_DEVICE
        for counter in name.parent.glob("oc*_event_cnt")
    ]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _power_mode(root: Path) -> str | None:
    chosen = _MODE.search(_text(root / "var/lib/nvpmodel/status"))
    if chosen is None:
        return None
    number = int(chosen[1])
    for mode in _NAME.finditer(_text(root / "etc/nvpmodel.conf")):
        if int(mode[1]) == number:
            return mode[2]
    return str(number)


def _number(path: Path) -> int | None:
    """Return the number in a file; None for anything else, or none."""
    try:
        return int(_text(path))
    except ValueError:
        return None


def _text(path: Path) -> str:
    """Return a small file's text, empty where it cannot be read: drivers may refuse."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
