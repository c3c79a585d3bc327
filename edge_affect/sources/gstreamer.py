"""CSI cameras and any other GStreamer pipeline, one that may hang alone."""

from __future__ import annotations

import logging
import threading
from typing import Any, final

from numpy.typing import NDArray

from edge_affect.clock import NS_PER_S, Clock
from edge_affect.errors import SourceError
from edge_affect.pixels import PixelFormat
from edge_affect.sources.base import Closing, SourceInfo
from edge_affect.sources.handover import Handover
from edge_affect.sources.native import Call, GivenUp
from edge_affect.sources.pipelines import Pipeline
from edge_affect.sources.player import OpenPlayer, Player, open_gstreamer
from edge_affect.types import Frame

_LOG = logging.getLogger(__name__)

_THREAD = "edge_affect-gstreamer"
_STOP_LIMIT_S = 1.0
"""A pipeline that does not stop within this is left behind."""


@final
class GStreamerSource(Closing):
    """The pictures of a pipeline, the newest first to be read.

    The pipeline's own thread leaves each picture in a slot where the newest wins.
    Capture times are the presentation times on the machine's monotonic clock; one that
    cannot be true is replaced by the arrival less the usual latency, and marked as
    estimated.
    """

    def __init__(
        self, pipeline: Pipeline, clock: Clock, open_player: OpenPlayer = open_gstreamer
    ) -> None:
        """Name the pipeline; ``with`` plays it.

        Args:
            pipeline: What is played.
            clock: Stamps the frames; must be monotonic time as GStreamer has it.
            open_player: Plays it.
        """
        self._pipeline = pipeline
        self._clock = clock
        self._open_player = open_player
        self._handover = Handover(pipeline.name, clock, pipeline.latency_ns)
        self._opening: Call[None] = Call(_THREAD)
        self._stopping: Call[None] = Call(_THREAD)
        self._lock = threading.Lock()
        self._player: Player | None = None
        self._abandoned = 0

    @property
    def info(self) -> SourceInfo:
        """What is known of the pipeline."""
        latency_ns = self._pipeline.latency_ns
        return SourceInfo(self._pipeline.name, live=True, latency_ns=latency_ns)

    @property
    def dropped(self) -> int:
        """Frames that a newer one replaced before they were read."""
        return self._handover.dropped

    @property
    def abandoned(self) -> int:
        """Pipelines that did not stop when asked and were left behind."""
        return self._abandoned

    @property
    def ended(self) -> bool:
        """Whether it was closed, failed and said so, or gave its last frame."""
        return self._handover.ended

    def __enter__(self) -> GStreamerSource:
        """Play the pipeline.

        Raises:
            MissingDependencyError: PyGObject or GStreamer is not installed.
            SourceError: It cannot be played, or not within the limit.
            StreamStateError: It was opened before.
        """
        self._handover.begin()
        limit_s = self._pipeline.open_limit_ns / NS_PER_S
        try:
            self._opening.within(limit_s, self._open)
            self._handover.wait_until_open(self._pipeline.open_limit_ns)
        except TimeoutError:
            self.close()
            raise SourceError(
                f"{self._pipeline.name}: did not open within {limit_s:g} s; "
                "does its driver hang?"
            ) from None
        except GivenUp:
            raise SourceError(
                f"{self._pipeline.name}: closed while it opened"
            ) from None
        except BaseException:
            self.close()
            raise
        return self

    def _open(self) -> None:
        ear = _Ear(self._pipeline, self._clock, self._handover)
        player = self._open_player(self._pipeline, ear)
        with self._lock:
            given_up = self._handover.closed
            if not given_up:
                self._player = player
        if given_up:
            player.stop()
        self._handover.open()

    def read(self, timeout_ns: int) -> Frame | None:
        """Return the newest frame that was not read yet, or None after the time-out.

        Raises:
            SourceError: The pipeline met a fault.
            StreamStateError: It is not open yet.
        """
        return self._handover.read(timeout_ns)

    @property
    def hangs(self) -> bool:
        """Whether it was closed and still opens, or stops."""
        return self._handover.closed and (self._opening.runs or self._stopping.runs)

    def close(self) -> None:
        """Stop the pipeline; from any thread, idempotent, within about a second."""
        self._handover.close()
        self._opening.give_up()
        with self._lock:
            player, self._player = self._player, None
        if player is None:
            return
        try:
            self._stopping.within(_STOP_LIMIT_S, player.stop)
        except TimeoutError:
            self._abandoned += 1
            _LOG.warning("%s: does not stop; it is left behind", self._pipeline.name)


class _Ear:
    """What the pipeline's threads speak to."""

    def __init__(self, pipeline: Pipeline, clock: Clock, handover: Handover) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._handover = handover

    @property
    def gave_up(self) -> bool:
        """Whether nobody listens any more."""
        return self._handover.closed or self._handover.failed

    def picture(
        self, data: NDArray[Any], pixel_format: PixelFormat, device_ns: int | None
    ) -> None:
        """Take a picture and, if it is known, its monotonic capture time, ns."""
        self._handover.put(data, self._clock.now_ns(), device_ns, pixel_format)

    def fault(self, message: str) -> None:
        """Note what went wrong, one line."""
        self._handover.fail(message)

    def end(self) -> None:
        """Note that the pipeline ended by itself."""
        if self._pipeline.endless:
            self._handover.fail(
                f"{self._pipeline.name}: ended by itself; is it still connected?"
            )
        else:
            self._handover.finish()
