"""What else the processors do: busy neighbours, made or found, and stolen time."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.soak.rows import Row


@contextmanager
def busy_cores(loops: int | None = None) -> Iterator[None]:
    """Run so many busy loops inside ``with``; None: one for every core."""
    loops = loops or len(os.sched_getaffinity(0))
    command = [sys.executable, "-S", "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(loops)]  # noqa: S603 - ours
    try:
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


class OtherLoad:
    """The share of the processors' time that other processes of this machine took."""

    def __init__(self) -> None:
        self._before = self._read()

    def row(self) -> Row:
        """Return it as a figure: above some percent the delays are theirs too."""
        busy, own, total = (
            b - a for a, b in zip(self._before, self._read(), strict=True)
        )
        share = max(0.0, (busy - own) / total) if total else 0.0
        told = "share of time for other processes"
        return Row(told, "ratio", round(share, 3), math.inf, 1)

    def _read(self) -> tuple[float, float, float]:
        times = os.times()
        per_s = os.sysconf("SC_CLK_TCK")
        line = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
        ticks = [int(field) for field in line.split()[1:9]]
        idle = ticks[3] + ticks[4]
        own = (times.user + times.system) * per_s
        return sum(ticks) - idle, own, sum(ticks)


class StolenTime:
    """The share of the processors' time that the host gave to others."""

    def __init__(self, stat: Path = Path("/proc/stat")) -> None:
        self._stat = stat
        self._before = self._read()

    def start(self) -> None:
        """Count from now on."""
        self._before = self._read()

    def share(self) -> float:
        """Return the share stolen since ``start``, in [0, 1]."""
        stolen, total = (b - a for a, b in zip(self._before, self._read(), strict=True))
        return stolen / total if total else 0.0

    def _read(self) -> tuple[int, int]:
        line = self._stat.read_text(encoding="ascii").splitlines()[0]
        ticks = [int(field) for field in line.split()[1:9]]
        return ticks[7], sum(ticks)
