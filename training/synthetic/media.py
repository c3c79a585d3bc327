"""Encode a clip in memory and look at it again, as whoever gets the file sees it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from edge_affect.types import SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Codec:
    """How a family's clips are stored."""

    container: str
    """Name of the container's format, which is the file's suffix too."""
    video: str
    """Name of the video encoder."""
    audio: str
    """Name of the audio encoder."""
    options: tuple[tuple[str, str], ...]
    """Settings of the video encoder."""
    audio_bit_rate: int
    """Bits per second of the sound."""


class ClipWriter:
    """Encodes one clip of pictures and sound, given in order of arrival."""

    def __init__(self, codec: Codec, fps: int, size: tuple[int, int]) -> None:
        self._file = io.BytesIO()
        self._container = av.open(self._file, "w", format=codec.container)
        video: Any = self._container.add_stream(codec.video, rate=fps)
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        video.options = dict(codec.options)
        # One thread: what the encoder makes must not depend on the machine's cores.
        video.thread_count = 1
        audio: Any = self._container.add_stream(codec.audio, rate=SAMPLE_RATE_HZ)
        audio.layout = "mono"
        audio.bit_rate = codec.audio_bit_rate
        self._video, self._audio = video, audio
        self._frames = self._samples = 0

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the file; nothing more can be added."""
        if kind is None:
            for stream in (self._video, self._audio):
                self._container.mux(stream.encode(None))
        self._container.close()

    def add_picture(self, picture: NDArray[np.uint8]) -> None:
        """Add the next ``(H, W, 3)`` uint8 BGR picture."""
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts = self._frames
        frame.time_base = 1 / self._video.average_rate
        self._frames += 1
        self._container.mux(self._video.encode(frame))

    def add_sound(self, samples: NDArray[np.float32]) -> None:
        """Add the next ``(samples,)`` float32 in [-1, 1] at 16 kHz."""
        levels = np.rint(32767 * samples).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(levels, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = self._samples
        self._samples += len(samples)
        self._container.mux(self._audio.encode(frame))

    def content(self) -> bytes:
        """Return the whole file, once the clip has ended."""
        return self._file.getvalue()


def pictures(content: bytes) -> Iterator[NDArray[np.uint8]]:
    """Yield each picture of an encoded clip: ``(H, W, 3)`` uint8 BGR, newly made."""
    with av.open(io.BytesIO(content)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
