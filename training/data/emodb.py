"""EmoDB: German acted speech in seven emotions, always split by speaker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError, missing_dependency
from edge_affect.labels import VOICE_EMOTIONS
from edge_affect.types import SAMPLE_RATE_HZ
from training.data.root import read_table

PARTS = ("train", "valid")
"""The parts that the table's ``split`` column names."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One spoken sentence."""

    path: Path
    """The FLAC file: mono, 16 kHz."""
    speaker: str
    """Two digits."""
    text: str
    """Code of the sentence."""
    emotion: str
    """One of ``VOICE_EMOTIONS``."""


def load_emodb(root: Path, part: str) -> list[Utterance]:
    """Read the list of ``part`` (``train`` or ``valid``, by speaker) under ``root``.

    Raises:
        DataError: The table is missing or not in EmoDB's layout here.
    """
    table = root / "emodb" / "labels.csv"
    rows = read_table(table, ("file", "speaker", "text", "emotion", "split"))
    for column, known in (("emotion", VOICE_EMOTIONS), ("split", PARTS)):
        unknown = {row[column] for row in rows} - set(known)
        if unknown:
            raise DataError(
                f"{table}: got the {column} {min(unknown)!r}; "
                f"expected one of {', '.join(known)}"
            )
    return [
        Utterance(
            table.parent / row["file"], row["speaker"], row["text"], row["emotion"]
        )
        for row in rows
        if row["split"] == part
    ]


def read_speech(utterance: Utterance) -> NDArray[np.float32]:
    """Decode an utterance to ``(samples,)`` float32 in [-1, 1] at 16 kHz.

    Raises:
        DataError: The file is missing, damaged, not mono or not 16 kHz.
        MissingDependencyError: soundfile is not installed.
    """
    try:
        import soundfile
    except ImportError as error:
        raise missing_dependency("soundfile", "train", "reading EmoDB") from error
    try:
        samples, rate_hz = soundfile.read(utterance.path, dtype="float32")
    except (OSError, soundfile.SoundFileError) as error:
        raise DataError(f"{utterance.path}: cannot be read ({error})") from error
    if samples.ndim != 1 or rate_hz != SAMPLE_RATE_HZ or len(samples) == 0:
        raise DataError(
            f"{utterance.path}: got {samples.shape} samples at {rate_hz} Hz, "
            f"expected mono at {SAMPLE_RATE_HZ} Hz"
        )
    return np.asarray(samples, np.float32)
