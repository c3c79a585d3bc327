"""Finished runs of a study in one JSON file; every run is kept as soon as it ends."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_affect.errors import DataError
from training.claims.verdict import Figures


@dataclass(slots=True)
class Results:
    """The result file of one study."""

    path: Path
    """Where it lies."""
    data: dict[str, Any]
    """What the runs trained and were tested on; other data make another file."""
    records: list[dict[str, Any]] = field(default_factory=list)
    """One for each arm and seed."""

    @classmethod
    def open(cls, path: Path, data: dict[str, Any]) -> Results:
        """Read the file, or begin one.

        Raises:
            DataError: It is damaged, or its runs saw other data.
        """
        if not path.exists():
            return cls(path, data)
        stored = read_results(path)
        if stored["data"] != data:
            raise DataError(
                f"{path}: its runs saw other clips than these; remove it to begin "
                "again, or name the same folders"
            )
        return cls(path, data, stored["records"])

    def has(self, arm: str, seed: int, settings: dict[str, Any]) -> bool:
        """Tell whether a run with these settings is finished."""
        return any(
            (r["arm"], r["seed"], r["settings"]) == (arm, seed, settings)
            for r in self.records
        )

    def add(self, record: dict[str, Any]) -> None:
        """Keep a finished run; it takes the place of one with other settings.

        Raises:
            DataError: The file cannot be written; the old one is untouched.
        """
        key = (record["arm"], record["seed"])
        kept = [r for r in self.records if (r["arm"], r["seed"]) != key]
        self.records = [*kept, record]
        document = {"machine": machine(), "data": self.data, "records": self.records}
        partial = self.path.with_name(self.path.name + ".partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            partial.replace(self.path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise DataError(f"{self.path}: cannot be written ({error})") from error


def machine() -> dict[str, Any]:
    """Return what the runs ran on."""
    return {
        "cpu": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
    }


def read_results(path: Path) -> dict[str, Any]:
    """Read a result file.

    Raises:
        DataError: It is damaged.
    """
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        stored["data"], stored["records"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a readable result file ({error}); remove it"
        ) from error
    return stored


def figures_of(records: list[dict[str, Any]]) -> Figures:
    """Return the figures of each arm and seed."""
    return {(r["arm"], r["seed"]): r["figures"] for r in records}
