"""Decode a file's pictures with OpenCV, which reads no sound."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.errors import SourceError
from edge_affect.sources.native import quiet_stderr
from edge_affect.types import Frame

_DEFAULT_HZ = 25.0
"""Frame rate of a file that states none."""
_TEXT_FOURCC = int.from_bytes(b"ansi", "little")
"""FFmpeg would draw a text file as pictures of a terminal."""


class OpenCvDecoder:
    """An open file whose pictures OpenCV decodes."""

    has_audio = False

    def __init__(self, path: Path, start_ns: int, *, audio: bool) -> None:
        """Open the file.

        Args:
            path: A readable, non-empty file.
            start_ns: Time of the first frame.
            audio: Whether sound is wanted, so that its absence is noted.

        Raises:
            SourceError: OpenCV reads no pictures from it.
        """
        import cv2

        backends = cv2.videoio_registry.getStreamBackends()
        # Any other would take a picture's name for a numbered series.
        backend = cv2.CAP_FFMPEG if cv2.CAP_FFMPEG in backends else cv2.CAP_ANY
        with quiet_stderr():
            self._capture = cv2.VideoCapture(str(path), backend)
        fourcc = int(self._capture.get(cv2.CAP_PROP_FOURCC))
        if not self._capture.isOpened() or fourcc == _TEXT_FOURCC:
            self._capture.release()
            raise SourceError(
                f"{path.name!r}: has no video that OpenCV can read; "
                "expected a video file ('edge_affect[media]' reads more kinds)"
            )
        self.note = (
            "sound is absent because 'edge_affect[media]' is not installed"
            if audio
            else None
        )
        self.dropped = 0
        self._name = path.name
        self._start_ns = start_ns
        rate_hz = self._capture.get(cv2.CAP_PROP_FPS)
        if not 0 < rate_hz < float("inf"):
            rate_hz = _DEFAULT_HZ
        self._period_ns = round(NS_PER_S / rate_hz)
        frames = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.duration_ns = frames * self._period_ns if frames > 0 else None
        self.states_length = frames > 0

    def items(self) -> Iterator[Frame]:
        """Yield the frames in order.

        Raises:
            SourceError: No picture can be decoded.
        """
        frames = self._frames()
        first = next(frames, None)
        if first is None:
            raise SourceError(f"{self._name!r}: no picture of it can be decoded")
        return chain((first,), frames)

    def _frames(self) -> Iterator[Frame]:
        import cv2

        first_ms: float | None = None
        last_ns = self._start_ns - self._period_ns
        index = 0
        while self._capture.grab():
            position_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
            if first_ms is None:
                first_ms = position_ms
            t_ns = self._start_ns + round((position_ms - first_ms) * NS_PER_MS)
            if t_ns <= last_ns:  # some backends and files give no times
                t_ns = last_ns + self._period_ns
            decoded, picture = self._capture.retrieve()
            if decoded:
                last_ns = t_ns
                yield Frame(picture, t_ns, t_ns, index)
            else:
                self.dropped += 1
            index += 1

    def close(self) -> None:
        """Close the file."""
        self._capture.release()
