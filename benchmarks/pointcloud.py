"""How near up-sampled clouds come to the true surface, beside mid-points."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from benchmarks.peers.gradpu import NAME as GRAD_PU
from benchmarks.peers.gradpu import WEIGHTS, GradPu
from benchmarks.pointcloud_changes import measure_changes
from benchmarks.progress import Progress
from benchmarks.records import Record
from edge_affect.errors import DataError
from edge_affect.pointcloud.files import read_cloud
from edge_affect.pointcloud.upsampler import RATIOS, TARGET, Upsampler
from training.metrics import bootstrap
from training.pointcloud.baseline import midpoints
from training.pointcloud.metrics import nearness, to_surface, unevenness
from training.pointcloud.patches import sampled

FOLDER = "pointcloud/pugan_test"
"""PU-GAN's test set under the data root."""
SPARSE = 2_048
"""Points that go in."""
NOISES = (0.0, 0.005, 0.01, 0.02)
"""Spread of the noise on what goes in, in the cloud's radii."""
MIDPOINTS, FLOOR = "midpoints", "floor"
"""The baseline, and a fresh even sample of the true surface."""
JUDGED, SUBSET = "pugan_mesh", "pugan_subset"
"""Sets: samples of the meshes of our own, which judge; and the inputs as they are
distributed, which are points of their own truth, for the literature alone."""
_SEED = 20_260_101
_THOUSANDTHS = 1e3

Points = NDArray[np.float64]
Way = Callable[[Points, int], NDArray[Any]]
"""Makes a cloud so many times as dense."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape of the test set."""

    name: str
    sparse: Points
    """``(2048, 3)``: what goes in."""
    truth: Points
    """``(8192, 3)``: an even sample of the true surface."""
    mesh: trimesh.Trimesh | None
    """The surface, where it is known."""


def load_shapes(root: Path) -> tuple[list[Shape], list[Shape]]:
    """Return the judged shapes, sampled from their meshes, and all as distributed.

    Raises:
        DataError: The set is not there, or a file is damaged.
    """
    folder = root / FOLDER
    paths = sorted((folder / "gt_8192").glob("*.xyz"))
    if not paths:
        raise DataError(
            f"{folder}: got no gt_8192/*.xyz, expected PU-GAN's test set; name the "
            "root that holds it"
        )
    judged, subset = [], []
    for path in paths:
        truth = np.asarray(read_cloud(path), np.float64)
        given = np.asarray(read_cloud(folder / "input_2048" / path.name), np.float64)
        place = folder / "mesh" / f"{path.stem}.off"
        mesh = trimesh.load_mesh(place) if place.is_file() else None
        subset.append(Shape(path.stem, given, truth, mesh))
        if mesh is not None:
            judged.append(Shape(path.stem, sampled(mesh, SPARSE, _SEED), truth, mesh))
    return judged, subset


def digest_of(shapes: Sequence[Shape]) -> str:
    """Return the SHA-256 of what goes in, so that runs can be told apart."""
    found = hashlib.sha256()
    for shape in shapes:
        found.update(np.round(shape.sparse, 6).astype("<f8").tobytes())
    return found.hexdigest()


def measure_pointcloud(
    root: Path, upsampler: Upsampler | None, progress: Progress
) -> tuple[str, list[Record]]:
    """Measure the mid-points, the floor, Grad-PU where its weights are, and ours.

    Grad-PU makes no 16 points for one here: its descent of 32,768 points takes minutes.

    Args:
        root: The data sets.
        upsampler: Ours; None measures the baseline alone.
        progress: Told how far it is.

    Returns:
        The digest of the judged inputs, and the figures in thousandths of the radius.

    Raises:
        DataError: The test set is not there.
    """
    judged, subset = load_shapes(root)
    ways: dict[str, Way] = {MIDPOINTS: midpoints}
    if (root / WEIGHTS).is_file():
        ways[GRAD_PU] = GradPu(root).upsample
    if upsampler is not None:
        ways[f"ours-{upsampler.manifest.name}"] = upsampler.upsample
    cases = [
        *((SUBSET, subset, 4, 0.0),),
        *((JUDGED, judged, ratio, 0.0) for ratio in RATIOS),
        *((JUDGED, judged, 4, noise) for noise in NOISES[1:]),
    ]
    records: list[Record] = []
    for case in progress.track(cases, len(cases), "point clouds"):
        records += _case(*case, ways)
    if upsampler is not None:
        pairs = [(shape.sparse, shape.truth) for shape in judged]
        for record in measure_changes(upsampler, pairs):
            model = f"ours-{upsampler.manifest.name}"
            placed = replace(record, set=JUDGED, head="pointcloud", model=model)
            records.append(placed)
    records += _summary("floor", JUDGED, FLOOR, [_floor(shape) for shape in judged])
    told = {True: TARGET, False: None}
    records = [
        replace(r, target=told[str(r.model).startswith("ours")]) for r in records
    ]
    return digest_of(judged), records


