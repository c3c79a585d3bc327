"""Photographs with whole heads: a second domain for expression, reported only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_affect.labels import EXPRESSION_NAMES
from training.data.root import PictureArchive, read_part


@dataclass(frozen=True, slots=True)
class Photos:
    """One part of the photographs."""

    names: list[str]
    """File names inside the archive."""
    expressions: list[str]
    """One noisy label each, for reports: never trained on."""
    archive: PictureArchive
    """Read it with ``originals``: the face is not aligned and not alone."""


def load_photos(root: Path, part: str) -> Photos:
    """Read ``part`` (``train``, ``valid`` or ``test``) of the photographs.

    ``valid`` is the fifth of the train file's pictures that is held out: nothing of
    it is trained or selected on.

    Raises:
        DataError: The part is missing or not in the photographs' layout.
    """
    rows, archive = read_part(root / "photos", part, (), EXPRESSION_NAMES)
    return Photos(
        [row["image"] for row in rows],
        [row["expression"] for row in rows],
        archive,
    )
