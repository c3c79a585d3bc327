"""Decode what clips are made of: crops and sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError
from edge_affect.types import SAMPLE_RATE_HZ
from training.data.aff_wild2.clips import LabelledClip
from training.data.root import read_square


def read_crops(
    clip: LabelledClip, indices: NDArray[np.int64], size_px: int
) -> NDArray[np.uint8]:
    """Decode crops: ``(N, size_px, size_px, 3)`` uint8 RGB.

    Raises:
        DataError: A crop is missing or is not a picture; the message names it.
    """
    out = np.empty((len(indices), size_px, size_px, 3), np.uint8)
    for row, index in enumerate(indices):
        crop = read_square(clip.crop_path(int(index)), size_px, grey=False)
        out[row] = crop[..., ::-1]
    return out


def read_sound(clip: LabelledClip) -> NDArray[np.float32]:
    """Decode a clip's sound: ``(samples,)`` float32 in [-1, 1], mono, 16 kHz.

    Raises:
        DataError: There is neither video nor WAV file, or it has no sound.
    """
    source = clip.sound or clip.video
    if source is None:
        raise DataError(
            f"clip {clip.name}: got neither a video nor a WAV file, expected one of "
            "its name"
        )
    return _decode(source)


def _decode(path: Path) -> NDArray[np.float32]:
    import av

    parts: list[NDArray[Any]] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise DataError(f"{path}: has no sound, expected an audio stream")
            resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
            for frame in container.decode(container.streams.audio[0]):
                parts += [out.to_ndarray()[0] for out in resampler.resample(frame)]
            parts += [out.to_ndarray()[0] for out in resampler.resample(None)]
    except (OSError, av.FFmpegError) as error:
        raise DataError(f"{path}: its sound cannot be decoded ({error})") from error
    if not parts:
        return np.zeros(0, np.float32)
    return np.concatenate(parts).astype(np.float32)