def _case(
    name: str,
    shapes: Sequence[Shape],
    ratio: int,
    noise: float,
    ways: dict[str, Way],
) -> Iterator[Record]:
    split = f"{ratio}x" if not noise else f"{ratio}x noise {noise:g}"
    found = {
        model: [_figures(way, shape, ratio, noise) for shape in shapes]
        for model, way in ways.items()
        if model != GRAD_PU or ratio == RATIOS[0]
    }
    for model, figures in found.items():
        yield from _summary(split, name, model, figures)
        for shape, values in zip(shapes, figures, strict=True):
            for metric, value in values.items():
                yield _record(f"{split}/{shape.name}", name, model, metric, value)
        for other in (MIDPOINTS, GRAD_PU):
            if model.startswith("ours") and other in found:
                yield from _differences(split, name, (model, other), found)


def _figures(way: Way, shape: Shape, ratio: int, noise: float) -> dict[str, float]:
    random = np.random.default_rng(_SEED)
    radius = np.linalg.norm(shape.truth - shape.truth.mean(axis=0), axis=1).max()
    off = random.normal(0, 1, shape.sparse.shape) * noise * radius
    made = way(shape.sparse + off, ratio)
    near = nearness(made, shape.truth)
    figures = {
        "chamfer": near.chamfer,
        "hausdorff_sum": near.hausdorff_sum,
        "hausdorff_max": near.hausdorff_max,
        "hausdorff": near.hausdorff,
    }
    if shape.mesh is not None:
        figures["p2f"] = to_surface(made, shape.mesh)
    figures = {metric: value * _THOUSANDTHS for metric, value in figures.items()}
    return figures | {"unevenness": unevenness(made)}


def _floor(shape: Shape) -> dict[str, float]:
    """Return how near another even sample of the true surface lies."""
    assert shape.mesh is not None  # noqa: S101 - judged shapes have one
    fresh = sampled(shape.mesh, len(shape.truth), _SEED + 1)
    near = nearness(fresh, shape.truth)
    return {"chamfer": near.chamfer * _THOUSANDTHS, "unevenness": unevenness(fresh)}


def _summary(
    split: str, name: str, model: str, figures: Sequence[dict[str, float]]
) -> Iterator[Record]:
    for metric in dict.fromkeys(key for row in figures for key in row):
        values = np.array([row[metric] for row in figures if metric in row])
        yield _mean(_record(split, name, model, metric, 0.0), values)


def _differences(
    split: str,
    name: str,
    pair: tuple[str, str],
    found: Mapping[str, Sequence[dict[str, float]]],
) -> Iterator[Record]:
    """Yield what the first of two models has more than the other, paired by shape."""
    model, other = pair
    for metric in ("chamfer", "p2f"):
        pairs = zip(found[model], found[other], strict=True)
        apart = np.array([a[metric] - b[metric] for a, b in pairs if metric in a])
        record = _record(split, name, model, metric, 0.0)
        yield _mean(replace(record, against=other), apart)
        better = int((apart < 0).sum())
        count = _record(f"{split}/{metric} better", name, model, "count", better)
        yield replace(count, against=other, n=len(apart))


def _mean(record: Record, values: NDArray[np.float64]) -> Record:
    """Return the record of a mean over shapes, with its interval."""
    found = bootstrap(lambda rows: float(values[rows].mean()), len(values))
    return replace(
        record, value=found.value, low=found.low, high=found.high, n=len(values)
    )


def _record(split: str, name: str, model: str, metric: str, value: float) -> Record:
    return Record(metric, value, set=name, split=split, head="pointcloud", model=model)
