"""Figures on FER+: expression and its calibration against the crowd's votes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.expressions import (
    CLASSES,
    beside_peer,
    class_figures,
    classes_of,
    crops_of,
    mean_of,
    read_face_crops,
)
from benchmarks.peers.expressions import recognisers_in
from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.split import Floats, Ints, Split
from benchmarks.subject import FaceReadings
from training.data.ferplus import VOTE_NAMES, FerPlus, load_ferplus
from training.metrics import (
    accuracy,
    brier_scores,
    correlation,
    cross_entropies,
    ece,
    macro_f1,
)

_METRICS = {"accuracy": accuracy, "macro_f1": macro_f1}


def measure_ferplus(split: Split, data: Path, progress: Progress) -> list[Record]:
    """Measure expression and its calibration against the crowd's votes.

    Beside all pictures stand those that the published majority protocol keeps (Barsoum
    et al., 2016), those whose votes tie, and peers on the pictures of their classes.
    """
    if "expression" not in split.subject.manifest.heads:
        return []
    listed = load_ferplus(data, split.part)
    rows = split.choose(len(listed.names))
    faces = listed.pick(np.isin(np.arange(len(listed.names)), rows))
    truth = classes_of([VOTE_NAMES[label] for label in faces.labels])
    readings = read_face_crops(split, faces.archive, faces.names, progress)
    records = []
    for stage, reading in readings.items():
        at = split.at(stage)
        records += class_figures(at, _METRICS, truth, reading.expression)
        records += _calibration(at, truth, faces, reading)
    estimate = readings["face"].expression
    for name, kept in (("majority", faces.majority), ("ties", faces.ties)):
        part = replace(split.at("face"), part=f"{split.part} {name}")
        if kept.any():
            records += class_figures(part, _METRICS, truth[kept], estimate[kept])
    return records + _peers(split.at("face"), data, faces, (truth, estimate), progress)


def _calibration(
    split: Split, truth: Ints, faces: FerPlus, readings: FaceReadings
) -> list[Record]:
    """Return how well the probabilities fit: to the label, and to the votes."""
    shares = readings.probabilities
    votes = np.zeros((len(truth), CLASSES))
    votes[:, classes_of(VOTE_NAMES)] = faces.soft_labels
    label = np.eye(CLASSES)[truth]
    of_voters, of_ours = cross_entropies(votes, votes), cross_entropies(shares, shares)
    figures = {
        ("expression", "ece"): lambda pick: ece(truth[pick], shares[pick]),
        ("expression", "nll"): mean_of(cross_entropies(label, shares)),
        ("expression", "brier"): mean_of(brier_scores(truth, shares)),
        ("expression", "cross_entropy"): mean_of(cross_entropies(votes, shares)),
        ("expression/entropy", "correlation"): lambda pick: correlation(
            of_voters[pick], of_ours[pick]
        ),
    }
    return [
        record
        for (head, metric), figure in figures.items()
        for record in split.over_pictures(head, metric, figure, len(truth))
    ]


def _peers(
    split: Split,
    data: Path,
    faces: FerPlus,
    ours: tuple[Ints, Ints],
    progress: Progress,
) -> list[Record]:
    truth, estimate = ours
    records, parts = [], {}
    for known in recognisers_in(data) if split.peers else ():
        shown = progress.track(
            crops_of(faces.archive, faces.names, known.size_px),
            len(faces.names),
            f"{split.label} peer",
        )
        peer = known.open(data)
        scores: Floats = np.array([peer.read_crop(crop) for crop in shown])
        its = scores.argmax(axis=1)
        judged = np.isin(truth, classes_of(known.classes))
        part = replace(split, part=f"{split.part} without contempt")
        for at, kept in ((split, np.ones_like(judged)), (part, judged)):
            told = (known.name, its[kept])
            records += beside_peer(at, _METRICS, truth[kept], estimate[kept], told)
        parts[part.part] = class_figures(
            part, _METRICS, truth[judged], estimate[judged]
        )
    return records + [record for figures in parts.values() for record in figures]
