"""A made data root, and a subject whose answers are known: it reads grey levels."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import drives, speech
from benchmarks.subject import Subject
from edge_affect.model.affect import AffectGraphs
from edge_affect.model.bundle import Bundle
from edge_affect.model.manifest import parse_manifest
from edge_affect.runners.base import Runner, Signature, StreamState, Tensors
from edge_affect.types import Face, Frame

TINY = Path(__file__).resolve().parents[2] / "data" / "tiny_bundle"
GREY_STEP = 25
"""The fake sees class ``grey // GREY_STEP`` of the manifest's labels."""
LOUD_MEL = 0.0
"""The fake hears speech, and anger, above this mean of a block, else neutral."""
SPREAD = 0.25
"""The fake's spread of valence and arousal, whatever it sees."""
_AFFECT = (
    *("valence", "valence_std", "valence_ahead"),
    *("arousal", "arousal_std", "arousal_ahead"),
)
Row = Mapping[str, object]


class GreyRunner(Runner):
    """Reads the class from the grey level, valence from red and arousal from blue."""

    def __init__(self) -> None:
        one = (1, 1)
        super().__init__(
            {
                "face": Signature(
                    {"image": (1, 3, 112, 112)},
                    {
                        "embedding": (1, 64),
                        "expression": (1, 8),
                        "valence": one,
                        "arousal": one,
                    },
                    {},
                ),
                "voice": Signature(
                    {"mel": (1, 10, 64)},
                    {"embedding": (1, 32), "speech": one, "emotion": (1, 7)},
                    {},
                ),
                "affect": Signature(
                    {
                        "face_embedding": (1, 64),
                        "voice_embedding": (1, 32),
                        **dict.fromkeys(
                            ("face_valid", "voice_valid", "face_age", "voice_age"), one
                        ),
                    },
                    {
                        "expression": (1, 8),
                        **dict.fromkeys(_AFFECT, one),
                    },
                    {},
                ),
            }
        )

    @property
    def backend(self) -> str:
        return "fake"

    @property
    def provider(self) -> str:
        return "fake"

    def close(self) -> None:
        pass

    def _step(
        self, state: StreamState, which: str, inputs: Tensors
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
        signature = self.signatures[which]
        out = {n: np.zeros(s, np.float32) for n, s in signature.outputs.items()}
        if which == "face":
            red, _, blue = inputs["image"].mean(axis=(0, 2, 3))
            grey = round(float(inputs["image"].mean()))
            out["expression"][0, min(grey // GREY_STEP, 7)] = 4.0
            out["valence"][:] = red / 127.5 - 1
            out["arousal"][:] = blue / 127.5 - 1
            read = (out["expression"], out["valence"], out["arousal"])
            out["embedding"][:, :10] = np.concatenate(read, axis=1)
        elif which == "affect":
            given = inputs["face_embedding"]
            out["expression"][:] = given[:, :8]
            out["valence"][:], out["arousal"][:] = given[:, 8:9], given[:, 9:10]
            for axis in ("valence", "arousal"):
                out[f"{axis}_std"][:] = SPREAD
                out[f"{axis}_ahead"][:] = out[axis]
        elif which == "voice":
            loud = int(inputs["mel"].mean() > LOUD_MEL)
            out["emotion"][0, loud] = 1.0
            out["speech"][:] = loud
        return out, {}


class MiddleLocator:
    """Finds a face in the middle of every picture that is not black."""

    def locate(self, frame: Frame) -> list[Face]:
        if frame.data.max() == 0:
            return []
        width, height = frame.width_px, frame.height_px
        box = (width * 0.3, height * 0.3, width * 0.4, width * 0.4)
        return [Face(box, 1.0)]


@pytest.fixture
def subject() -> Subject:
    """Return the fake under measurement."""
    manifest = parse_manifest((TINY / "manifest.json").read_bytes())
    named = replace(manifest, name="edge-affect-grey")
    graphs = AffectGraphs(GreyRunner(), named)
    bundle = Bundle(named, "0" * 64, {})
    return Subject(bundle, graphs, "cpu-fp32", "fake fake", MiddleLocator)


@pytest.fixture(autouse=True)
def little_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep simulated drives and noise short: what they show is another test's."""
    monkeypatch.setattr(speech, "NOISE_S", 0.2)
    monkeypatch.setattr(drives, "DRIVES", 1)
    monkeypatch.setattr(drives, "DRIVE_S", 0.5)


WriteSet = Callable[[str, Sequence[Row], Sequence[NDArray[np.uint8]]], Path]


@pytest.fixture
def write_set(tmp_path: Path) -> WriteSet:
    """Return a function that writes a table, and its pictures in a zip beside it."""

    def write(
        name: str, rows: Sequence[Row], pictures: Sequence[NDArray[np.uint8]] = ()
    ) -> Path:
        table = tmp_path / "data" / f"{name}.csv"
        table.parent.mkdir(parents=True, exist_ok=True)
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        if pictures:
            with zipfile.ZipFile(table.with_suffix(".zip"), "w") as archive:
                for row, picture in zip(rows, pictures, strict=True):
                    encoded = cv2.imencode(".png", picture)[1].tobytes()
                    archive.writestr(str(row["image"]), encoded)
        return tmp_path / "data"

    return write
