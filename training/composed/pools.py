"""Pictures embedded once by the frozen face network: what composed faces come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.augment import AugmentConfig, augment_faces
from training.composed.compose import FacePool
from training.data.diffusionfer import load_diffusionfer
from training.data.ferplus import load_ferplus
from training.engine.cache import Arrays, cached, settings_key
from training.engine.progress import progress
from training.models.face import FACE_EXPRESSIONS, FaceNet
from training.recipes.face import TRAIN_PX, run_face, to_class_order

JITTER = AugmentConfig(
    rotation_deg=8.0,
    scale=0.08,
    shift=0.05,
    gain=0.2,
    gamma=0.2,
    degrade_share=0.3,
    cover_share=0.15,
    noise=5.0,
)
"""What changes between two looks at the same face in a car. As much as this also keeps
the face network, which has seen these pictures, from being too sure of them."""
_BATCH = 64


@dataclass(frozen=True, slots=True)
class _Pictures:
    """``(P, 56, 56)`` luma, ``(P, K)`` shares, ``(P, 2)`` valence and arousal."""

    luma: NDArray[np.uint8]
    shares: NDArray[np.float32]
    affect: NDArray[np.float32]


def _ferplus(root: Path, part: str) -> _Pictures:
    data = load_ferplus(root, part)
    luma = data.archive.read(data.names, TRAIN_PX, grey=True)
    unrated = np.full((len(luma), 2), np.nan, np.float32)
    return _Pictures(luma, to_class_order(data.soft_labels), unrated)


def _diffusionfer(root: Path, part: str) -> _Pictures:
    data = load_diffusionfer(root, part)
    luma = data.archive.read(data.names, TRAIN_PX, grey=True)
    classes = [FACE_EXPRESSIONS.index(name) for name in data.expressions]
    shares = np.eye(len(FACE_EXPRESSIONS), dtype=np.float32)[classes]
    return _Pictures(luma, shares, np.stack([data.valence, data.arousal], axis=1))


_READERS: dict[str, Callable[[Path, str], _Pictures]] = {
    "ferplus": _ferplus,
    "diffusionfer": _diffusionfer,
}
PICTURE_SETS = tuple(_READERS)
"""Sets that ``face_pool`` embeds; only the first has a selection part."""


@dataclass(frozen=True, slots=True)
class Embedder:
    """A frozen face network and where its embeddings are kept."""

    net: FaceNet
    key: str
    """Digest of the network's checkpoint."""
    root: Path
    """Data root."""
    cache: Path
    """Folder of the embeddings."""
    copies: int
    """Looks at each picture."""

    def pool(self, pictures: str, part: str) -> FacePool:
        """Embed ``part`` of a set of ``PICTURE_SETS``, or read it from the cache.

        Raises:
            DataError: The set is incomplete, or the cache is damaged.
        """

        def make() -> Arrays:
            found = _READERS[pictures](self.root, part)
            return {
                "embedding": embed_pictures(self.net, found.luma, self.copies),
                "shares": found.shares,
                "affect": found.affect,
            }

        settings = settings_key(JITTER, self.copies)
        return _pool(
            cached(self.cache / f"{pictures}-{part}-{settings}-{self.key}.npz", make)
        )


def embed_pictures(
    net: FaceNet, luma: NDArray[np.uint8], copies: int, seed: int = 1
) -> NDArray[np.float32]:
    """Return ``(P, copies, E)`` embeddings: the picture as it is, then changed ones."""
    random = torch.Generator().manual_seed(seed)
    pictures = torch.from_numpy(luma)
    looks = []
    for copy in progress(range(copies), "copies of pictures embedded"):
        parts = []
        for start in range(0, len(luma), _BATCH):
            changed = pictures[start : start + _BATCH, None].float()
            if copy:
                changed = augment_faces(changed, JITTER, random)
            with torch.autocast("cpu", torch.bfloat16):
                parts.append(run_face(net, changed[:, 0])[0].float())
        looks.append(torch.cat(parts))
    return torch.stack(looks, dim=1).numpy()


def _pool(arrays: Arrays) -> FacePool:
    likeliest = arrays["shares"].argmax(axis=1)
    return FacePool(
        arrays["embedding"],
        arrays["shares"],
        arrays["affect"],
        tuple(np.flatnonzero(likeliest == k) for k in range(len(FACE_EXPRESSIONS))),
    )


def class_prior(pool: FacePool) -> NDArray[np.float64]:
    """Return the classes' shares, evened out: the root of how often each occurs."""
    roots = np.sqrt(np.array([len(rows) for rows in pool.by_class], np.float64))
    prior: NDArray[np.float64] = roots / roots.sum()
    return prior
