"""The folder of a synthesized set: what is whole in it, and writing to it safely."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_affect.errors import DataError, UsageError
from training.engine.cache import Arrays
from training.synthetic.film import Film
from training.synthetic.plan import ClipPlan

MANIFEST = "manifest.json"
_UNFINISHED = ".unfinished"
"""Folder of what is being written; nothing in it counts."""


@dataclass(frozen=True, slots=True)
class Store:
    """One set's folder; a clip is whole once its truth is there, which comes last."""

    root: Path

    def claim(self, order: dict[str, Any], clips: int) -> None:
        """Take the folder for a set that is filmed to ``order``, or go on with it.

        Raises:
            UsageError: It holds something else, or more clips.
            DataError: It cannot be read or written.
        """
        path = self.root / MANIFEST
        found = self._manifest()
        if found is None:
            if self.root.is_dir() and any(self.root.iterdir()):
                raise UsageError(
                    f"{self.root}: got a folder that holds something else, expected a "
                    "new, an empty or an unfinished one; name another folder"
                )
            self.write(path, json.dumps({**order, "clips": []}, indent=2) + "\n")
            return
        for name, value in order.items():
            if found.get(name) != value:
                raise UsageError(
                    f"{self.root}: holds a set of {name} {found.get(name)}, got "
                    f"{name} {value}; name another folder, or remove this one"
                )
        if len(found["clips"]) > clips:
            raise UsageError(
                f"{self.root}: holds {len(found['clips'])} clips, got {clips}; ask for "
                "as many or more, or name another folder"
            )

    def _manifest(self) -> dict[str, Any] | None:
        path = self.root / MANIFEST
        try:
            found = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read ({error}); remove it") from error
        if not isinstance(found, dict) or not isinstance(found.get("clips"), list):
            raise DataError(f"{path}: got no manifest of a set; remove it")
        return found

    def has(self, plan: ClipPlan) -> bool:
        """Return whether the clip is whole."""
        return self._truth_path(plan).is_file()

    def add(self, plan: ClipPlan, film: Film) -> None:
        """Store a clip: crops, video, truth, each under a temporary name first.

        Raises:
            DataError: It cannot be written.
        """
        crops = self.root / "cropped_aligned" / plan.name
        unfinished = self.root / _UNFINISHED / plan.name
        try:
            for folder in (crops, unfinished):
                shutil.rmtree(folder, ignore_errors=True)
            unfinished.mkdir(parents=True)
            for number, crop in enumerate(film.crops, 1):
                if crop is not None:
                    (unfinished / f"{number:05}.jpg").write_bytes(crop)
            crops.parent.mkdir(exist_ok=True)
            unfinished.rename(crops)
        except OSError as error:
            raise _unwritable(crops, error) from error
        self._replace(self.root / "videos" / plan.video, film.video)
        digest = np.array(film.digest())
        path = self._truth_path(plan)
        self._replace(path, {**film.truth, "digest": digest})

    def truth(self, plan: ClipPlan) -> Arrays:
        """Return the truth of a whole clip, with ``digest ()`` of its film.

        Raises:
            DataError: It cannot be read.
        """
        path = self._truth_path(plan)
        try:
            with np.load(path, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path}: cannot be read ({error}); remove it, and the clip is filmed "
                "again"
            ) from error

    def write(self, path: Path, text: str) -> None:
        """Write a text of the set.

        Raises:
            DataError: It cannot be written.
        """
        self._replace(path, text.encode())

    def tidy(self) -> None:
        """Remove what was left by a run that was stopped."""
        shutil.rmtree(self.root / _UNFINISHED, ignore_errors=True)

    def _truth_path(self, plan: ClipPlan) -> Path:
        return self.root / "truth" / f"{plan.name}.npz"

    def _replace(self, path: Path, content: bytes | Arrays) -> None:
        unfinished = self.root / _UNFINISHED / path.name
        try:
            unfinished.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    np.savez_compressed(file, allow_pickle=False, **content)
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.replace(path)
        except OSError as error:
            raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path}: cannot be written ({error.strerror or error}); make room, and the "
        "same command goes on from here"
    )
