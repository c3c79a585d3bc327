"""What up-sampling costs: time for a usual cloud, cost of a point, memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.fresh import run_fresh
from benchmarks.progress import Progress
from benchmarks.records import Record
from edge_affect.clock import NS_PER_MS, SystemClock
from edge_affect.pointcloud.upsampler import TARGET, Upsampler
from training.pointcloud.patches import Points, poisson_disk, sampled
from training.pointcloud.shapes import KINDS, make_mesh

USUAL = 2_048
"""Points of a cloud that a frame of a depth camera may give."""
SIZES = (USUAL, 20_000, 200_000)
"""Points of the clouds whose cost of a point is compared."""
ROUNDS = {USUAL: 50, 20_000: 5, 200_000: 1}
"""Times that a cloud of each size is made denser."""
_WARM_UP = 3
_SHAPE, _SEED = list(KINDS).index("bust"), 4
_MEMORY = """
import sys
from pathlib import Path
import numpy as np
from edge_affect.pointcloud import Upsampler
points = np.random.default_rng(0).normal(size=(2048, 3))
points /= np.linalg.norm(points, axis=1, keepdims=True)
Upsampler(threads=int(sys.argv[1])).upsample(points)
# Not getrusage: its largest is that of the process that started this one, if larger.
told = Path("/proc/self/status").read_text(encoding="ascii")
print(1024 * int(told.partition("VmHWM:")[2].split()[0]))
"""


def measure_pointcloud_cost(
    upsampler: Upsampler, threads: int, progress: Progress
) -> list[Record]:
    """Measure 4 points for one, of a head on shoulders, even samples of it.

    Args:
        upsampler: What is measured.
        threads: How many it has; the process whose memory is told has as many.
        progress: Told how far it is.

    Raises:
        DataError: The process whose memory is measured failed.
    """
    model = f"ours-{upsampler.manifest.name}"
    records: list[Record] = []
    each_us: dict[int, float] = {}
    mesh = make_mesh(_SHAPE, _SEED)
    for size in SIZES:
        # An even sample of exactly so many is dear to thin, and nothing hangs on it.
        exact = size == USUAL
        cloud = sampled(mesh, size, 0) if exact else poisson_disk(mesh, size, 0).points
        rounds = progress.track(range(ROUNDS[size]), ROUNDS[size], f"{size} points")
        times_ms = list(_times_ms(upsampler, cloud, rounds))
        records += _summary(f"{len(cloud)} points", times_ms)
        each_us[size] = 1e3 * float(np.median(times_ms)) / len(cloud)
    for size in SIZES[1:]:
        stage = f"cost of a point among {size} against {USUAL}"
        records.append(Record("ratio", each_us[size] / each_us[USUAL], stage=stage))
    memory = int(run_fresh(_MEMORY, str(threads)))
    stage = f"largest resident memory of a process, {USUAL} points"
    records.append(Record("bytes", memory, stage=stage))
    return [
        Record(
            r.metric,
            r.value,
            head="pointcloud",
            stage=r.stage,
            n=r.n,
            model=model,
            target=TARGET,
        )
        for r in records
    ]


def _times_ms(
    upsampler: Upsampler, cloud: Points, rounds: Iterator[int]
) -> Iterator[float]:
    clock = SystemClock()
    warm = _WARM_UP if len(cloud) == USUAL else 0  # a larger one has warmed up by then
    for _ in range(warm):
        upsampler.upsample(cloud)
    for _ in rounds:
        start_ns = clock.now_ns()
        upsampler.upsample(cloud)
        yield (clock.now_ns() - start_ns) / NS_PER_MS


def _summary(stage: str, times_ms: list[float]) -> Iterator[Record]:
    shares = {"p50_ms": 50, "p90_ms": 90, "max_ms": 100}
    for metric, share in shares.items():
        value = float(np.percentile(times_ms, share))
        yield Record(metric, value, stage=stage, n=len(times_ms))
