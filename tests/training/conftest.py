"""A data root made in code, in the layout of the real sets."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_affect.labels import VOICE_EMOTIONS
from tests.training.aff_wild2_tree import write_tree
from training.data.ferplus import NO_EXPRESSION, VOTE_NAMES

PICTURES = 60
SPEAKERS = ("03", "09", "08")
Rows = Sequence[Mapping[str, object]]


def _write_table(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def _write_pictures(path: Path, names: list[str], size_px: int) -> None:
    random = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            picture = random.integers(0, 256, (size_px, size_px, 3), np.uint8)
            archive.writestr(name, cv2.imencode(".jpg", picture)[1].tobytes())


def _ferplus(root: Path) -> None:
    rows = []
    for number in range(PICTURES):
        votes: dict[str, object] = dict.fromkeys((*VOTE_NAMES, *NO_EXPRESSION), 0)
        votes[VOTE_NAMES[number % 8]] = 8
        votes[VOTE_NAMES[(number + 1) % 8]] = 1
        rows.append({"image": f"fer{number:07}.jpg", **votes})
    for part in ("train", "valid"):
        _write_table(root / "ferplus" / f"{part}.csv", rows)
        names = [str(row["image"]) for row in rows]
        _write_pictures(root / "ferplus" / f"{part}.zip", names, 48)


def _diffusionfer(root: Path) -> None:
    rows = [
        {
            "image": f"{prompt}/{number}.jpg",
            "valence": number / 10 - 0.5,
            "arousal": 0.5 - number / 20,
            "expression": prompt,
        }
        for number in range(10)
        for prompt in ("neutral", "happy", "sad")
    ]
    _write_table(root / "diffusionfer" / "train.csv", rows)
    names = [str(row["image"]) for row in rows]
    _write_pictures(root / "diffusionfer" / "train.zip", names, 64)


def _photos(root: Path) -> None:
    rows = [{"image": f"{n:04}.jpg", "expression": "fear"} for n in range(20)]
    _write_table(root / "photos" / "train.csv", rows)
    _write_pictures(root / "photos" / "train.zip", [r["image"] for r in rows], 80)


def _emodb(root: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    random = np.random.default_rng(0)
    rows = []
    for speaker in SPEAKERS:
        for index, emotion in enumerate(VOICE_EMOTIONS):
            name = f"{speaker}a01{index}.flac"
            rows.append(
                {
                    "file": name,
                    "speaker": speaker,
                    "text": "a01",
                    "emotion": emotion,
                    "split": "valid" if speaker == "08" else "train",
                }
            )
            (root / "emodb").mkdir(parents=True, exist_ok=True)
            sound = 0.1 * random.standard_normal(16_000)
            soundfile.write(root / "emodb" / name, sound, 16_000)
    _write_table(root / "emodb" / "labels.csv", rows)


@pytest.fixture(scope="session")
def made_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root with a few made items of every set; never written to."""
    root = tmp_path_factory.mktemp("data")
    for make in (_ferplus, _diffusionfer, _photos, _emodb):
        make(root)
    return root


@pytest.fixture
def aff_wild2_tree(tmp_path: Path) -> Path:
    """Return a whole tiny Aff-Wild2 root that a test may change."""
    return write_tree(tmp_path / "aff_wild2")
