"""Figures of the locator: faces found, their points, and faces where there are none.

On held-out photographs' faces pasted into backgrounds that no network saw, with YuNet's
points on the photograph itself as the truth; on scenes without a face; on frames of
clips, where YuNet at full size is the truth. Every locator has its threshold from other
scenes, ours the one it ships with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.clip_faces import match_clip_frame, read_clips
from benchmarks.peers.locators import open_locators
from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.split import Figure, Floats, Split
from edge_affect.pixels import PixelFormat
from edge_affect.sensing.locator import Locator
from edge_affect.types import Frame
from training.data.photos import load_photos
from training.data.root import names_of
from training.scenes.backdrops import CABINS, paint_cabins
from training.scenes.draw import Scene, SceneConfig, SceneMaker
from training.scenes.faces import Faces, mark_faces
from training.scenes.matches import Matches, match_faces, recall_at
from training.teachers import yunet

SCENES = 400
"""Scenes of each part."""
EMPTY_SCENES = 1000
"""Scenes without a face."""
SELECTED_SCENES = 400
"""Scenes that thresholds are chosen on, drawn with other photographs."""
FALSE_FACES = 0.01
"""False faces per picture that a peer's threshold lets through there."""
_TURNED = 0.2
"""A face is turned when its nose lies so many eye distances off the eyes' middle."""
_SEED = 71_000
_PLAIN = SceneConfig(
    faces=(0, 0.8, 0.2), turn_deg=15, squeeze=0, pieces=0, covered=0, degraded=0
)
_ANY_SIZE = replace(_PLAIN, least_px=24, most_px=200)
_MIXED = replace(_ANY_SIZE, faces=(0.3, 0.5, 0.2), covered=0.2, pieces=0.2)

Mark = Callable[[Path, Iterable[NDArray[np.uint8]]], Faces]
Peers = Callable[[Path], Mapping[str, Callable[[], Locator]]]
Shares = Mapping[str, tuple[Floats, Floats]]
"""Metric → per picture what is counted, and of how much."""


@dataclass(frozen=True, slots=True)
class Part:
    """Scenes of one kind."""

    name: str
    config: SceneConfig
    turned: bool | None = None
    """Whether the faces are turned ones; None for all."""
    count: int = SCENES
    """How many are drawn."""


