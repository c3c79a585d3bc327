"""Threads of a live stream: one reads each source, one steps the loop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from edge_affect.clock import NS_PER_MS, NS_PER_S, Clock
from edge_affect.realtime.accounts import BUSY, CLOSED
from edge_affect.realtime.loop import StreamLoop
from edge_affect.realtime.slots import LatestSlot, SampleRing
from edge_affect.sources.base import AudioSource, Source
from edge_affect.types import SAMPLE_RATE_HZ, AudioChunk, Frame

_LOG = logging.getLogger(__name__)

_READ_NS = 100 * NS_PER_MS
"""Longest wait for an item before a reader looks whether it shall stop."""
_FIRST_FRAME_NS = NS_PER_S
"""Without a frame for so long after the start, the grid is laid without one."""
_RING_SAMPLES = 2 * SAMPLE_RATE_HZ
JOIN_S = 2.0
"""Longest that closing waits for a thread."""


class LiveThreads:
    """Feeds a loop from sources in real time until it is stopped or they have ended."""

    def __init__(
        self,
        loop: StreamLoop,
        sources: Sequence[Source | AudioSource],
        clock: Clock,
        finished: Callable[[BaseException | None], None],
    ) -> None:
        """Make the threads; ``start`` runs them.

        Args:
            loop: What is stepped.
            sources: Open sources; the stream ends when the first has ended.
            clock: Tells the time.
            finished: Called once, by the stepping thread, with the fault that ended
                it or None.
        """
        self._loop = loop
        self._clock = clock
        self._finished = finished
        self._changed = threading.Condition()
        self._frames: LatestSlot[Frame] = LatestSlot(self._changed)
        self._sound = SampleRing(_RING_SAMPLES, self._changed)
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._read,
                args=(source,),
                kwargs={"ends_stream": number == 0},
                name=f"edge_affect-read-{number}",
                daemon=True,
            )
            for number, source in enumerate(sources)
        ]
        self._threads.append(
            threading.Thread(target=self._run, name="edge_affect-step", daemon=True)
        )

    def start(self) -> None:
        """Begin to read and to step."""
        self._start_ns = self._clock.now_ns()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask every thread to end; returns at once, from any thread."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def join(self) -> None:
        """Wait for the threads, each for ``JOIN_S`` at most."""
        for thread in self._threads:
            if thread is threading.current_thread():
                continue
            thread.join(JOIN_S)
            if thread.is_alive():
                _LOG.warning("thread %s did not end and was left", thread.name)
        self._drop_waiting()

    @property
    def lost_samples(self) -> int:
        """Samples that were pushed out before they could be heard."""
        return self._sound.dropped_samples

    def take_lost_chunks(self) -> tuple[tuple[int, int], ...]:
        """Return the runs of chunks that were pushed out since this was asked last."""
        return self._sound.take_lost()

    def _drop_waiting(self) -> None:
        if self._frames.take() is not None:
            self._loop.accounts.drop(CLOSED)

    def _read(self, source: Source | AudioSource, *, ends_stream: bool) -> None:
        """Hand over items until the source has ended; a lost device is health."""
        try:
            while not self._stopped.is_set() and not source.ended:
                item = source.read(_READ_NS)
                if isinstance(item, AudioChunk):
                    self._sound.put(item)
                elif item is not None:
                    self._take_frame(item)
            if ends_stream and source.ended:
                self._ended.set()
        except Exception as error:  # noqa: BLE001 - a thread's boundary, any source
            _LOG.warning("source %s is lost: %s", source.info.name, error)
            # A camera may come back; a recording that fails has no more to give.
            if ends_stream and source.info.duration_ns is not None:
                self._ended.set()
        with self._changed:
            self._changed.notify_all()

    def _take_frame(self, frame: Frame) -> None:
        if not self._loop.accounts.arrive(frame.index):
            return
        if self._stopped.is_set():
            self._loop.accounts.drop(CLOSED)
        elif self._frames.put(frame):
            self._loop.accounts.drop(BUSY)

    def _run(self) -> None:
        fault: BaseException | None = None
        try:
            while not self._stopped.is_set():
                self._wait()
                ended = self._ended.is_set()  # read first: what came before it is seen
                if not self._turn() and ended:
                    break
        except BaseException as error:  # noqa: BLE001 - raised from the iteration
            fault = error
        self._stopped.set()
        self._drop_waiting()
        self._finished(fault)

    def _due_ns(self) -> int:
        due_ns = self._loop.due_ns()
        return self._start_ns + _FIRST_FRAME_NS if due_ns is None else due_ns

    def _wait(self) -> None:
        with self._changed:
            while not (
                self._frames.filled
                or self._sound.filled
                or self._stopped.is_set()
                or self._ended.is_set()
                or self._clock.now_ns() >= self._due_ns()
            ):
                self._clock.wait(self._changed, self._due_ns())

    def _turn(self) -> bool:
        """Step what can be stepped, then hear; return whether anything came."""
        now_ns = self._clock.now_ns()
        self._loop.catch_up(now_ns)
        frame = self._frames.take()
        if frame is not None:
            self._loop.see(frame)
        elif now_ns >= self._due_ns():
            self._loop.wake(now_ns)
        # The estimate is out; sound may take the rest of the time.
        chunk = self._sound.take()
        while chunk is not None:
            self._loop.hear(chunk)
            if self._frames.filled:
                return True
            chunk = self._sound.take()
        return frame is not None
