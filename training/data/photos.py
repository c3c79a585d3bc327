"""Photographs with whole heads: a second domain for expression, reported only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_affect.errors import DataError
from edge_affect.labels import EXPRESSION_NAMES
from training.data.root import (
    HELD_OUT_SHARE,
    PictureArchive,
    read_table,
    unit_hash,
)


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
    folder = root / "photos"
    file = "test" if part == "test" else "train"
    table = folder / f"{file}.csv"
    rows = read_table(table, ("image", "expression"))
    if part != "test":
        held_out = part == "valid"
        rows = [
            row
            for row in rows
            if (unit_hash(row["image"]) < HELD_OUT_SHARE) == held_out
        ]
    unknown = {row["expression"] for row in rows} - set(EXPRESSION_NAMES)
    if unknown:
        raise DataError(
            f"{table}: got the expression {min(unknown)!r}; "
            f"expected one of {', '.join(EXPRESSION_NAMES)}"
        )
    return Photos(
        [row["image"] for row in rows],
        [row["expression"] for row in rows],
        PictureArchive(folder / f"{file}.zip"),
    )
