"""What figures of expressions share: classes, crops, and a peer beside ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.split import Figure, Floats, Ints, Split, of_classes
from benchmarks.subject import FaceReadings, read_crops
from edge_affect.labels import EXPRESSION_NAMES
from training.data.root import PictureArchive

CLASSES = len(EXPRESSION_NAMES)
_BATCH = 256

ClassFigure = Callable[[Ints, Ints, int], float]


def classes_of(names: Sequence[str]) -> Ints:
    """Return the index of each name in ``EXPRESSION_NAMES``."""
    return np.array([EXPRESSION_NAMES.index(name) for name in names], np.int64)


def read_face_crops(
    split: Split, archive: PictureArchive, names: list[str], progress: Progress
) -> dict[str, FaceReadings]:
    """Return the readings by the stages that they went through."""
    size_px = split.subject.manifest.preprocessing.face.size_px
    shown = progress.track(
        crops_of(archive, names, size_px), len(names), f"{split.label} faces"
    )
    # The face graph reads RGB.
    rgb = (np.ascontiguousarray(crop[:, :, ::-1]) for crop in shown)
    seen, held = read_crops(split.subject, rgb, len(names))
    return {"face": seen, "face+affect": held}


def crops_of(
    archive: PictureArchive, names: list[str], size_px: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield each picture as an aligned face, BGR: such sets hold nothing but faces."""
    for start in range(0, len(names), _BATCH):
        yield from archive.read(names[start : start + _BATCH], size_px, grey=False)


def class_figures(
    split: Split, metrics: Mapping[str, ClassFigure], truth: Ints, estimate: Ints
) -> list[Record]:
    """Return figures of estimated classes; ``CLASSES`` is that of no estimate."""
    return [
        record
        for metric, figure in metrics.items()
        for record in split.over_pictures(
            "expression",
            metric,
            of_classes(figure, truth, estimate, CLASSES + 1),
            len(truth),
        )
    ]


def beside_peer(
    split: Split,
    metrics: Mapping[str, ClassFigure],
    truth: Ints,
    ours: Ints,
    peer: tuple[str, Ints],
) -> list[Record]:
    """Return a peer's figures, and ours less the peer's on the same pictures.

    Args:
        split: Of our figures.
        metrics: What is compared.
        truth: ``(B,)`` classes.
        ours: ``(B,)`` estimates.
        peer: Name and estimates of the peer.
    """
    name, its = peer
    records = class_figures(replace(split, peer=name), metrics, truth, its)
    for metric, figure in metrics.items():
        of_ours = of_classes(figure, truth, ours, CLASSES + 1)
        of_its = of_classes(figure, truth, its, CLASSES + 1)
        told = split.over_pictures(
            "expression", metric, minus(of_ours, of_its), len(truth)
        )
        records += against(name, told)
    return records


def minus(ours: Figure, its: Figure) -> Figure:
    """Return one figure less the other, of the same pictures."""
    return lambda pick: ours(pick) - its(pick)


def against(name: str, records: list[Record]) -> list[Record]:
    """Return differences as those to the peer ``name``."""
    return [replace(record, against=name) for record in records]


def mean_of(values: Floats) -> Figure:
    """Return the mean of ``(B,)`` values as a figure of chosen pictures."""
    return lambda pick: float(values[pick].mean())
