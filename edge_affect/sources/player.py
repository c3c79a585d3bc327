"""Play a pipeline with GStreamer and hand its pictures over, by PyGObject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import MissingDependencyError, SourceError
from edge_affect.pixels import PixelFormat
from edge_affect.sources.pipelines import SINK, Pipeline

_FORMATS = {
    "BGR": PixelFormat.BGR,
    "GRAY8": PixelFormat.GREY8,
    "NV12": PixelFormat.NV12,
    "RGB": PixelFormat.RGB,
}
"""GStreamer's names of the layouts that we take."""
_LOOK_NS = 50_000_000
"""How often is looked whether opening was given up."""
_MEND = (
    "on Debian, Ubuntu and JetPack: apt-get install python3-gi "
    "gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base; in an environment "
    "without the system's packages also: python -m pip install 'edge_affect[gstreamer]'"
)


class Listener(Protocol):
    """Is told of what a pipeline gives, in the pipeline's own threads."""

    @property
    def gave_up(self) -> bool:
        """Whether nobody listens any more."""

    def picture(
        self, data: NDArray[Any], pixel_format: PixelFormat, device_ns: int | None
    ) -> None:
        """Take a picture and, if it is known, its monotonic capture time, ns."""

    def fault(self, message: str) -> None:
        """Note what went wrong, one line."""

    def end(self) -> None:
        """Note that the pipeline ended by itself."""


class Player(Protocol):
    """A pipeline that plays."""

    def stop(self) -> None:
        """End it; may take as long as its driver likes."""


OpenPlayer = Callable[[Pipeline, Listener], Player]
"""Plays a pipeline until the player is stopped; may take as long as it likes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a buffer holds a picture."""

    pixel_format: PixelFormat
    """What its pixels are."""
    width_px: int
    """Width of the picture."""
    height_px: int
    """Height of the picture."""
    strides: tuple[int, ...]
    """Bytes from row to row, of each plane."""
    offsets: tuple[int, ...]
    """Where each plane begins, bytes."""