PARTS = (
    Part("24-48 px", replace(_PLAIN, least_px=24, most_px=48), turned=False),
    Part("48-96 px", replace(_PLAIN, least_px=48, most_px=96), turned=False),
    Part("96-200 px", replace(_PLAIN, least_px=96, most_px=200), turned=False),
    Part("turned", replace(_ANY_SIZE, turn_deg=30), turned=True),
    Part("covered", replace(_ANY_SIZE, covered=1)),
    Part("poor light", replace(_ANY_SIZE, degraded=1)),
    Part(
        "faceless",
        replace(_PLAIN, faces=(1,), pieces=0.3, degraded=1),
        count=EMPTY_SCENES,
    ),
)
_SELECTION = Part("selection", _MIXED, count=SELECTED_SCENES)


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Pictures of one part, and what finds faces in them."""

    split: Split
    units: list[str]
    """The independent unit that each belongs to."""
    match: Callable[[Locator], list[Matches]]


def measure_locators(
    split: Split,
    data: Path,
    progress: Progress,
    mark: Mark = mark_faces,
    peers: Peers = open_locators,
) -> list[Record]:
    """Measure the subject's locator and its peers; nothing without the teacher.

    Args:
        split: The held-out part of the photographs.
        data: Data root.
        progress: Shows how far it has come.
        mark: Finds the faces of pictures, and their points.
        peers: Opens the peers that a data root has.
    """
    if not (data / yunet.MODEL).is_file():
        return []
    selected, faces = (
        mark(data, pictures) for pictures in _photographs(split, data, progress)
    )
    if not len(faces) or not len(selected):
        return []
    cabins = paint_cabins(CABINS, CABINS + 80)
    chosen = _draw(_SELECTION, selected, cabins[:40], split)
    pictures = [_scenes(split, part, faces, cabins[40:]) for part in PARTS]
    pictures.append(_clips(split, data, progress))
    rivals = peers(data) if split.peers else {}
    locators = {"": split.subject.new_locator, **rivals}
    thresholds = {"": 0.0}  # ours gives no face below its own
    made = {name: make() for name, make in locators.items()}
    for name, locator in made.items():
        if name:
            told = progress.track(chosen, len(chosen), f"{name} threshold")
            found = recall_at(_match_scenes(locator, told), FALSE_FACES)
            thresholds[name] = found.threshold
    records = []
    for part in progress.track(pictures, len(pictures), "locators"):
        shares = {
            name: _shares(part.match(locator), thresholds[name])
            for name, locator in made.items()
        }
        for name, of in shares.items():
            records += _figures(part, of, name or None)
            if name:
                records += _differences(part, shares[""], of, name)
    return records


def _photographs(
    split: Split, data: Path, progress: Progress
) -> list[Iterable[NDArray[np.uint8]]]:
    """Return pictures to choose thresholds by, and those that are reported on."""
    train, held_out = load_photos(data, "train"), load_photos(data, split.part)
    named = names_of(train.names, "dev")
    judged = [held_out.names[row] for row in split.choose(len(held_out.names))]
    return [
        progress.track(train.archive.originals(named), len(named), "faces to select"),
        progress.track(held_out.archive.originals(judged), len(judged), "faces"),
    ]


def _scenes(
    split: Split, part: Part, faces: Faces, cabins: NDArray[np.uint8]
) -> _Pictures:
    drawn = _draw(part, faces, cabins, split)
    return _Pictures(
        replace(split, set="scenes", part=part.name),
        [f"{row:04}" for row in range(len(drawn))],
        lambda locator: _match_scenes(locator, drawn),
    )


def _clips(split: Split, data: Path, progress: Progress) -> _Pictures:
    frames = read_clips(data, progress)
    return _Pictures(
        replace(split, set="clips", part="test"),
        [frame.clip for frame in frames],
        lambda locator: [match_clip_frame(locator, frame) for frame in frames],
    )


def _draw(
    part: Part, faces: Faces, cabins: NDArray[np.uint8], split: Split
) -> list[Scene]:
    if part.turned is not None:
        rows = np.flatnonzero(is_turned(faces.points) == part.turned)
        if not len(rows):
            return []
        faces = Faces(faces.pictures[rows], faces.sizes[rows], faces.points[rows])
    maker = SceneMaker(part.config, faces, cabins)
    random = np.random.default_rng([_SEED, *part.name.encode()])
    return [maker.draw(random) for _ in split.choose(part.count)]


def is_turned(points: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell of ``(N, 5, 2)`` points whether the head is turned aside."""
    across = points[:, 1] - points[:, 0]
    off = points[:, 2] - points[:, :2].mean(1)
    span = (across**2).sum(1)
    return np.asarray(np.abs((off * across).sum(1)) > _TURNED * span)


def _match_scenes(locator: Locator, scenes: Iterable[Scene]) -> list[Matches]:
    return [
        match_faces(
            locator.locate(Frame(scene.luma, 0, 0, 0, PixelFormat.GREY8)), scene.points
        )
        for scene in scenes
    ]


def _shares(matches: Sequence[Matches], threshold: float) -> Shares:
    """Return what was found in each picture by faces that score enough."""
    counts = np.zeros((len(matches), 5))
    for row, match in enumerate(matches):
        hit = match.hits >= threshold
        marked = hit & np.isfinite(match.errors)
        counts[row] = (
            (match.false >= threshold).sum(),
            len(hit),
            hit.sum(),
            marked.sum(),
            match.errors[marked].sum(),
        )
    false, faces, found, marked, error = counts.T
    return {
        "false_faces": (false, np.ones(len(matches))),
        "recall": (found, faces),
        "point_error": (error, marked),
    }


def _share_of(part: Floats, whole: Floats) -> Figure:
    return lambda pick: float(part[pick].sum() / max(whole[pick].sum(), 1))


def _figures(part: _Pictures, of: Shares, peer: str | None) -> list[Record]:
    at = replace(part.split.at("locator"), peer=peer)
    records = []
    for metric, (some, whole) in of.items():
        if whole.any():
            figure = _share_of(some, whole)
            records += at.over_units("locator", metric, figure, part.units)
    return records


def _differences(part: _Pictures, ours: Shares, its: Shares, peer: str) -> list[Record]:
    """Return our recall less the peer's, on the same pictures."""
    (found, faces), (rival, _) = ours["recall"], its["recall"]
    if not faces.any():
        return []
    told = part.split.at("locator").over_units(
        "locator", "recall", _share_of(found - rival, faces), part.units
    )
    return [replace(record, against=peer) for record in told]
