"""Measure the accuracy of a bundle on every data set that a root holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.diffusion import measure_diffusionfer
from benchmarks.drives import measure_drives
from benchmarks.locators import measure_locators
from benchmarks.photos import measure_photos
from benchmarks.progress import Progress
from benchmarks.records import Key, Record
from benchmarks.signals import measure_signals
from benchmarks.speech import measure_noise, measure_speech
from benchmarks.split import Floats, Split
from benchmarks.subject import Subject
from benchmarks.voices import measure_emodb
from benchmarks.votes import measure_ferplus
from edge_affect.errors import DataError

Measure = Callable[[Split, Path, Progress], list[Record]]

SPLITS: tuple[tuple[str, str, str, str, Measure], ...] = (
    ("ferplus", "valid", "valid.csv", "face", measure_ferplus),
    ("ferplus", "test", "test.csv", "face", measure_ferplus),
    ("diffusionfer", "valid", "train.csv", "face", measure_diffusionfer),
    ("diffusionfer", "test", "test.csv", "face", measure_diffusionfer),
    ("photos", "valid", "train.csv", "locator+face", measure_photos),
    ("photos", "test", "test.csv", "locator+face", measure_photos),
    ("photos", "valid", "train.csv", "locator", measure_locators),
    ("photos", "valid", "train.csv", "face", measure_signals),
    ("diffusionfer", "valid", "train.csv", "face", measure_signals),
    ("emodb", "valid", "labels.csv", "voice", measure_emodb),
    ("emodb", "valid", "labels.csv", "voice+speech", measure_speech),
)
"""Set, split, the table that says it is there, stages and protocol. Where a set has no
split for reporting, ``valid`` is the held-out part of its train file."""
MADE: tuple[tuple[str, str, Measure], ...] = (
    ("made_noise", "voice+speech", measure_noise),
    ("sim_A", "affect", measure_drives),
)
"""Set, stages and protocol of what is made in code."""


def measure_accuracy(
    subject: Subject,
    data: Path,
    limit: int | None,
    progress: Progress,
    drawn: dict[Key, Floats] | None = None,
) -> list[Record]:
    """Measure on every set and split under ``data``, and on what is made in code.

    Args:
        subject: What is measured.
        data: Data root; ``docs/benchmarks.md`` describes its layout.
        limit: Examples taken of each split at most, evenly spread; None for all.
        progress: Shows how far it has come.
        drawn: Receives the bootstrap's draws of each figure that has an interval, to
            compare two subjects; peers are left out then.

    Raises:
        DataError: The root holds no set, or one is damaged.
    """
    found = [entry for entry in SPLITS if (data / entry[0] / entry[2]).is_file()]
    if not found:
        names = sorted({entry[0] for entry in SPLITS})
        raise DataError(
            f"{data}: got no data set, expected at least one of the folders "
            f"{', '.join(names)}; docs/benchmarks.md describes the layout"
        )
    records: list[Record] = []
    peers = drawn is None
    drawn = {} if drawn is None else drawn
    for name, part, _, stage, measure in found:
        split = Split(subject, name, part, stage, limit, drawn, peers=peers)
        records += measure(split, data, progress)
    for name, stage, measure in MADE:
        split = Split(subject, name, "test", stage, limit, drawn, peers=peers)
        records += measure(split, data, progress)
    return records
