"""Features of clips on disk: computed once, read memory-mapped."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError
from training.data.aff_wild2 import (
    LabelledClip,
    NoSoundError,
    read_crops,
    read_sound,
)
from training.engine.distributed import barrier, rank, world_size
from training.engine.files import written_whole
from training.engine.progress import progress
from training.features.base import FaceBackbone, Floats, SoundBackbone
from training.features.clips import ClipFeatures

_LOG = logging.getLogger(__name__)
_CROPS_AT_ONCE = 256
_CROPS_TOLD = 8
"""Crops, evenly chosen, whose size and time enter a clip's key."""


def gather_features(
    clips: Sequence[LabelledClip],
    face: FaceBackbone,
    sound: SoundBackbone,
    cache: Path,
) -> list[ClipFeatures]:
    """Return the features of ``clips``, computed where the cache lacks them.

    Under torchrun each process computes its share of the clips; all of them see all.

    Raises:
        DataError: A picture, a sound or a cached file cannot be read, or the disk is
            full. What was computed before stays.
    """
    _tell_of_silence(clips)
    mine = clips[rank() :: world_size()]
    for clip in progress(mine, "clips with features"):
        _face_features(clip, face, cache)
        _sound_features(clip, sound, cache)
    barrier()
    return [
        ClipFeatures(
            clip.name,
            clip.label_sets,
            clip.fps,
            _face_features(clip, face, cache),
            clip.present,
            _sound_features(clip, sound, cache),
            clip.valence_arousal,
            clip.expression,
            clip.action_units,
        )
        for clip in clips
    ]


def _tell_of_silence(clips: Sequence[LabelledClip]) -> None:
    silent = [clip.name for clip in clips if clip.video is None and clip.sound is None]
    if silent and rank() == 0:
        _LOG.warning(
            "%d of %d clips have neither video nor sound, %s the first: they count as "
            "silence",
            len(silent),
            len(clips),
            silent[0],
        )


def clip_key(clip: LabelledClip) -> str:
    """Return a name for what is computed of a clip, another one when it was replaced.

    It holds the clip's name and a digest of where it lies, of its length and of the
    size and time of its files: two data roots may name different clips alike.
    """
    told = [str(clip.crops.resolve()), str(len(clip.present))]
    told.append(str(int(clip.present.sum())))
    shown = np.flatnonzero(clip.present)
    if len(shown):
        rows = shown[np.linspace(0, len(shown) - 1, _CROPS_TOLD).astype(np.int64)]
        crops = [clip.crop_path(int(row)) for row in rows]
    else:
        crops = []
    for file in (clip.video, clip.sound, *crops):
        if file is not None:
            stat = file.stat()
            told += [str(stat.st_size), str(stat.st_mtime_ns)]
    return f"{clip.name}-{hashlib.sha256('|'.join(told).encode()).hexdigest()[:12]}"


def _face_features(clip: LabelledClip, face: FaceBackbone, cache: Path) -> Floats:
    def compute() -> Floats:
        out = np.zeros((len(clip.present), face.width), np.float32)
        shown = np.flatnonzero(clip.present)
        for start in range(0, len(shown), _CROPS_AT_ONCE):
            rows = shown[start : start + _CROPS_AT_ONCE]
            out[rows] = face.embed(read_crops(clip, rows, face.size_px))
        return out

    return _mapped(cache / face.key / f"{clip_key(clip)}.npy", compute)


def _sound_features(clip: LabelledClip, sound: SoundBackbone, cache: Path) -> Floats:
    def compute() -> Floats:
        times_s: NDArray[np.float64] = np.arange(len(clip.present)) / clip.fps
        try:
            heard = read_sound(clip)
        except NoSoundError as error:
            if clip.video is not None:
                _LOG.warning("%s; it counts as silence", error)
            return np.zeros((len(times_s), sound.width), np.float32)
        return sound.embed(heard, times_s)

    return _mapped(cache / sound.key / f"{clip_key(clip)}.npy", compute)


def _mapped(path: Path, compute: Callable[[], Floats]) -> Floats:
    try:
        if not path.exists():
            features = compute()
            with written_whole(path) as partial, partial.open("wb") as file:
                np.save(file, features, allow_pickle=False)
        mapped: Floats = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path}: not a usable feature file ({error}); remove it, or free space"
        ) from error
    return mapped
