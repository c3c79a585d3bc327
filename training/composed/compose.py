"""Compose sequences of cells from pictures and utterances that agree in class.

No set holds an emotion label on a clip with both a face and its voice. So a class
sequence is drawn first; then pictures of that class are held and blended along time,
and utterances are heard of which a part agrees. Pictures, speakers and classes are
drawn independently of each other given the class.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CELL_HZ = 30
"""Cells a second."""
AHEAD_CELLS = 10
"""How far the ahead heads look: 1/3 s."""
VOICE_LAG_S = 0.1
"""Age below which a voice hop is not used yet."""
HOP_S = 0.1
"""Length of a voice hop."""


@dataclass(frozen=True, slots=True)
class CellConfig:
    """What may happen to a modality on its way into the cells."""

    frame_hz: tuple[int, ...] = (15, 25, 30, 30)
    """Cameras, each equally likely."""
    drop_share: float = 0.05
    """Largest share of single frames lost."""
    bursts_per_s: float = 0.15
    """How often either modality is lost for a while."""
    burst_s: tuple[float, float] = (0.1, 2.0)
    """Shortest and longest such while."""
    stale_s: tuple[float, float] = (0.3, 1.0)
    """Lowest and highest age from which a face is masked."""
    no_face_share: float = 0.08
    """Share of sequences without any face."""
    no_voice_share: float = 0.35
    """Share of sequences without any voice."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Which face and which voice hop each of ``T`` cells uses."""

    face: NDArray[np.int64]
    """``(T,)`` cell whose face is used; 0 where masked."""
    face_valid: Floats
    face_age_s: Floats
    voice: NDArray[np.int64]
    """``(T,)`` hop used; 0 where masked."""
    voice_valid: Floats
    voice_age_s: Floats


@dataclass(frozen=True, slots=True)
class FacePool:
    """Embeddings of pictures, with what is known of each."""

    embedding: Floats
    """``(P, copies, E)``: each picture changed a little in several ways."""
    shares: Floats
    """``(P, K)`` distribution over the expressions."""
    affect: Floats
    """``(P, 2)`` valence and arousal; NaN where nobody rated it."""
    by_class: tuple[NDArray[np.int64], ...]
    """For each expression the pictures of which it is the likeliest."""


