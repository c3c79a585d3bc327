"""What stands between readers and the loop: the newest frame, waiting sound, turns."""

from __future__ import annotations

import logging
import threading

from edge_affect.clock import NS_PER_S, Clock
from edge_affect.errors import UsageError
from edge_affect.realtime.accounts import BUSY, CLOSED
from edge_affect.realtime.loop import StreamLoop
from edge_affect.realtime.slots import LatestSlot, SampleRing
from edge_affect.types import SAMPLE_RATE_HZ, AudioChunk, Frame

_LOG = logging.getLogger(__name__)

_FIRST_FRAME_NS = NS_PER_S
"""Without a frame for so long after the start, the grid is laid without one."""
_HEAR_NS = NS_PER_S // 10
"""Longest that sound is heard in one turn while a cell waits."""
_RING_SAMPLES = 2 * SAMPLE_RATE_HZ


class LoopFeed:
    """Takes items from any thread; one thread steps the loop with them.

    It makes no thread of its own, so a simulated run in one thread takes the very turns
    that a live stream takes.
    """

    def __init__(self, loop: StreamLoop, clock: Clock) -> None:
        """Start empty; the time without a frame counts from now.

        Args:
            loop: What is stepped.
            clock: Tells the time.
        """
        self._loop = loop
        self._clock = clock
        self._start_ns = clock.now_ns()
        self._changed = threading.Condition()
        self._frames: LatestSlot[Frame] = LatestSlot(self._changed)
        self._sound = SampleRing(_RING_SAMPLES, self._changed)
        # Plain bools and a re-entrant lock: a signal handler may call ``stop``.
        self._stopped = self._ended = False
        self._turn_ns: int | None = None
        self._told_unfit = False

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopped

    def busy_ns(self) -> int:
        """Return for how long the turn that runs now has run; 0 between two."""
        began_ns = self._turn_ns
        return 0 if began_ns is None else self._clock.now_ns() - began_ns

    def stop(self) -> None:
        """Ask ``run`` to return; at once, from any thread."""
        self._stopped = True
        self._wake()

    def end(self) -> None:
        """Let ``run`` return once everything that came is stepped."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def take(self, item: Frame | AudioChunk) -> None:
        """Take one item from a reader and account for it."""
        if isinstance(item, AudioChunk):
            self._sound.put(item)
        elif self._loop.accounts.arrive(item.index):
            if self._stopped:
                self._loop.accounts.drop(CLOSED)
            elif self._frames.put(item):
                self._loop.accounts.drop(BUSY)

    @property
    def frame_waits(self) -> bool:
        """Whether a frame was taken and not stepped yet."""
        return self._frames.filled

    @property
    def lost_samples(self) -> int:
        """Samples that were pushed out before they could be heard."""
        return self._sound.dropped_samples

    def take_lost_chunks(self) -> tuple[tuple[int, int], ...]:
        """Return the runs of chunks that were pushed out since this was asked last."""
        return self._sound.take_lost()

    def drop_waiting(self) -> None:
        """Account for a frame that will not be stepped any more."""
        if self._frames.take() is not None:
            self._loop.accounts.drop(CLOSED)

    def run(self) -> None:
        """Step the loop until ``stop``, or until ``end`` and nothing is left."""
        try:
            while not self._stopped:
                self._wait()
                ended = self._ended  # read first: what came before it is seen
                if not self._turn() and ended:
                    break
        finally:
            self._stopped = True
            self.drop_waiting()

    def _see(self, frame: Frame) -> None:
        """Step with ``frame``; one bad frame among good ones costs only itself."""
        try:
            self._loop.see(frame)
        except UsageError as error:
            if not self._loop.accounts.processed:
                raise  # the source is made wrong: that is told at once
            self._tell_unfit(error)

    def _tell_unfit(self, error: UsageError) -> None:
        if not self._told_unfit:
            self._told_unfit = True
            _LOG.warning("%s; it is left out, as others like it will be", error)

    def _due_ns(self) -> int:
        due_ns = self._loop.due_ns()
        return self._start_ns + _FIRST_FRAME_NS if due_ns is None else due_ns

    def _wait(self) -> None:
        with self._changed:
            while not (
                self._frames.filled
                or self._sound.filled
                or self._stopped
                or self._ended
                or self._clock.now_ns() >= self._due_ns()
            ):
                self._clock.wait(self._changed, self._due_ns())

    def _turn(self) -> bool:
        """Step what can be stepped, then hear; return whether anything came."""
        now_ns = self._turn_ns = self._clock.now_ns()
        self._loop.catch_up(now_ns)
        frame = self._frames.take()
        if frame is not None:
            self._see(frame)
        elif now_ns >= self._due_ns():
            self._loop.wake(now_ns)
        heard = self._hear()
        self._turn_ns = None
        return frame is not None or heard

    def _hear(self) -> bool:
        """Hear what waits, now that the estimate is out; return whether any did.

        What came up to here is heard even if a frame waits, for steps that take longer
        than a frame's period would leave no time for it. But not for longer than a hop:
        sound that is dearer than real time must not keep cells from being stepped.
        """
        waiting = len(self._sound)
        until_ns = self._clock.now_ns() + _HEAR_NS
        heard = False
        while not self._stopped and (chunk := self._sound.take()) is not None:
            self._hear_one(chunk)
            heard, waiting = True, waiting - 1
            now_ns = self._clock.now_ns()
            wanted = self._frames.filled or now_ns >= self._due_ns()
            if wanted and (waiting <= 0 or now_ns >= until_ns):
                break
        return heard

    def _hear_one(self, chunk: AudioChunk) -> None:
        """Hear ``chunk``; one bad chunk among good ones costs only itself."""
        try:
            self._loop.hear(chunk)
        except UsageError as error:
            self._tell_unfit(error)
