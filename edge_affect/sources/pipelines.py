"""Describe GStreamer pipelines that end in pictures for us."""

from __future__ import annotations

from dataclasses import dataclass

from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.errors import UsageError
from edge_affect.sources.capture import CameraSettings

CSI = "csi://"
"""What the address of a camera at a Jetson's CSI port begins with; a number follows."""
GST = "gst://"
"""What the address of a pipeline begins with; its elements up to the sink follow."""
SINK = "edge_affect"
"""Name of the element that we take the pictures from."""
_SINK = (
    f"appsink name={SINK} max-buffers=1 drop=true sync=false async=false "
    "emit-signals=true"
)
"""The newest picture wins; none waits for its time, and opening waits for none."""
_FORMATS = "(string){NV12,GRAY8,BGR,RGB}"
"""Layouts that are taken as they are."""
_WIDE = CameraSettings(width_px=640, height_px=360)
"""CSI sensors are wide: their pictures keep their shape."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline, and what is to be known of it."""

    name: str
    """What a user would call it, without passwords or keys."""
    text: str
    """Its elements, as ``gst-launch-1.0`` takes them, with the sink."""
    latency_ns: int
    """Usual time from light to arrival, ns."""
    open_limit_ns: int
    """Longest that opening may take, ns."""
    endless: bool
    """Whether it ends only by a fault, as a camera does."""


def csi_pipeline(address: str, settings: CameraSettings = _WIDE) -> Pipeline:
    """Return the pipeline of a CSI camera: Argus takes the picture, the VIC scales it.

    Args:
        address: ``csi://`` and the sensor's number.
        settings: Size and rate of the pictures.

    Raises:
        UsageError: There is no number.
    """
    number = address.removeprefix(CSI)
    if not (number.isascii() and number.isdecimal()):
        raise UsageError(f"source: got {address!r}, expected csi://0 or another number")
    sensor = int(number)
    rate = round(settings.fps)
    text = (
        f"nvarguscamerasrc sensor-id={sensor} ! "
        f"video/x-raw(memory:NVMM),format=NV12,framerate={rate}/1 ! "
        "nvvidconv ! video/x-raw,format=NV12,"
        f"width={settings.width_px},height={settings.height_px} ! {_SINK}"
    )
    name = f"csi camera {sensor}"
    return Pipeline(
        name, text, settings.latency_ns, settings.open_limit_ns, endless=True
    )


def given_pipeline(address: str) -> Pipeline:
    """Return a user's pipeline with our sink at its end.

    Args:
        address: ``gst://`` and elements whose last one gives raw video.

    Raises:
        UsageError: There are no elements, or a sink among them.
    """
    elements = address.removeprefix(GST).strip().rstrip("!").strip()
    if not elements or "appsink" in elements:
        raise UsageError(
            f"source: got the pipeline {_first(elements)!r}, expected elements that "
            "end before the sink, such as 'gst://v4l2src ! videoconvert'"
        )
    text = f"{elements} ! videoconvert ! video/x-raw,format={_FORMATS} ! {_SINK}"
    latency_ns, limit_ns = 50 * NS_PER_MS, 10 * NS_PER_S
    return Pipeline(
        f"gst {_first(elements)}", text, latency_ns, limit_ns, endless=False
    )


def _first(elements: str) -> str:
    """Return the kind of the first element: its settings may hold a password."""
    return elements.partition("!")[0].strip().partition(" ")[0]
