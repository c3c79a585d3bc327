"""The simulated driver as a source: frames and sound with their times."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from fractions import Fraction

from edge_affect.clock import NS_PER_S, Clock, SystemClock
from edge_affect.errors import StreamStateError, UsageError
from edge_affect.sources.base import Closing, SourceInfo
from edge_affect.sources.simulated.base import Renderer, Truth
from edge_affect.sources.simulated.driver import Driver, driver_from_seed
from edge_affect.sources.simulated.timing import FrameTimes, fraction_of
from edge_affect.types import SAMPLE_RATE_HZ, AudioChunk, Frame

CHUNK_SAMPLES = 320
"""Samples in a chunk: 20 ms."""
AUDIO_LATENCY_NS = 10_000_000
"""From the end of a chunk to its arrival."""
DEFAULT_START_NS = NS_PER_S
_BUFFERS = 4
"""Frames that a live camera keeps for a late reader; older ones are lost."""
_SMALLEST_PX = 16


class SimulatedSource(Closing):
    """Yields a procedural driver's frames and chunks in order of arrival."""

    def __init__(  # noqa: PLR0913 - a camera has this many settings
        self,
        seed: int = 0,
        duration_s: float | None = 20.0,
        fps: float | Fraction = 30,
        size: tuple[int, int] = (640, 480),
        *,
        audio: bool = True,
        live: bool = False,
        clock: Clock | None = None,
        latency_ns: int = 30_000_000,
        start_ns: int = DEFAULT_START_NS,
        jitter_ns: int = 0,
        rate_ppm: float = 0.0,
        renderer: Renderer | None = None,
        driver: Driver | None = None,
    ) -> None:
        """Draw the driver; nothing runs before the source is opened.

        Args:
            seed: Of the person, the car, the script and the jitter; at least 0.
            duration_s: Length; None never ends.
            fps: Nominal frames per second.
            size: Width and height of the frames, pixels.
            audio: Whether there is sound.
            live: Pace by ``clock`` and start at its time; else deliver as fast as
                read, with the times that a live source would have had.
            clock: Paces a live source; None: the system's.
            latency_ns: From a frame's capture to its arrival.
            start_ns: Capture time of the first sample when not live.
            jitter_ns: Largest distance of a frame from its regular time.
            rate_ppm: How much longer each frame's period is than nominal.
            renderer: Draws the frames instead of family A, at its own size.
            driver: Replaces the one drawn from ``seed``, renderer and all.

        Raises:
            UsageError: A value is out of range.
        """
        _check(seed, duration_s, size, latency_ns)
        self._times = FrameTimes(fraction_of(fps), rate_ppm, jitter_ns, seed)
        self._driver = driver or driver_from_seed(seed, size, renderer)
        self._clock = clock or SystemClock()
        self._live = live
        self._latency_ns = latency_ns
        self._start_ns: int | None = None if live else start_ns
        self._frames, self._samples = _counts(duration_s, self._times, audio=audio)
        self._duration_ns = None if duration_s is None else round(duration_s * NS_PER_S)
        self._name = f"simulated driver {seed}"
        self._has_audio = audio
        self._next_frame = 0
        self._next_sample = 0
        self._pending: Frame | AudioChunk | None = None
        self._condition = threading.Condition()
        self._opened = False
        self._closed = False

    @property
    def info(self) -> SourceInfo:
        """What is known of the source."""
        return SourceInfo(
            name=self._name,
            live=self._live,
            latency_ns=self._latency_ns,
            duration_ns=self._duration_ns,
            has_audio=self._has_audio,
        )

    @property
    def driver(self) -> Driver:
        """Who is filmed."""
        return self._driver

    def __enter__(self) -> SimulatedSource:
        """Start; a source is used once.

        Raises:
            StreamStateError: It was opened before.
        """
        if self._opened:
            raise StreamStateError(
                f"{self._name}: opened twice; make a new source instead"
            )
        self._opened = True
        if self._live:
            self._start_ns = self._clock.now_ns()
        return self

    def read(self, timeout_ns: int) -> Frame | AudioChunk | None:
        """Return the next item in order of arrival; see ``Source.read``.

        Raises:
            StreamStateError: The source was not opened.
        """
        if not self._opened:
            raise StreamStateError(
                f"{self._name}: not open; read it inside a with statement"
            )
        if self.ended:
            return None
        item = self._pending or self._make()
        if self._live:
            self._pending = item
            if not self._await(item.t_arrival_ns, timeout_ns):
                return None
            late_ns = max(item.t_arrival_ns, self._clock.now_ns())
            item = replace(item, t_arrival_ns=late_ns)
            self._pending = None
        return item

    @property
    def ended(self) -> bool:
        """Whether every item was read, or the source was closed."""
        if self._closed:
            return True
        left = self._frames_left() or self._samples_left()
        return self._pending is None and not left

    def close(self) -> None:
        """Stop, from any thread; idempotent."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def truth_at(self, t_ns: int) -> Truth:
        """Return the driver's true state at capture time ``t_ns``.

        Raises:
            StreamStateError: A live source has no time before it is opened.
        """
        return self._driver.script.truth_at(t_ns - self._started_ns())

    def _started_ns(self) -> int:
        if self._start_ns is None:
            raise StreamStateError(
                f"{self._name}: a live source has no time until it is open"
            )
        return self._start_ns

    def _frames_left(self) -> bool:
        return self._frames is None or self._next_frame < self._frames

    def _samples_left(self) -> bool:
        return self._samples is None or self._next_sample < self._samples

    def _make(self) -> Frame | AudioChunk:
        """Make whichever item arrives first; sound before a frame of the same time."""
        if self._live:
            self._lose_overrun()
        if not self._frames_left():
            return self._make_chunk()
        frame_ns = self._frame_ns(self._next_frame) + self._latency_ns
        if self._samples_left() and self._chunk_arrival_ns() <= frame_ns:
            return self._make_chunk()
        return self._make_frame()

    def _lose_overrun(self) -> None:
        now_ns = self._clock.now_ns()
        while (
            self._frames is None or self._next_frame + _BUFFERS < self._frames
        ) and self._frame_ns(self._next_frame + _BUFFERS) + self._latency_ns <= now_ns:
            self._next_frame += 1

    def _frame_ns(self, index: int) -> int:
        return self._started_ns() + self._times.capture_ns(index)

    def _make_frame(self) -> Frame:
        index = self._next_frame
        self._next_frame += 1
        t_ns = self._frame_ns(index)
        picture = self._driver.renderer.render(self.truth_at(t_ns), index)
        return Frame(picture, t_ns, t_ns + self._latency_ns, index)

    def _chunk_size(self) -> int:
        if self._samples is None:
            return CHUNK_SAMPLES
        return min(CHUNK_SAMPLES, self._samples - self._next_sample)

    def _sample_ns(self, sample: int) -> int:
        return self._started_ns() + sample * NS_PER_S // SAMPLE_RATE_HZ

    def _chunk_arrival_ns(self) -> int:
        end = self._next_sample + self._chunk_size()
        return self._sample_ns(end) + AUDIO_LATENCY_NS

    def _make_chunk(self) -> AudioChunk:
        first, arrival_ns = self._next_sample, self._chunk_arrival_ns()
        samples = self._driver.voice.samples(first, self._chunk_size())
        self._next_sample += len(samples)
        index = first // CHUNK_SAMPLES
        return AudioChunk(samples, self._sample_ns(first), arrival_ns, index)

    def _await(self, t_ns: int, timeout_ns: int) -> bool:
        """Wait until ``t_ns``; False when time ran out or the source was closed."""
        until_ns = min(t_ns, self._clock.now_ns() + max(0, timeout_ns))
        with self._condition:
            while not self._closed and self._clock.now_ns() < until_ns:
                self._clock.wait(self._condition, until_ns)
            return not self._closed and self._clock.now_ns() >= t_ns


def _check(
    seed: int, duration_s: float | None, size: tuple[int, int], latency_ns: int
) -> None:
    if seed < 0:
        raise UsageError(f"seed: got {seed}, expected 0 or more")
    if duration_s is not None and not (duration_s >= 0 and math.isfinite(duration_s)):
        raise UsageError(f"duration_s: got {duration_s}, expected 0 or more, or None")
    if min(size) < _SMALLEST_PX:
        raise UsageError(f"size: got {size}, expected at least {_SMALLEST_PX} pixels")
    if latency_ns < 0:
        raise UsageError(f"latency_ns: got {latency_ns}, expected 0 or more")


def _counts(
    duration_s: float | None, times: FrameTimes, *, audio: bool
) -> tuple[int | None, int | None]:
    """Return how many frames and samples there are; None: no end."""
    if duration_s is None:
        return None, None if audio else 0
    frames = math.ceil(Fraction(duration_s) * NS_PER_S / times.period_ns)
    return frames, round(duration_s * SAMPLE_RATE_HZ) if audio else 0
