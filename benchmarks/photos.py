"""Figures on photographs: the way from a whole picture to its expression."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.expressions import CLASSES, beside_peer, class_figures, classes_of
from benchmarks.peers.expressions import Recogniser, recognisers_in
from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.split import Ints, Split
from benchmarks.subject import known_classes, read_pictures
from training.data.photos import Photos, load_photos
from training.metrics import balanced_accuracy

PHOTO_CLASSES = ("neutral", "anger", "disgust", "happiness", "sadness", "surprise")
"""Classes of the photographs that have enough pictures."""
_METRICS = {"balanced_accuracy": balanced_accuracy}


def measure_photos(split: Split, data: Path, progress: Progress) -> list[Record]:
    """Measure the way from a whole picture to its expression; a miss is an error."""
    photos = load_photos(data, split.part)
    listed = [
        row for row, name in enumerate(photos.expressions) if name in PHOTO_CLASSES
    ]
    rows = [listed[row] for row in split.choose(len(listed))]
    names = [photos.names[row] for row in rows]
    pictures = progress.track(photos.archive.originals(names), len(rows), split.label)
    readings = read_pictures(split.subject, pictures, len(rows))
    found = readings.found
    records = split.at("locator").over_pictures(
        "locator", "accuracy", lambda pick: float(found[pick].mean()), len(rows)
    )
    if "expression" not in split.subject.manifest.heads:
        return records
    truth = classes_of([photos.expressions[row] for row in rows])
    estimate = known_classes(readings.expression, CLASSES)
    at = split.at("locator+face")
    records += class_figures(at, _METRICS, truth, estimate)
    for known in recognisers_in(data) if split.peers else ():
        told = (known.name, _read(known.open(data), photos, names, progress))
        records += beside_peer(at, _METRICS, truth, estimate, told)
    return records


def _read(
    peer: Recogniser,
    photos: Photos,
    names: list[str],
    progress: Progress,
) -> Ints:
    """Return the peer's classes; ``CLASSES`` where it found no face."""
    shown = progress.track(
        photos.archive.originals(names), len(names), "photos valid peer"
    )
    read = [peer.read_photo(picture) for picture in shown]
    return np.array(
        [CLASSES if scores is None else scores.argmax() for scores in read], np.int64
    )
