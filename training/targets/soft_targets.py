"""A teacher's soft targets of a clip or of a picture set, and their file.

Logits are kept as the teacher gave them, divided by no temperature: who learns from
them chooses one. numpy only.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError
from training.engine.files import written_whole

Floats = NDArray[np.float32]

VERSION = 1
"""Of the files' layout; raised when an older reader would misread it."""
TOLERANCE = 2.0**-11
"""Largest relative change by storing half floats; below 2^-14 it is 2^-25 at most."""
HEADS = ("expression", "valence_arousal", "action_units", "embedding")
"""What a teacher may have said of each item, by the field's name."""


@dataclass(frozen=True, slots=True)
class Teacher:
    """Whose targets they are."""

    recipe: str
    """Recipe of the checkpoint."""
    checkpoint: str
    """Digest of the checkpoint's file."""
    classes: tuple[str, ...]
    """Names of the expression logits, in their order."""

    def __str__(self) -> str:
        return f"{self.recipe} {self.checkpoint}"


@dataclass(frozen=True, slots=True)
class SoftTargets:
    """What a teacher says of ``N`` items; a head that it lacks is None."""

    teacher: Teacher
    data: str
    """Digest of what was labelled."""
    names: tuple[str, ...]
    """A picture's name, or a clip's with the frame: ``clip/00001``."""
    expression: Floats | None = None
    """``(N, K)`` logits in the order of ``teacher.classes``."""
    valence_arousal: Floats | None = None
    """``(N, 2)`` in [-1, 1]."""
    action_units: Floats | None = None
    """``(N, 12)`` logits."""
    embedding: Floats | None = None
    """``(N, E)`` what the teacher's heads read; of pictures only."""

    def pick(self, names: tuple[str, ...]) -> SoftTargets:
        """Return the targets of ``names``, in that order.

        Raises:
            DataError: One of them was not labelled.
        """
        rows = {name: row for row, name in enumerate(self.names)}
        missing = [name for name in names if name not in rows]
        if missing:
            raise DataError(
                f"targets of {self.teacher}: lack {missing[0]} and {len(missing) - 1} "
                f"more of {len(names)}; label the data that is trained on"
            )
        index = np.array([rows[name] for name in names], np.int64)
        heads = {head: getattr(self, head) for head in HEADS}
        picked = {k: v[index] for k, v in heads.items() if v is not None}
        return replace(self, names=names, **picked)


class _Labelled(Protocol):
    """What tells a clip from another one of the same name."""

    @property
    def name(self) -> str: ...
    @property
    def fps(self) -> float: ...
    @property
    def present(self) -> NDArray[np.bool_]: ...
    @property
    def valence_arousal(self) -> Floats: ...
    @property
    def expression(self) -> NDArray[np.int64]: ...


def clip_digest(clip: _Labelled) -> str:
    """Return a digest of a clip: its name, rate, found faces and labels."""
    return digest(
        f"{clip.name} {clip.fps!r}".encode(),
        *(
            np.ascontiguousarray(values).tobytes()
            for values in (clip.present, clip.valence_arousal, clip.expression)
        ),
    )


def pictures_digest(names: tuple[str, ...], luma: NDArray[np.uint8]) -> str:
    """Return a digest of pictures and their names."""
    return digest("\n".join(names).encode(), np.ascontiguousarray(luma).tobytes())


def digest(*parts: bytes) -> str:
    """Return a short digest of ``parts`` in this order."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.hexdigest()[:16]


def save_targets(path: Path, targets: SoftTargets) -> None:
    """Write ``targets`` whole or not at all, in half floats (see ``TOLERANCE``).

    Raises:
        DataError: A value is not finite or beyond half floats, or the disk is full.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for head in HEADS:
        values = getattr(targets, head)
        if values is None:
            continue
        with np.errstate(over="ignore"):
            arrays[head] = values.astype(np.float16)
        if not np.isfinite(arrays[head]).all():
            raise DataError(
                f"{path}: {targets.teacher} gave a value of {head} that is not finite "
                "or above 65504, expected logits; train the teacher again"
            )
    about = {
        "version": VERSION,
        "teacher": asdict(targets.teacher),
        "data": targets.data,
    }
    arrays |= {"about": np.array(json.dumps(about)), "names": np.array(targets.names)}
    with written_whole(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load_targets(path: Path) -> SoftTargets:
    """Read what ``save_targets`` wrote.

    Raises:
        DataError: The file is missing, damaged or of another version.
    """
    with _opened(path) as (about, arrays):
        heads = {
            head: np.asarray(arrays[head], np.float32)
            for head in HEADS
            if head in arrays
        }
        names = tuple(arrays["names"].tolist())
        teacher = teacher_from_plain(about["teacher"])
        return SoftTargets(teacher, about["data"], names, **heads)


def labelled_data(path: Path) -> str:
    """Return the digest of the data that a target file was made of.

    Raises:
        DataError: The file is missing, damaged or of another version.
    """
    with _opened(path) as (about, _):
        return str(about["data"])


@contextmanager
def _opened(path: Path) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    """Give a target file's description, and its arrays, read when asked for."""
    try:
        # Opened here: of a damaged file numpy would leave it open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            refuse_other_version(about, path)
            yield about, arrays
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: not a usable target file ({error}); remove it and run the "
            "same label command again"
        ) from error


def refuse_other_version(about: Mapping[str, Any], path: Path) -> None:
    """Check the version that a file names.

    Raises:
        DataError: It is another one than this code's.
    """
    if about.get("version") != VERSION:
        raise DataError(
            f"{path}: got targets of version {about.get('version')}, expected "
            f"{VERSION}; label again into another folder"
        )


def teacher_from_plain(plain: Mapping[str, Any]) -> Teacher:
    """Return the teacher that ``dataclasses.asdict`` was given."""
    return Teacher(plain["recipe"], plain["checkpoint"], tuple(plain["classes"]))
