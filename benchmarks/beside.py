"""The same clip through ours and through what a user would build, in turns.

One thread each. Ours is the whole stream, record of health and all, without sound,
which the others do not hear either; theirs are the networks and what lies between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.clip_faces import frames_of
from benchmarks.peers.mobilefacenet import MobileFaceNet
from benchmarks.progress import Progress
from benchmarks.records import Record
from edge_affect.affect_model import AffectModel
from edge_affect.clock import NS_PER_MS, NS_PER_S, SystemClock
from edge_affect.config import StreamConfig
from edge_affect.errors import DataError
from edge_affect.realtime.stream import AffectStream
from edge_affect.testing import ScriptedSource
from edge_affect.types import Frame
from training.metrics import bootstrap

ROUNDS = 5
"""Times that the clip goes through each, in an order that turns round every time."""
OURS = "ours-s"
EVERY_FRAME = "yunet + fer_mobilefacenet_int8"
AT_OUR_PACE = "the same, detecting as often as ours"
_FPS = 30

Pictures = Sequence[NDArray[np.uint8]]
Chain = Callable[[Pictures], list[int]]
"""Takes a clip; returns what each frame took, ns."""


def measure_beside(
    clip: Path, data: Path, target: str, rounds: int, progress: Progress
) -> list[Record]:
    """Return the time of a frame in each chain, and its ratio to ours.

    Args:
        clip: A video.
        data: Data root with the peers' models.
        target: Which of the shipped bundle's graphs run.
        rounds: Times that the clip goes through each.
        progress: Told what is going on.

    Raises:
        DataError: The clip or a model is missing or cannot be read.
    """
    pictures = [picture for _, picture in frames_of(clip)]
    if not pictures:
        raise DataError(f"{clip.name}: has no frames; expected a video")
    model = AffectModel.load(purpose="research", backend="onnxruntime", target=target)
    pace = StreamConfig(purpose="research").detect_every
    peer = MobileFaceNet(data)
    chains: dict[str, Chain] = {
        OURS: lambda clip: _ours(model, clip),
        EVERY_FRAME: lambda clip: _peer(peer, clip, 1),
        AT_OUR_PACE: lambda clip: _peer(peer, clip, pace),
    }
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        taken = _in_turns(chains, pictures, rounds, progress)
    finally:
        cv2.setNumThreads(threads)
        model.close()
    return [
        record for name in chains for record in _records(name, taken, clip.name, target)
    ]


def _in_turns(
    chains: dict[str, Chain], pictures: Pictures, rounds: int, progress: Progress
) -> dict[str, NDArray[np.float64]]:
    """Return ``(rounds, frames)`` ms of each chain; the first round is thrown away."""
    names = list(chains)
    taken: dict[str, list[list[int]]] = {name: [] for name in names}
    for turn in progress.track(range(rounds + 1), rounds + 1, "rounds"):
        for name in names if turn % 2 else reversed(names):
            taken[name].append(chains[name](pictures))
    return {n: np.array(rows[1:], np.float64) / NS_PER_MS for n, rows in taken.items()}


def _records(
    name: str, taken: dict[str, NDArray[np.float64]], clip: str, target: str
) -> list[Record]:
    times_ms = taken[name]
    of = target if name == OURS else None
    figures = {
        "p50_ms": float(np.median(times_ms)),
        "p99_ms": float(np.percentile(times_ms, 99)),
        "mean_ms": float(times_ms.mean()),
    }
    about = partial(Record, set="clip", split=clip, model=name, target=of)
    records = [about(m, value, n=times_ms.size) for m, value in figures.items()]
    if name != OURS:
        means = {n: taken[n].mean(axis=1) for n in (name, OURS)}
        ratio = bootstrap(
            lambda pick: float(means[name][pick].mean() / means[OURS][pick].mean()),
            len(times_ms),
        )
        low, high = ratio.low, ratio.high
        told = about("ratio", ratio.value, n=len(times_ms), low=low, high=high)
        records.append(replace(told, against=OURS))
    return records


def _ours(model: AffectModel, pictures: Pictures) -> list[int]:
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


def _peer(peer: MobileFaceNet, pictures: Pictures, every: int) -> list[int]:
    """Read each picture; the face is looked for in every so many of them."""
    clock = SystemClock()
    taken, points = [], None
    for number, picture in enumerate(pictures):
        start_ns = clock.now_ns()
        if points is None or number % every == 0:
            points = peer.find(picture)
        if points is not None:
            peer.read(picture, points)
        taken.append(clock.now_ns() - start_ns)
    return taken
