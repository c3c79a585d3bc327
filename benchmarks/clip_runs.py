"""A clip through one chain: what each frame takes, and what the process then holds."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import cv2

from benchmarks.clip_faces import frames_of
from benchmarks.peers.chains import KINDS, Engines, Peer, Picture
from edge_affect.affect_model import AffectModel
from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.errors import DataError
from edge_affect.realtime.stream import AffectStream
from edge_affect.testing import ScriptedSource
from edge_affect.types import Frame

_FPS = 30
_HELD = 90
"""Frames that run through a process whose memory is read."""

Pictures = Sequence[Picture]


def pictures_of(clip: Path) -> list[Picture]:
    """Return the frames of a clip.

    Raises:
        DataError: It has none.
    """
    pictures = [picture for _, picture in frames_of(clip)]
    if not pictures:
        raise DataError(f"{clip.name}: has no frames; expected a video")
    return pictures


def load_ours(target: str) -> AffectModel:
    """Return the shipped bundle's model, by ONNX Runtime on one thread."""
    return AffectModel.load(
        purpose="research", backend="onnxruntime", target=target, threads=1
    )


def run_ours(model: AffectModel, pictures: Pictures) -> list[int]:
    """Read each picture as our whole stream does; return what each took, ns."""
    clock = SystemClock()
    script = []
    for number, picture in enumerate(pictures):
        t_ns = NS_PER_S + number * NS_PER_S // _FPS
        script.append((t_ns, Frame(picture, t_ns, t_ns, number)))
    taken = []
    with AffectStream(ScriptedSource(script), model=model) as stream:
        estimates = iter(stream)
        for _ in pictures:
            start_ns = clock.now_ns()
            next(estimates)
            taken.append(clock.now_ns() - start_ns)
    return taken


def run_peer(peer: Peer, pictures: Pictures, every: int) -> list[int]:
    """Read each picture; return what each took, ns.

    Args:
        peer: Finds and reads faces.
        pictures: The clip.
        every: The face is looked for in every so many of them, and where there is none.
    """
    clock = SystemClock()
    taken, place = [], None
    for number, picture in enumerate(pictures):
        start_ns = clock.now_ns()
        if place is None or number % every == 0:
            place = peer.find(picture)
        if place is not None:
            peer.read(picture, place)
        taken.append(clock.now_ns() - start_ns)
    return taken


def run_following(peer: Peer, pictures: Pictures) -> list[int]:
    """Do the same where what is read tells where the face is next, if anywhere."""
    clock = SystemClock()
    taken, place = [], None
    for picture in pictures:
        start_ns = clock.now_ns()
        if place is None:
            place = peer.find(picture)
        if place is not None:
            place = peer.read(picture, place)
        taken.append(clock.now_ns() - start_ns)
    return taken


def resident_bytes(clip: str, data: str, name: str, *told: str) -> int:
    """Run the first frames of a clip; return this process's memory without them.

    Args:
        clip: The video.
        data: Data root with the peers' models.
        name: A peer's, or anything else for ours.
        told: Engines of a peer, or our target.
    """
    cv2.setNumThreads(1)
    pictures = pictures_of(Path(clip))[:_HELD]
    kinds = {kind.name: kind for kind in KINDS}
    if name in kinds:
        engines: Engines = (told[0], told[1])
        peer = kinds[name].open(Path(data), engines)
        if kinds[name].follows:
            run_following(peer, pictures)
        else:
            run_peer(peer, pictures, every=1)
    else:
        with closing(load_ours(told[0])) as model:
            run_ours(model, pictures)
            return _resident_bytes(pictures)
    return _resident_bytes(pictures)


def _resident_bytes(pictures: Pictures) -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    held = sum(picture.nbytes for picture in pictures)
    return pages * resource.getpagesize() - held
