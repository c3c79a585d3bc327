"""How far a turn, a scale or another order changes what up-sampling gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from benchmarks.records import Record
from edge_affect.pointcloud.upsampler import Upsampler
from training.pointcloud.metrics import nearness
from training.pointcloud.patches import Points

TURNS = 20
"""Random rotations of each shape."""
SCALES = (1e-3, 1e3)
ORDERS = 3
"""Random orders of each shape's points."""
_SEED = 20_260_102

Change = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def measure_changes(
    upsampler: Upsampler, shapes: Sequence[tuple[Points, Points]]
) -> list[Record]:
    """Return the worst share of its own error that a cloud changes by.

    CD(change(up(x)), up(change(x))) over CD(up(x), truth), the largest of all shapes.

    Args:
        upsampler: Ours.
        shapes: ``(n, 3)`` that go in, and the true points of each.
    """
    shares: dict[str, list[float]] = {}
    for sparse, truth in shapes:
        made = upsampler.upsample(sparse)
        own = nearness(made, truth).chamfer
        for kind, change in _changes():
            apart = nearness(change(made), upsampler.upsample(change(sparse))).chamfer
            shares.setdefault(kind, []).append(apart / own)
        for mixed in _orders(sparse):
            apart = nearness(made, upsampler.upsample(mixed)).chamfer
            shares.setdefault("order", []).append(apart / own)
    return [
        Record("ratio", max(values), split=f"4x, other {kind}", n=len(values))
        for kind, values in shares.items()
    ]


def _changes() -> Iterator[tuple[str, Change]]:
    for turn in Rotation.random(TURNS, random_state=_SEED):
        yield "direction", turn.apply
    for scale in SCALES:
        yield "scale", partial(np.multiply, scale)


def _orders(points: Points) -> Iterator[Points]:
    random = np.random.default_rng(_SEED)
    for _ in range(ORDERS):
        yield points[random.permutation(len(points))]
