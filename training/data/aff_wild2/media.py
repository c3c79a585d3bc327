"""Decode what clips are made of: crops and sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError, missing_dependency
from edge_affect.types import SAMPLE_RATE_HZ
from training.data.aff_wild2.clips import LabelledClip
from training.data.root import read_picture, to_square


def read_crops(
    clip: LabelledClip, indices: NDArray[np.int64], size_px: int
) -> NDArray[np.uint8]:
    """Decode crops: ``(N, size_px, size_px, 3)`` uint8 RGB.

    Raises:
        DataError: A crop is missing or is not a picture; the message names it.
    """
    out = np.empty((len(indices), size_px, size_px, 3), np.uint8)
    for row, index in enumerate(indices):
        crop = read_picture(clip.crop_path(int(index)), grey=False)
        out[row] = to_square(crop, size_px)[..., ::-1]
    return out


class NoSoundError(DataError):
    """A clip's file is whole, but nobody recorded sound with it."""


def read_sound(clip: LabelledClip) -> NDArray[np.float32]:
    """Decode a clip's sound: ``(samples,)`` float32 in [-1, 1], mono, 16 kHz.

    A WAV file of the video's name is taken before the video itself.

    Raises:
        NoSoundError: There is neither video nor WAV file, or it has no sound.
        DataError: The sound cannot be decoded.
        MissingDependencyError: PyAV is not installed.
    """
    source = clip.sound or clip.video
    if source is None:
        raise NoSoundError(
            f"clip {clip.name}: got neither a video nor a WAV file, expected one of "
            "its name"
        )
    return _decode(source)


def _decode(path: Path) -> NDArray[np.float32]:
    try:
        import av
    except ImportError as error:
        raise missing_dependency("av", "train", "reading Aff-Wild2's sound") from error
    parts: list[NDArray[Any]] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise NoSoundError(f"{path}: has no sound, expected an audio stream")
            resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
            for frame in container.decode(container.streams.audio[0]):
                parts += [out.to_ndarray()[0] for out in resampler.resample(frame)]
            parts += [out.to_ndarray()[0] for out in resampler.resample(None)]
    except (OSError, av.FFmpegError) as error:
        raise DataError(f"{path}: its sound cannot be decoded ({error})") from error
    if not parts:
        raise DataError(f"{path}: its sound is empty, expected samples")
    return np.concatenate(parts).astype(np.float32)