@dataclass(frozen=True, slots=True)
class Programme:
    """A class sequence with its voice track."""

    expression: NDArray[np.int64]
    """``(T,)`` class of the face in each cell."""
    voice: Floats
    """``(hops, E)`` voice embeddings."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """``T`` cells: what is seen and heard, and what is true."""

    face: Floats
    """``(T, E)`` embedding of the frame in each cell, before drops and holds."""
    shown: NDArray[np.bool_]
    """``(T,)`` whether a face was found in that frame."""
    voice: Floats
    """``(hops, E)``."""
    shares: Floats
    """``(T, K)`` distribution over the expressions; zeros where unknown."""
    affect: Floats
    """``(T, 2)``; NaN where unknown."""


def arrivals(
    shown: NDArray[np.bool_], config: CellConfig, random: np.random.Generator
) -> Arrivals:
    """Draw what reaches each cell; a face that is not ``shown`` never does."""
    cells = len(shown)
    cell = np.arange(cells)
    hz = int(random.choice(config.frame_hz))
    frames = np.floor((np.arange(cells * hz // CELL_HZ + 1) + 0.5) * CELL_HZ / hz)
    present = shown & np.isin(cell, frames.astype(np.int64))
    present &= random.random(cells) >= random.uniform(0, config.drop_share)
    present &= ~_bursts(cells, config, random)
    present &= random.random() >= config.no_face_share
    face = np.maximum.accumulate(np.where(present, cell, -1))
    # A held cell is estimated for its end, half a cell after a frame in its middle.
    age_s = np.where(present, 0.0, (cell - face + 0.5) / CELL_HZ)
    face_valid = (face >= 0) & (age_s <= random.uniform(*config.stale_s))
    time_s = (cell + 0.5) / CELL_HZ
    voice = np.floor((time_s - VOICE_LAG_S) / HOP_S + 1e-6).astype(np.int64) - 1
    voice_age_s = time_s - (voice + 1) * HOP_S
    voice_valid = (voice >= 0) & ~_bursts(cells, config, random)
    voice_valid &= random.random() >= config.no_voice_share
    return Arrivals(
        np.where(face_valid, face, 0),
        face_valid.astype(np.float32),
        np.where(face_valid, age_s, 0).astype(np.float32),
        np.where(voice_valid, voice, 0),
        voice_valid.astype(np.float32),
        np.where(voice_valid, voice_age_s, 0).astype(np.float32),
    )


def _bursts(
    cells: int, config: CellConfig, random: np.random.Generator
) -> NDArray[np.bool_]:
    lost = np.zeros(cells, np.bool_)
    for _ in range(int(random.poisson(config.bursts_per_s * cells / CELL_HZ))):
        start = int(random.integers(0, cells))
        lost[start : start + int(random.uniform(*config.burst_s) * CELL_HZ)] = True
    return lost


def class_sequence(
    cells: int, prior: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.int64]:
    """Draw ``(cells,)`` classes, each held for 1 to 4 s."""
    classes: list[int] = []
    while len(classes) < cells:
        held = int(random.uniform(1.0, 4.0) * CELL_HZ)
        classes.extend([int(random.choice(len(prior), p=prior))] * held)
    return np.array(classes[:cells], np.int64)


def segments(classes: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the first and the past-the-last cell of each run of one class."""
    edges = np.flatnonzero(np.diff(classes)) + 1
    bounds = [0, *edges.tolist(), len(classes)]
    return list(itertools.pairwise(bounds))


def compose(
    programme: Programme, pools: tuple[FacePool, ...], random: np.random.Generator
) -> Sequence:
    """Show faces to a programme: one picture in each segment, blended into the next."""
    cells = len(programme.expression)
    embedding = np.empty((cells, pools[0].embedding.shape[2]), np.float32)
    shares = np.empty((cells, pools[0].shares.shape[1]), np.float32)
    affect = np.empty((cells, 2), np.float32)
    for start, stop in segments(programme.expression):
        label = int(programme.expression[start])
        able = [pool for pool in pools if len(pool.by_class[label])]
        pool = able[int(random.integers(len(able)))]
        row = int(random.choice(pool.by_class[label]))
        embedding[start:stop] = _wander(pool.embedding[row], stop - start, random)
        shares[start:stop] = pool.shares[row]
        affect[start:stop] = pool.affect[row]
        if start:
            blend = min(int(random.uniform(0.1, 0.5) * CELL_HZ), stop - start)
            _blend(embedding, start, blend)
            _blend(shares, start, blend)
            _blend(affect, start, blend)
    shown = np.ones(cells, np.bool_)
    return Sequence(embedding, shown, programme.voice, shares, affect)


def _wander(copies: Floats, cells: int, random: np.random.Generator) -> Floats:
    """Walk ``(cells, E)`` between a picture's copies, a new one every half second."""
    corners = cells * 2 // CELL_HZ + 2
    visited = copies[random.integers(0, len(copies), corners)]
    at = np.arange(cells) * 2 / CELL_HZ
    before = at.astype(np.int64)
    share = (at - before)[:, None].astype(np.float32)
    walk: Floats = visited[before] * (1 - share) + visited[before + 1] * share
    return walk


def _blend(values: Floats, start: int, cells: int) -> None:
    share = ((np.arange(cells) + 1) / (cells + 1))[:, None].astype(np.float32)
    after = values[start : start + cells]
    # An unrated neighbour must not take a rating away.
    before = np.where(np.isnan(values[start - 1]), after, values[start - 1])
    values[start : start + cells] = before * (1 - share) + after * share
