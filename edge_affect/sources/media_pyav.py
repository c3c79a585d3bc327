"""Decode a file's pictures and sound with PyAV."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_affect.clock import NS_PER_S
from edge_affect.errors import SourceError
from edge_affect.sources.media_sound import SoundTrack
from edge_affect.types import AudioChunk, Frame

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_DEFAULT_HZ = Fraction(25)
"""Frame rate of a stream that gives neither times nor a rate."""
_NS_PER_CONTAINER_TICK = 1_000
_UNSTATED = {"mpeg", "mpegts", "mpegvideo"}
"""Formats without a length of their own: FFmpeg takes it from the last time stamp."""
_TEXT_FORMAT = "tty"
"""FFmpeg would draw a text file as pictures of a terminal."""
_OPTIONS = {"protocol_whitelist": "file"}
"""A play list must not make the SDK reach for the network."""

_OLD_LABELS: dict[str, Any] = {"metadata_errors": "replace"}
"""Before PyAV 19 a label that is not UTF-8 failed the file, unless told so."""


class _Ratio(Protocol):
    """What Fraction and PyAV 19's own kind of fraction have in common."""

    @property
    def numerator(self) -> int: ...

    @property
    def denominator(self) -> int: ...


class PyAvDecoder:
    """An open file whose pictures and sound PyAV decodes.

    Each stream has a demuxer of its own. So the two merge by time however the file
    interleaves them, and never more than one item of each waits.
    """

    def __init__(self, path: Path, start_ns: int, *, audio: bool) -> None:
        """Open the file.

        Args:
            path: A readable, non-empty file.
            start_ns: Time of the earliest item.
            audio: Whether to read its sound.

        Raises:
            SourceError: It is not media or has no video.
        """
        self.dropped = 0
        self._name = path.name
        self._containers = [_open(path)]
        try:
            self._video = _video_of(self._containers[0], path.name)
            self._sound = self._open_sound(path) if audio else None
        except BaseException:
            self.close()
            raise
        duration = self._containers[0].duration
        self.duration_ns = duration * _NS_PER_CONTAINER_TICK if duration else None
        formats = set(self._containers[0].format.name.split(","))
        self.states_length = not _UNSTATED & formats
        self.has_audio = self._sound is not None
        silent = audio and not self.has_audio
        self.note = f"{path.name} has no sound that can be decoded" if silent else None
        starts = [
            _ns(stream.start_time, stream.time_base)
            for stream in (self._video, self._sound)
            if stream and stream.start_time is not None and stream.time_base
        ]
        self._offset_ns = start_ns - min(starts, default=0)

    def _open_sound(self, path: Path) -> AudioStream | None:
        container = _open(path)
        self._containers.append(container)
        return next((s for s in container.streams.audio if _decodable(s)), None)

    def items(self) -> Iterator[Frame | AudioChunk]:
        """Yield frames and chunks in order of arrival; called once.

        Raises:
            SourceError: No picture can be decoded.
        """
        frames = self._frames()
        first = next(frames, None)
        if first is None:
            raise SourceError(f"{self._name!r}: no picture of it can be decoded")
        # Sound stands first: of two that arrive together it is taken first.
        chunks = iter(()) if self._sound is None else self._chunks(self._sound)
        both: tuple[Iterator[Frame | AudioChunk], ...] = (
            chunks,
            chain((first,), frames),
        )
        return heapq.merge(*both, key=lambda item: item.t_arrival_ns)

    def _frames(self) -> Iterator[Frame]:
        rate_hz = self._video.average_rate or self._video.guessed_rate or _DEFAULT_HZ
        period_ns = NS_PER_S * rate_hz.denominator // rate_hz.numerator
        container = self._containers[0]
        last_ns: int | None = None
        for index, picture in enumerate(self._decoded(container, self._video)):
            t_ns = self._time_of(picture)
            if t_ns is None:
                t_ns = self._offset_ns if last_ns is None else last_ns + period_ns
            pixels = None if picture.is_corrupt else _upright(picture)
            if pixels is None or (last_ns is not None and t_ns <= last_ns):
                self.dropped += 1
                continue
            last_ns = t_ns
            yield Frame(pixels, t_ns, t_ns, index)

    def _chunks(self, stream: AudioStream) -> Iterator[AudioChunk]:
        track = SoundTrack()
        for sound in self._decoded(self._containers[1], stream):
            yield from track.push(sound, self._time_of(sound))
        yield from track.finish()
        self.dropped += track.dropped

    def _time_of(self, decoded: VideoFrame | AudioFrame) -> int | None:
        if decoded.pts is None or decoded.time_base is None:
            return None
        return self._offset_ns + _ns(decoded.pts, decoded.time_base)

    def _decoded(
        self, container: InputContainer, stream: VideoStream | AudioStream
    ) -> Iterator[Any]:
        """Yield what can be decoded of ``stream``; count what cannot."""
        import av

        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, ValueError):
                self.dropped += 1
                return
            if packet is None:
                return
            try:
                decoded = packet.decode()
            except (av.FFmpegError, ValueError):
                self.dropped += 1
            else:
                yield from decoded

    def close(self) -> None:
        """Close the file."""
        for container in self._containers:
            container.close()


def _open(path: Path) -> InputContainer:
    import av

    try:
        try:
            container = av.open(str(path), options=_OPTIONS)
        except UnicodeDecodeError:
            container = av.open(str(path), options=_OPTIONS, **_OLD_LABELS)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "unknown format"
        raise SourceError(
            f"{path.name!r}: is damaged or not media ({reason}); expected a video file"
        ) from None
    if container.format.name == _TEXT_FORMAT:
        container.close()
        raise SourceError(f"{path.name!r}: is text; expected a video file")
    return container


def _video_of(container: InputContainer, name: str) -> VideoStream:
    """Return the first video that is not just the cover of a record."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:
            continue
        if not _decodable(stream):
            raise SourceError(
                f"{name!r}: its video is of a kind that cannot be decoded"
            )
        return stream
    raise SourceError(
        f"{name!r}: has no video; expected a file with pictures of a face"
    )


def _decodable(stream: Stream) -> bool:
    """Return whether the build of FFmpeg has a decoder; the stubs say always."""
    context: object = stream.codec_context
    return context is not None


def _upright(picture: VideoFrame) -> NDArray[np.uint8] | None:
    """Return BGR pixels, turned as the file says: phones film on their side.

    None: the pixels are of a kind that cannot be converted.
    """
    import av

    try:
        pixels = picture.to_ndarray(format="bgr24")
    except (av.FFmpegError, ValueError):
        return None
    quarters = round(picture.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, quarters), np.uint8)


def _ns(ticks: int, time_base: _Ratio) -> int:
    return ticks * time_base.numerator * NS_PER_S // time_base.denominator
