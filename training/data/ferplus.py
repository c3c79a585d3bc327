"""FER+: grey 48-pixel faces with ten crowd votes each over eight expressions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.root import DEV_SHARE, PictureArchive, read_table, unit_hash

VOTE_NAMES = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)
"""The eight expressions in the order of the table; a tie goes to the first."""
NO_EXPRESSION = ("unknown", "not_face")
"""What else a vote may be for; the table has a column for each."""


@dataclass(frozen=True, slots=True)
class FerPlus:
    """One part of FER+ after its protocol."""

    names: list[str]
    """File names inside the archive."""
    votes: NDArray[np.float32]
    """``(B, 8)`` votes in ``VOTE_NAMES`` order, single votes set to 0."""
    archive: PictureArchive
    majority: NDArray[np.bool_]
    """``(B,)`` whether the published majority protocol keeps it: over half of all
    votes, those for "unknown" and "not a face" among them, are for one expression."""

    @property
    def ties(self) -> NDArray[np.bool_]:
        """``(B,)`` whether two expressions share the most votes."""
        first, second = np.sort(self.votes, axis=1)[:, [-1, -2]].T
        return np.asarray(first == second)

    @property
    def labels(self) -> NDArray[np.int64]:
        """``(B,)`` index of the class with most votes, the first on a tie."""
        labels: NDArray[np.int64] = self.votes.argmax(axis=1)
        return labels

    @property
    def soft_labels(self) -> NDArray[np.float32]:
        """``(B, 8)`` votes as a distribution."""
        shares: NDArray[np.float32] = self.votes / self.votes.sum(1, keepdims=True)
        return shares

    def pick(self, keep: NDArray[np.bool_]) -> FerPlus:
        """Return the rows where ``keep`` is true."""
        names = [n for n, kept in zip(self.names, keep, strict=True) if kept]
        return FerPlus(names, self.votes[keep], self.archive, self.majority[keep])


def load_ferplus(root: Path, part: str) -> FerPlus:
    """Read ``part`` (``train``, ``dev``, ``valid`` or ``test``) of FER+ under ``root``.

    ``dev`` is the tenth of the train file's pictures that is kept for selection;
    ``train`` is the rest.

    Raises:
        DataError: The part is missing or not in FER+'s layout.
    """
    file = "train" if part in ("train", "dev") else part
    folder = root / "ferplus"
    columns = (*VOTE_NAMES, *NO_EXPRESSION)
    rows = read_table(folder / f"{file}.csv", ("image", *columns))
    cast = np.array([[float(row[name]) for name in columns] for row in rows])
    cast[cast <= 1] = 0
    votes = cast[:, : len(VOTE_NAMES)]
    everything = FerPlus(
        [row["image"] for row in rows],
        votes.astype(np.float32),
        PictureArchive(folder / f"{file}.zip"),
        votes.max(axis=1) > cast.sum(axis=1) / 2,
    )
    voted = votes.sum(axis=1) > 0
    if file != part or part == "train":
        is_dev = np.array([unit_hash(name) < DEV_SHARE for name in everything.names])
        voted &= is_dev if part == "dev" else ~is_dev
    return everything.pick(voted)
