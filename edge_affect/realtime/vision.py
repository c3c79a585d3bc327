"""The vision path of a stream: frames to a tracked, aligned face and its embedding."""

from __future__ import annotations

from collections.abc import Mapping

from edge_affect.affect_model import AffectModel
from edge_affect.clock import NS_PER_S
from edge_affect.config import CameraMount
from edge_affect.model.affect import FaceReading
from edge_affect.realtime.budget import StageTimes
from edge_affect.realtime.driver import DriverSignals
from edge_affect.realtime.health import FROZEN, STALE_NS, FaceInput
from edge_affect.runners.base import StreamState
from edge_affect.sensing.align import align_face
from edge_affect.sensing.mount import upright
from edge_affect.sensing.quality import FrameQuality
from edge_affect.sensing.tracker import FaceTracker
from edge_affect.types import Frame

FORGET_NS = NS_PER_S
"""A gap longer than this ends what was known of the face."""


class VisionPath:
    """Finds, follows and reads the driver's face."""

    def __init__(
        self,
        model: AffectModel,
        state: StreamState,
        mount: CameraMount,
        times: StageTimes,
    ) -> None:
        self._graphs = model.graphs
        self._state = state
        self._mount = mount
        self._times = times
        self._tracker = FaceTracker(model.new_locator(), mount.driver_roi)
        self._quality = FrameQuality(STALE_NS)
        self._reasons: tuple[str, ...] = ()
        self._driver = DriverSignals()
        self.reading: FaceReading | None = None
        """What the newest face told."""
        self.driver: Mapping[str, float] | None = None
        """The driver's signals up to the newest face."""
        self.frame_ns: int | None = None
        """Capture of the newest frame."""
        self.face_ns: int | None = None
        """Capture of the newest frame that had a face."""

    def reset(self) -> None:
        """Forget the face and everything known of it."""
        self._tracker.reset()
        self._quality.reset()
        self._driver.reset()
        self._reasons = ()
        self.reading = self.frame_ns = self.face_ns = self.driver = None

    def see(self, frame: Frame, detect_every: int) -> None:
        """Take one frame, detecting again every ``detect_every`` frames."""
        gap = self.frame_ns is not None
        gap = gap and frame.t_capture_ns - (self.frame_ns or 0) > FORGET_NS
        if gap:
            self.reset()
        self.frame_ns = frame.t_capture_ns
        straight = upright(frame, self._mount)
        with self._times.measure("locate"):
            self._reasons = self._quality.check(straight)
            if FROZEN in self._reasons:
                return  # nothing new was seen, so the face ages as if it were gone
            face = self._tracker.update(straight, detect_every)
        if face is None:
            return
        with self._times.measure("align"):
            image = align_face(straight, face)
        with self._times.measure("face"):
            self.reading = self._graphs.face(self._state, image)
        self.face_ns = frame.t_capture_ns
        self.driver = self._driver.update(self.face_ns, self.reading)

    def input_at(self, t_ns: int) -> FaceInput:
        """Return what health needs to know at ``t_ns``."""
        return FaceInput(
            None if self.frame_ns is None else max(0, t_ns - self.frame_ns),
            None if self.face_ns is None else max(0, t_ns - self.face_ns),
            self._reasons,
        )
