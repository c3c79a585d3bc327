"""Result files: one record per figure, with the machine and the run it comes from."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

from edge_affect.errors import DataError

METRICS = (
    "accuracy",
    "macro_f1",
    "balanced_accuracy",
    "uar",
    "ccc",
    "ece",
    "nll",
    "brier",
    "cross_entropy",
    "correlation",
    "mae",
    "mean_ms",
    "p50_ms",
    "p90_ms",
    "p95_ms",
    "p99_ms",
    "p999_ms",
    "max_ms",
    "ratio",
    "bytes",
    "count",
    "spread",
    "recall",
    "point_error",
    "false_faces",
    "predicted_ms",
    "floor_ms",
    "build_s",
    "misses",
    "cpu_share",
    "watt",
    "same_class",
    "chamfer",
    "hausdorff_sum",
    "hausdorff_max",
    "hausdorff",
    "p2f",
    "unevenness",
)
"""What a figure may be."""
HEADS = (
    "expression",
    "valence",
    "arousal",
    "action_units",
    "eyes",
    "pose",
    "voice",
    "locator",
    "pointcloud",
)
"""What a figure may be about."""


Key = tuple[str | None, ...]
"""Set, split, head, stage and metric of a figure."""


@dataclass(frozen=True, slots=True)
class Record:
    """One figure; what does not apply is None and left out of the file."""

    metric: str
    """One of ``METRICS``; ``point_error`` is in eye distances, ``false_faces`` those
    of a picture."""
    value: float
    set: str | None = None
    """Data set."""
    split: str | None = None
    """Part of the set; ``PART/UNIT`` for one of fewer than five independent units."""
    head: str | None = None
    """One of ``HEADS``; ``HEAD/PART`` for one action unit or angle."""
    stage: str | None = None
    """Stages of the pipeline that the figure goes through, joined by ``+``."""
    low: float | None = None
    """2.5th percentile of the bootstrap."""
    high: float | None = None
    """97.5th percentile of the bootstrap."""
    n: int | None = None
    """Number of examples."""
    model: str | None = None
    """``ours-SIZE``, or the peer's name."""
    target: str | None = None
    """Target of the graphs."""
    against: str | None = None
    """Model and target that ``value`` is the difference to, on the same examples; None
    where it is no difference."""

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise DataError(f"record: got the metric {self.metric!r}, which is unknown")
        if self.head is not None and self.head.partition("/")[0] not in HEADS:
            raise DataError(f"record: got the head {self.head!r}, which is unknown")
        for figure in (self.value, self.low, self.high):
            if figure is not None and not _is_finite(figure):
                raise DataError(f"record: got the {self.metric} {figure!r}, no number")
        texts = (self.set, self.split, self.stage, self.model, self.target)
        for text in (*texts, self.against):
            if text is not None and type(text) is not str:
                raise DataError(f"record: got {text!r}, expected a text")
        if self.n is not None and type(self.n) is not int:
            raise DataError(f"record: got n {self.n!r}, expected a number of examples")

    @property
    def key(self) -> Key:
        """What the figure is of, whoever was measured."""
        return (self.set, self.split, self.head, self.stage, self.metric)

    def as_json(self) -> dict[str, object]:
        """Return the keys that apply."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Result:
    """What one run of a benchmark brought up."""

    machine: Mapping[str, Any]
    """What it ran on; see ``training.provenance``."""
    run: Mapping[str, Any]
    """Command, time, commit, bundle and settings."""
    records: tuple[Record, ...]


def save_result(path: Path, result: Result) -> None:
    """Write ``result`` whole or not at all.

    Raises:
        DataError: The file cannot be written.
    """
    plain = {
        "machine": dict(result.machine),
        "run": dict(result.run),
        "records": [record.as_json() for record in result.records],
    }
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False)
        partial.write_text(f"{text}\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written ({error.strerror})") from error


def check_writable(path: Path) -> None:
    """Refuse, before anything is measured, what no result could be written to.

    Raises:
        DataError: It is a folder, or its folder cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writable = os.access(path.parent, os.W_OK) and not path.is_dir()
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from error
    if not writable:
        raise DataError(f"{path}: cannot be written; expected a file's name")


def load_result(path: Path) -> Result:
    """Read a result file.

    Raises:
        DataError: It cannot be read or is not what ``save_result`` writes.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a readable result file ({error})") from error
    parts = plain if isinstance(plain, dict) else {}
    machine, run = parts.get("machine"), parts.get("run")
    records = parts.get("records")
    if not (
        isinstance(machine, dict)
        and isinstance(run, dict)
        and isinstance(records, list)
    ):
        raise DataError(f"{path}: expected an object with machine, run and records")
    return Result(machine, run, tuple(_record(path, entry) for entry in records))


def _record(path: Path, entry: object) -> Record:
    known = {field.name for field in fields(Record)}
    if not isinstance(entry, dict) or not entry.keys() <= known:
        raise DataError(
            f"{path}: a record has unknown keys, expected some of {sorted(known)}"
        )
    if not {"metric", "value"} <= entry.keys():
        raise DataError(f"{path}: a record lacks its metric or its value")
    return Record(**entry)


def _is_finite(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(cast("float", value))
