"""The vision path of a stream: frames to a tracked, aligned face and its embedding."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edge_affect.affect_model import AffectModel
from edge_affect.clock import NS_PER_S
from edge_affect.config import CameraMount
from edge_affect.model.affect import FaceReading
from edge_affect.realtime.budget import StageTimes
from edge_affect.realtime.driver import DriverSignals
from edge_affect.realtime.health import FROZEN, STALE_NS, FaceInput
from edge_affect.runners.base import StreamState
from edge_affect.sensing.align import align_face
from edge_affect.sensing.flow import View
from edge_affect.sensing.mount import upright
from edge_affect.sensing.quality import FrameQuality
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
        self._tracker = model.new_tracker(mount.driver_roi)
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

    def look(self, frame: Frame, detect_every: int) -> NDArray[np.uint8] | None:
        """Take one frame, detecting again every ``detect_every`` frames.

        Returns:
            The aligned face, for ``read`` or ``take``; None where there is none.
        """
        gap = self.frame_ns is not None
        gap = gap and frame.t_capture_ns - (self.frame_ns or 0) > FORGET_NS
        if gap:
            self.reset()
        self.frame_ns = frame.t_capture_ns
        straight = upright(frame, self._mount)
        with self._times.measure("locate"):
            # The frame is read whole once: whoever looks at all of it looks at this.
            view = View.of(straight)
            self._reasons = self._quality.check(view.grey, frame.t_capture_ns)
            if FROZEN in self._reasons:
                return None  # nothing new was seen: the face ages as if it were gone
            face = self._tracker.update(straight, detect_every, view)
        if face is None:
            return None
        with self._times.measure("align"):
            return align_face(straight, face)

    def read(self, image: NDArray[np.uint8]) -> None:
        """Read the face that the last frame showed."""
        with self._times.measure("face"):
            reading = self._graphs.face(self._state, image)
        self.take(reading)

    def take(self, reading: FaceReading) -> None:
        """Take what was read of the last frame's face."""
        self.reading = reading
        self.face_ns = self.frame_ns
        self.driver = self._driver.update(self.face_ns or 0, reading)

    def input_at(self, t_ns: int, *, with_face: bool = False) -> FaceInput:
        """Return what health needs to know at ``t_ns``.

        Args:
            t_ns: The step's time.
            with_face: Whether the last frame's face counts as read already.
        """
        face_ns = self.frame_ns if with_face else self.face_ns
        return FaceInput(
            None if self.frame_ns is None else max(0, t_ns - self.frame_ns),
            None if face_ns is None else max(0, t_ns - face_ns),
            self._reasons,
        )
