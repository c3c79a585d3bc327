"""Finished runs of a study in one JSON file; every run is kept as soon as it ends."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_affect.errors import DataError
from training.claims.verdict import Figures
from training.engine.files import written_whole
from training.provenance import machine_info, source_commit

PREFIX = "claims-"
"""Begins every result file's name; the study's follows."""


@dataclass(slots=True)
class Results:
    """The result file of one study."""

    path: Path
    """Where it lies."""
    data: dict[str, Any]
    """What the runs trained and were tested on; other clips make another file."""
    records: list[dict[str, Any]] = field(default_factory=list)
    """One for each arm and seed."""
    commit: str | None = field(default_factory=source_commit)
    """Of the source that adds runs, as it was when the file was opened."""

    @classmethod
    def open(cls, path: Path, data: dict[str, Any]) -> Results:
        """Read the file, or begin one.

        Raises:
            DataError: It is damaged, or its runs saw other data.
        """
        if not path.exists():
            return cls(path, data)
        stored = read_results(path)
        if _seen(stored["data"]) != _seen(data):
            raise DataError(
                f"{path}: its runs saw other clips than these; remove it to begin "
                "again, or name the same folders"
            )
        held = cls(path, data, stored["records"])
        if stored["data"] != data:
            held.save()  # the same clips, whose oracle was measured anew
        return held

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
        record["commit"] = self.commit
        key = (record["arm"], record["seed"])
        kept = [r for r in self.records if (r["arm"], r["seed"]) != key]
        self.records = [*kept, record]
        self.save()

    def save(self) -> None:
        """Write all runs.

        Raises:
            DataError: The file cannot be written; the old one is untouched.
        """
        document = {
            "command": f"python -m training claims {self.path.stem[len(PREFIX) :]}",
            "machine": machine_info(),
            "data": self.data,
            "records": self.records,
        }
        write_document(self.path, document)


def _seen(data: dict[str, Any]) -> list[Any]:
    """Return what tells data apart: what is said of them, and their clips' digests.

    An oracle that is measured anew makes no other data.
    """
    digests = [data.get(part, {}).get("digest") for part in ("train", "test")]
    return [data["told"], *digests]


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Write a result file whole or not at all.

    Raises:
        DataError: It cannot be written; the old one is untouched.
    """
    with written_whole(path) as partial:
        partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


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
