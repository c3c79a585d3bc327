"""The expression recognisers that ours stands beside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import mobilefacenet, xception


class Recogniser(Protocol):
    """Reads expressions, ``(9,)`` scores in the order of ``EXPRESSION_NAMES``."""

    def read_crop(self, picture: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the scores of a picture that is a face, BGR."""

    def read_photo(self, picture: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Return the scores of the surest face of ``(H, W, 3)`` BGR, if any."""


@dataclass(frozen=True, slots=True)
class Known:
    """A recogniser that can be opened."""

    name: str
    classes: tuple[str, ...]
    """What it tells apart."""
    size_px: int
    """Side of the faces that it reads."""
    needed: tuple[Path, ...]
    """Its files in a data root."""
    open: Callable[[Path], Recogniser]


KNOWN = (
    Known(
        mobilefacenet.NAME,
        mobilefacenet.CLASSES,
        mobilefacenet.SIZE_PX,
        mobilefacenet.NEEDED,
        mobilefacenet.MobileFaceNet,
    ),
    Known(
        xception.NAME,
        xception.CLASSES,
        xception.SIZE_PX,
        xception.NEEDED,
        xception.MiniXception,
    ),
)
"""All that can be run."""


def recognisers_in(data: Path) -> Iterator[Known]:
    """Yield those whose files a data root has."""
    for known in KNOWN:
        if all((data / file).is_file() for file in known.needed):
            yield known
