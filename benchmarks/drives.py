"""Figures of the whole stream on the simulated driver: what fusion over time adds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.split import Ints, Split
from edge_affect.affect_model import AffectModel
from edge_affect.realtime.analysis import analyze
from edge_affect.sources.simulated import SimulatedSource
from training.metrics import ccc

FIRST_SEED = 300_000
"""Seeds of the test part: no person, car or script that trained or selected."""
DRIVES = 12
DRIVE_S = 15.0
SETTLED_CELLS = 10
"""Cells at a drive's start that are not judged: the memory is still empty."""
_AXES = ("valence", "arousal")


def measure_drives(split: Split, data: Path, progress: Progress) -> list[Record]:
    """Measure valence and arousal against the driver's own, by drive.

    Frames and sound go through locator, tracker and all three graphs, as in a stream.
    A figure on drawn faces says nothing about people.
    """
    del data  # the driver is drawn, not read
    subject = split.subject
    heads = [axis for axis in _AXES if axis in subject.manifest.heads]
    if not heads:
        return []
    model = AffectModel(
        subject.bundle, "research", subject.graphs, subject.target, subject.new_locator
    )
    chosen = split.choose(DRIVES)
    pairs = {
        number: _drive(model, FIRST_SEED + number)
        for number in progress.track(chosen, len(chosen), split.label)
    }
    rows = np.concatenate(list(pairs.values()))
    units = [f"{n:02}" for n, drive in pairs.items() for _ in range(len(drive))]
    records = []
    for axis in heads:
        truth, estimate = rows[:, _AXES.index(axis)], rows[:, 2 + _AXES.index(axis)]

        def figure(
            pick: Ints,
            truth: NDArray[np.float64] = truth,
            estimate: NDArray[np.float64] = estimate,
        ) -> float:
            return ccc(truth[pick], estimate[pick])

        records += split.over_units(axis, "ccc", figure, units)
    told = rows[:, 4]
    return records + split.over_units(
        heads[0], "ratio", lambda pick: float(told[pick].mean()), units
    )


def _drive(model: AffectModel, seed: int) -> NDArray[np.float64]:
    """Return ``(cells, 5)``: true valence and arousal, the stream's, whether it told.

    A cell without a value counts as neutral, so that a stream gains nothing by silence.
    """
    source = SimulatedSource(seed=seed, duration_s=DRIVE_S)
    rows = []
    for estimate in analyze(source, purpose="research", model=model):
        if estimate.index < SETTLED_CELLS:
            continue
        truth = source.truth_at(estimate.t_ns)
        valence, arousal = estimate.valence, estimate.arousal
        told = valence is not None or arousal is not None
        rows.append(
            (truth.valence, truth.arousal, valence or 0.0, arousal or 0.0, float(told))
        )
    return np.array(rows, np.float64).reshape(-1, 5)
