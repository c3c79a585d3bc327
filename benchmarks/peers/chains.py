"""What a user would build: a detector, a recogniser, each by its faster engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import landmarks, mobilefacenet, ultraface, xception
from benchmarks.peers.engines import ENGINES, ONNX_RUNTIME, OPENCV, median_ms
from benchmarks.peers.landmarks import Landmarks
from benchmarks.peers.mobilefacenet import MobileFaceNet
from benchmarks.peers.ultraface import UltraFace
from benchmarks.peers.xception import MiniXception
from benchmarks.peers.yunet import YuNetOnnx
from edge_affect.errors import DataError
from training.teachers.yunet import YuNet

PARTS = ("finder", "reader")
PACKAGES = {ONNX_RUNTIME: "onnxruntime", "litert": "ai-edge-litert"}
"""Engine → the package that it comes in, besides numpy and OpenCV."""
_NEVER_RUN = {"EmotiEffLib": "enet_b*.onnx", "py-feat": "*feat*.safetensors"}
"""Peers that nothing here runs, and what their weights are called."""

Picture = NDArray[np.uint8]
"""``(H, W, 3)`` BGR."""
Engines = tuple[str, str]
"""What runs the detector, and what the recogniser."""


class Peer(Protocol):
    """A detector with a recogniser."""

    def find(self, picture: Picture) -> Any:
        """Return where the surest face is, as ``read`` wants it; None without one."""

    def read(self, picture: Picture, place: Any) -> Any:
        """Return what the recogniser says of the face there."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A peer that can be opened."""

    name: str
    needed: tuple[Path, ...]
    """Its files in a data root."""
    open: Callable[[Path, Engines], Peer]
    engines: tuple[Engines, ...] = tuple((engine, engine) for engine in ENGINES)
    """What can run it."""
    follows: bool = False
    """Whether a face that was read tells where it is in the next frame; the detector
    runs again only where it is lost."""

    def in_root(self, data: Path) -> bool:
        """Tell whether all of its files are there."""
        return all((data / file).is_file() for file in self.needed)


def _mobilefacenet(data: Path, engines: Engines) -> MobileFaceNet:
    finder = YuNet(data) if engines[0] == OPENCV else YuNetOnnx(data)
    return MobileFaceNet(data, engines[1], finder)


def _xception(data: Path, engines: Engines) -> MiniXception:
    finder = UltraFace(data / ultraface.MODEL, engines[0])
    return MiniXception(data, engines[1], finder)


def _landmarks(data: Path, engines: Engines) -> Landmarks:
    return Landmarks(data, YuNet(data) if engines[0] == OPENCV else YuNetOnnx(data))


KINDS = (
    Kind(
        f"yunet + {mobilefacenet.NAME}",
        mobilefacenet.NEEDED,
        _mobilefacenet,
    ),
    Kind(f"ultraface_rfb320 + {xception.NAME}", xception.NEEDED, _xception),
    Kind(
        landmarks.NAME,
        landmarks.NEEDED,
        _landmarks,
        engines=tuple((engine, "litert") for engine in ENGINES),
        follows=True,
    ),
)
"""All that can be run."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The faster engine of each part, on the picture that it was tried on."""

    engines: Engines
    tried_ms: Mapping[tuple[str, str], float]
    """Part and engine → median of its time, ms."""


def choose_engines(kind: Kind, data: Path, picture: Picture) -> Choice:
    """Time both parts by every engine, in turns, and take the faster ones.

    Args:
        kind: The peer.
        data: Data root with its files.
        picture: ``(H, W, 3)`` uint8 BGR with a face.

    Raises:
        DataError: No engine finds a face in the picture.
    """
    peers = {engines: kind.open(data, engines) for engines in kind.engines}
    places = [peer.find(picture) for peer in peers.values()]
    places = [place for place in places if place is not None]
    if not places:
        raise DataError(
            f"{kind.name}: finds no face in the picture that its engines are tried on; "
            "expected a clip that begins with a face"
        )
    find = {e[0]: partial(peer.find, picture) for e, peer in peers.items()}
    read = {e[1]: partial(peer.read, picture, places[0]) for e, peer in peers.items()}
    tried = {
        (part, engine): taken
        for part, calls in zip(PARTS, (find, read), strict=True)
        for engine, taken in median_ms(calls).items()
    }
    finder, reader = (
        min((ms, engine) for (of, engine), ms in tried.items() if of == part)[1]
        for part in PARTS
    )
    return Choice((finder, reader), tried)


def packages_of(engines: Engines) -> list[str]:
    """Return the packages that must be installed for a peer."""
    needed = {PACKAGES[engine] for engine in engines if engine in PACKAGES}
    return ["numpy", "opencv-python-headless", *sorted(needed)]


def left_out(data: Path) -> Iterator[tuple[str, str]]:
    """Yield the peers that are not measured, and why."""
    for kind in KINDS:
        missing = [str(file) for file in kind.needed if not (data / file).is_file()]
        if missing:
            yield kind.name, f"the data root lacks {', '.join(missing)}"
    if find_spec("ai_edge_litert") is None:
        yield landmarks.NAME, "ai-edge-litert is not installed"
    for name, pattern in _NEVER_RUN.items():
        found = sorted(file.name for file in (data / "models").glob(pattern))
        why = f"{', '.join(found)} is there, but nothing here runs it"
        yield name, why if found else f"no weights: the data root has no {pattern}"