def unpack(data: bytes, layout: Layout) -> NDArray[np.uint8]:
    """Return the picture that a buffer holds, without what pads its rows.

    NV12 of an odd width or height loses its last column or row.
    """
    if layout.pixel_format is PixelFormat.GREY8:
        return _plane(data, layout, 0, layout.height_px, layout.width_px)
    if layout.pixel_format is PixelFormat.NV12:
        width, height = layout.width_px & ~1, layout.height_px & ~1
        luma = _plane(data, layout, 0, height, width)
        return np.concatenate([luma, _plane(data, layout, 1, height // 2, width)])
    rows = _plane(data, layout, 0, layout.height_px, 3 * layout.width_px)
    return rows.reshape(layout.height_px, layout.width_px, 3)


def _plane(
    data: bytes, layout: Layout, number: int, rows: int, row_bytes: int
) -> NDArray[np.uint8]:
    stride, offset = layout.strides[number], layout.offsets[number]
    # The last row need not be padded.
    flat = np.frombuffer(data, np.uint8, (rows - 1) * stride + row_bytes, offset)
    if stride == row_bytes:
        return flat.reshape(rows, row_bytes)
    steps = np.lib.stride_tricks.as_strided(
        flat, (rows, row_bytes), (stride, 1), writeable=False
    )
    return np.ascontiguousarray(steps)


def open_gstreamer(pipeline: Pipeline, listener: Listener) -> Player:
    """Play a pipeline with GStreamer.

    Raises:
        MissingDependencyError: PyGObject or GStreamer is not installed.
        SourceError: The pipeline cannot be made or does not play.
    """
    gst, video = _import_gstreamer(pipeline.name)
    try:
        player = _GstPlayer(gst, video, pipeline, listener)
    except RuntimeError as error:  # GLib's errors are RuntimeErrors
        reason = str(getattr(error, "message", error))
        raise SourceError(
            f"{pipeline.name}: {reason}; gst-inspect-1.0 lists the elements that "
            "are installed"
        ) from error
    try:
        player.play()
    except BaseException:
        player.stop()
        raise
    return player


def _import_gstreamer(name: str) -> tuple[Any, Any]:
    """Return GStreamer and its video library, ready for use."""
    try:
        import gi

        gi.require_version("Gst", "1.0")
        gi.require_version("GstApp", "1.0")
        gi.require_version("GstVideo", "1.0")
        from gi.repository import Gst, GstApp, GstVideo
    except (ImportError, ValueError) as error:  # ValueError: a namespace is missing
        raise MissingDependencyError(
            f"{name}: needs GStreamer and PyGObject ({error}); {_MEND}"
        ) from error
    del GstApp  # imported so that the sink knows what it is
    Gst.init(None)
    return Gst, GstVideo


class _GstPlayer:
    """A pipeline of GStreamer, on the machine's monotonic clock."""

    def __init__(
        self, gst: Any, video: Any, pipeline: Pipeline, listener: Listener
    ) -> None:
        self._gst = gst
        self._video = video
        self._name = pipeline.name
        self._limit_ns = pipeline.open_limit_ns
        self._listener = listener
        # Without the flag, what was made before a missing element keeps its files.
        flags = gst.ParseFlags.FATAL_ERRORS
        self._bin = gst.parse_launch_full(pipeline.text, None, flags)
        # Of all the clocks that a pipeline may choose, the one whose time is ours.
        self._bin.use_clock(gst.SystemClock.obtain())
        self._bus = self._bin.get_bus()
        self._bus.set_sync_handler(self._hear)
        self._sink = self._bin.get_by_name(SINK)
        self._taking = self._sink.connect("new-sample", self._take)

    def play(self) -> None:
        """Return once it plays, or the listener was told why not, or gave up."""
        states = self._gst.StateChangeReturn
        change = self._bin.set_state(self._gst.State.PLAYING)
        waited_ns = 0
        while change == states.ASYNC and not self._listener.gave_up:
            change, _, _ = self._bin.get_state(_LOOK_NS)
            waited_ns += _LOOK_NS
            if waited_ns > self._limit_ns:
                break
        if change in (states.FAILURE, states.ASYNC):
            # Told already, more closely, unless an element kept it to itself.
            self._listener.fault(f"{self._name}: cannot be played; is it in use?")

    def stop(self) -> None:
        """End it; may take as long as its driver likes."""
        self._bin.set_state(self._gst.State.NULL)
        # Either callback holds this object, and a message in the bus its pipeline: left
        # where they are, each opening would keep its files for ever.
        self._sink.disconnect(self._taking)
        self._bus.set_sync_handler(None)
        self._bus.set_flushing(True)

    def _hear(self, bus: Any, message: Any, *_: Any) -> Any:
        """Pass on what ends the pipeline.

        The message goes on into the bus: PyGObject never frees one that is dropped.
        """
        del bus
        if message.type == self._gst.MessageType.ERROR:
            error, _detail = message.parse_error()
            self._listener.fault(f"{self._name}: {error.message}")
        elif message.type == self._gst.MessageType.EOS:
            self._listener.end()
        return self._gst.BusSyncReply.PASS

    def _take(self, sink: Any) -> Any:
        """Hand a picture over in the thread that made it."""
        while self._bus.pop() is not None:
            pass  # nobody else reads the bus, and nothing may pile up in it
        try:
            sample = sink.emit("pull-sample")
            if sample is not None:
                data, layout = self._picture(sample)
                picture = unpack(data, layout)
                stamp_ns = self._capture_ns(sample)
                self._listener.picture(picture, layout.pixel_format, stamp_ns)
        except Exception as error:  # noqa: BLE001 - GLib would only print it
            self._listener.fault(f"{self._name}: failed: {error}")
            return self._gst.FlowReturn.ERROR
        return self._gst.FlowReturn.OK

    def _picture(self, sample: Any) -> tuple[bytes, Layout]:
        info = self._video.VideoInfo.new_from_caps(sample.get_caps())
        buffer = sample.get_buffer()
        # A driver that pads its rows otherwise says so beside the pixels.
        planes = self._video.buffer_get_video_meta(buffer) or info
        layout = Layout(
            _FORMATS[info.finfo.name],
            info.width,
            info.height,
            tuple(planes.stride),
            tuple(planes.offset),
        )
        return buffer.extract_dup(0, buffer.get_size()), layout

    def _capture_ns(self, sample: Any) -> int | None:
        """Return the presentation time on the machine's monotonic clock."""
        pts = sample.get_buffer().pts
        base_ns = self._bin.get_base_time()
        none = self._gst.CLOCK_TIME_NONE
        if none in (pts, base_ns):
            return None
        running = sample.get_segment().to_running_time(self._gst.Format.TIME, pts)
        return None if running == none else int(base_ns + running)
