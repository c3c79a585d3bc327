"""Make tiny media files."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av import AudioFrame

try:  # before any test hides it; a part of it is loaded when it is first needed
    import av
    import av.subtitles.stream
except ImportError:
    av = None  # type: ignore[assignment] # asked for below

MS = Fraction(1, 1_000)
SOUND_HZ = 44_100


def picture(number: int, size: tuple[int, int] = (64, 48)) -> NDArray[np.uint8]:
    """Return grey whose brightness tells ``number``, with a red top left corner."""
    made = np.full((size[1], size[0], 3), 40 + 4 * (number % 50), np.uint8)
    made[: size[1] // 2, : size[0] // 2] = (0, 0, 255)
    return made


def click(at_s: float, length_s: float = 1.0) -> NDArray[np.float32]:
    """Return stereo sound that is silent but for a short burst at ``at_s``."""
    sound = np.zeros((2, int(length_s * SOUND_HZ)), np.float32)
    start = int(at_s * SOUND_HZ)
    sound[:, start : start + SOUND_HZ // 200] = 0.8
    return sound


def write_pictures(
    path: Path, count: int = 30, size: tuple[int, int] = (64, 48)
) -> Path:
    """Write an mp4 of 30 frames per second without sound, by OpenCV alone."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, size)
    for number in range(count):
        writer.write(picture(number, size))
    writer.release()
    return path


def write_clip(
    path: Path,
    *,
    frame_ms: Sequence[int] = range(0, 1_000, 40),
    size: tuple[int, int] = (64, 48),
    sound: NDArray[np.float32] | None = None,
    sound_ms: Sequence[int] = (0,),
) -> Path:
    """Write pictures at given times, and sound that begins anew at each of its times.

    Args:
        path: A name that ends in ``.mkv``, which keeps times to the millisecond.
        frame_ms: When each frame is shown, ms; none leaves out the video.
        size: Width and height, pixels.
        sound: ``(2, samples)`` at ``SOUND_HZ``, cut evenly over ``sound_ms``.
        sound_ms: When each part of the sound begins, ms.
    """
    if av is None:
        pytest.skip("av is not installed")
    with av.open(str(path), "w") as container:
        video = (
            container.add_stream("mjpeg", rate=25, time_base=MS) if frame_ms else None
        )
        audio = None
        if sound is not None:
            audio = container.add_stream("pcm_s16le", rate=SOUND_HZ, layout="stereo")
        if video is not None:
            video.width, video.height, video.pix_fmt = *size, "yuvj420p"
            for number, t_ms in enumerate(frame_ms):
                frame = av.VideoFrame.from_ndarray(
                    picture(number, size), format="bgr24"
                )
                frame.pts, frame.time_base = t_ms, MS
                container.mux(video.encode(frame))
            container.mux(video.encode())
        if audio is not None and sound is not None:
            parts = np.array_split(sound, len(sound_ms), axis=1)
            for part, t_ms in zip(parts, sound_ms, strict=True):
                for start in range(0, part.shape[1], 1_024):
                    heard = _packed(part[:, start : start + 1_024])
                    heard.pts = t_ms * SOUND_HZ // 1_000 + start
                    container.mux(audio.encode(heard))
            container.mux(audio.encode())
    return path


def write_program_stream(path: Path, count: int = 50) -> Path:
    """Write noise as an MPEG program stream, which states no length, by PyAV."""
    if av is None:
        pytest.skip("av is not installed")
    noise = np.random.default_rng(0)
    with av.open(str(path), "w", format="mpeg") as container:
        video = container.add_stream("mpeg1video", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for _ in range(count):
            pixels = noise.integers(0, 256, (48, 64, 3), np.uint8)
            container.mux(
                video.encode(av.VideoFrame.from_ndarray(pixels, format="bgr24"))
            )
        container.mux(video.encode())
    return path


def _packed(stereo: NDArray[np.float32]) -> AudioFrame:
    samples = (stereo * 32_767).astype(np.int16).T.reshape(1, -1)
    heard = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "s16", "stereo")
    heard.sample_rate = SOUND_HZ
    heard.time_base = Fraction(1, SOUND_HZ)
    return heard


def turn(path: Path, quarters: int) -> Path:
    """Mark an mp4 as filmed on its side: to be turned clockwise by ``quarters``."""
    content = bytearray(path.read_bytes())
    matrix_at = content.index(b"tkhd") + 44
    sine, cosine = ((0, 1), (1, 0), (0, -1), (-1, 0))[quarters % 4]
    one = 1 << 16
    matrix = (cosine * one, sine * one, 0, -sine * one, cosine * one, 0, 0, 0, 1 << 30)
    content[matrix_at : matrix_at + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(content)
    return path


def move_frame(path: Path, from_ms: int, to_ms: int) -> Path:
    """Give the frame at ``from_ms`` of a short mkv another time; no muxer would."""
    content = bytearray(path.read_bytes())
    block = struct.pack(">BhB", 0x81, from_ms, 0x80)  # track, time, key frame
    at = content.index(block + b"\xff\xd8")
    content[at : at + len(block)] = struct.pack(">BhB", 0x81, to_ms, 0x80)
    path.write_bytes(content)
    return path
