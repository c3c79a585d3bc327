"""What it costs to have it: size, import, first estimate, memory, processor, energy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np

import edge_affect
from benchmarks.fresh import end_fresh, run_fresh, start_fresh
from benchmarks.progress import Progress
from benchmarks.records import Record
from edge_affect.clock import NS_PER_MS, NS_PER_S, SystemClock
from edge_affect.errors import DataError

FRESH = 5
"""Times that a fresh process is started."""
DEPENDENCIES = ("numpy", "onnxruntime", "opencv-python-headless")
"""What the runtime core needs besides itself."""
_IMPORT = """
import time
start = time.perf_counter()
import edge_affect
print(time.perf_counter() - start)
"""
_FIRST = """
import edge_affect
with edge_affect.AffectStream("simulated", purpose="research") as stream:
    next(iter(stream))
    print("first", flush=True)
"""
_RUNNING = """
import json, resource, sys
from benchmarks.arrivals import Delays
from benchmarks.looped import LoopedSource, draw
from edge_affect.clock import NS_PER_MS, NS_PER_S, SystemClock
from edge_affect.realtime.stream import AffectStream
def used():
    told = resource.getrusage(resource.RUSAGE_SELF)
    return told.ru_utime + told.ru_stime
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
clock = SystemClock()
drawn = draw(0)
pictures = sum(i.data.nbytes for i in drawn.items if hasattr(i, "data"))
with AffectStream(LoopedSource(drawn, clock), purpose="research") as stream:
    clock.sleep_until(clock.now_ns() + 3 * NS_PER_S)
    before, start_ns = used(), clock.now_ns()
    clock.sleep_until(start_ns + int(float(sys.argv[1]) * NS_PER_S))
    share = (used() - before) / ((clock.now_ns() - start_ns) / NS_PER_S)
    told = {"share": share, "bytes": resident() - pictures}
    print(json.dumps(told | {"target": stream.info.target}))
"""


def measure_footprint(
    wheel: Path | None, seconds: float, progress: Progress, root: Path = Path("/")
) -> list[Record]:
    """Return sizes, times of fresh processes, memory and the processor's share.

    Args:
        wheel: The wheel whose size is told, if there is one.
        seconds: For how long a stream of 640×480 at 30 frames per second runs.
        progress: Told what is going on.
        root: Where ``sys`` lies; another one in tests.

    Raises:
        DataError: The wheel cannot be read, or a process failed.
    """
    records = list(_sizes(wheel))
    for told, code, metric in (
        ("import edge_affect", _IMPORT, "p50_ms"),
        ("process start to first estimate", _FIRST, "p50_ms"),
    ):
        times_ms = [_fresh_ms(code) for _ in progress.track(range(FRESH), FRESH, told)]
        median = float(np.median(times_ms))
        records.append(Record(metric, median, stage=told, n=FRESH))
        records.append(Record("max_ms", max(times_ms), stage=told, n=FRESH))
    before_j = read_energy_j(root)
    clock = SystemClock()
    start_ns = clock.now_ns()
    for _ in progress.track(range(1), 1, "stream at 30 Hz"):
        told_of = json.loads(run_fresh(_RUNNING, str(seconds)))
    spent_s = (clock.now_ns() - start_ns) / NS_PER_S
    after_j = read_energy_j(root)
    stage, target = "stream at 30 Hz", told_of["target"]
    memory = f"{stage}, resident memory"
    records += [
        Record("cpu_share", told_of["share"], stage=stage, target=target),
        Record("bytes", told_of["bytes"], stage=memory, target=target),
    ]
    if before_j is not None and after_j is not None:
        watt = (after_j - before_j) / spent_s
        records.append(Record("watt", watt, stage=f"{stage}, all of the package"))
    return records


def _sizes(wheel: Path | None) -> Iterator[Record]:
    if wheel is not None:
        try:
            size = wheel.stat().st_size
        except OSError as error:
            raise DataError(f"{wheel}: {error.strerror}; expected a wheel") from error
        yield Record("bytes", size, stage="wheel")
    yield Record("bytes", own_bytes(), stage="installed edge_affect")
    for name in DEPENDENCIES:
        yield Record("bytes", installed_bytes(name), stage=f"installed {name}")


def own_bytes() -> int:
    """Return the size of our own package without compiled files."""
    package = Path(edge_affect.__file__).parent
    files = [p for p in package.rglob("*") if "__pycache__" not in p.parts]
    return sum(p.stat().st_size for p in files if p.is_file())


def installed_bytes(name: str) -> int:
    """Return the size of the files that an installed package lists as its own."""
    listed = metadata.files(name) or []
    paths = [Path(str(one.locate())) for one in listed]
    return sum(p.stat().st_size for p in paths if p.is_file())


def read_energy_j(root: Path) -> float | None:
    """Return what the processor's package has used since it began to count, J.

    By the kernel's power capping interface; None where there is none or it is closed.
    """
    zones = [
        zone
        for zone in (root / "sys/class/powercap").glob("*/energy_uj")
        if zone.parent.name.count(":") == 1  # with two it is a part of a package
    ]
    try:
        counts_uj = [int(zone.read_text(encoding="ascii")) for zone in zones]
    except (OSError, ValueError):
        return None
    return sum(counts_uj) / 1e6 if counts_uj else None


def _fresh_ms(code: str) -> float:
    """Return what ``code`` prints as seconds, or how long it takes to print a word."""
    clock = SystemClock()
    start_ns = clock.now_ns()
    with start_fresh(code) as process:
        said = process.stdout.readline() if process.stdout else ""
        spent_ms = (clock.now_ns() - start_ns) / NS_PER_MS
        end_fresh(process)
    return 1e3 * float(said) if said[:1].isdigit() else spent_ms
