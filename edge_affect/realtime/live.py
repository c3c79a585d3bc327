"""Threads of a live stream: one reads each source, one steps, one watches the heat."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from edge_affect.clock import NS_PER_MS, NS_PER_S, Clock
from edge_affect.config import RealtimeSettings
from edge_affect.realtime.devices import Deadline, Devices, join
from edge_affect.realtime.feed import LoopFeed
from edge_affect.realtime.heat import HeatMonitor
from edge_affect.realtime.loop import StreamLoop
from edge_affect.realtime.process import in_real_time
from edge_affect.sources.base import AudioSource, Source

_LOG = logging.getLogger(__name__)

_READ_NS = 100 * NS_PER_MS
"""Longest wait for an item before a reader looks whether it shall stop."""
_STEP, _HEAT = "edge_affect-step", "edge_affect-heat"
_HANGS_NS = NS_PER_S
"""A turn of the loop that runs for so long hangs: what it runs is interrupted."""
_PATIENCE = 0.5
"""Share of the time for closing after which a step is interrupted."""
_SHARE = 0.8
"""Share of what is left then that threads have; the rest is for the sinks."""


class LiveThreads:
    """Feeds a loop from sources in real time until it is stopped or they have ended."""

    def __init__(  # noqa: PLR0913 - what a stream's threads work with
        self,
        loop: StreamLoop,
        devices: Devices,
        clock: Clock,
        finished: Callable[[BaseException | None], None],
        *,
        heat: HeatMonitor,
        realtime: RealtimeSettings,
        interrupt: Callable[[], None],
    ) -> None:
        """Make the threads; ``start`` runs them.

        Args:
            loop: What is stepped.
            devices: Open sources; the stream ends when the first has ended.
            clock: Tells the time.
            finished: Called once, by the stepping thread, with the fault that ended
                it or None.
            heat: What the loop asks; it runs in a thread of its own.
            realtime: What the stepping thread asks of the machine.
            interrupt: Makes a graph that runs now fail, as far as that is possible.
        """
        self._realtime = realtime
        self._heat = heat
        self._feed = LoopFeed(loop, clock)
        self._devices = devices
        self._finished = finished
        self._interrupt = interrupt
        self._starting = threading.Lock()
        self._threads = [
            threading.Thread(
                target=self._read,
                args=(source,),
                kwargs={"ends_stream": number == 0},
                name=f"edge_affect-read-{number}",
                daemon=True,
            )
            for number, source in enumerate(devices.sources)
        ]
        self._threads += [
            threading.Thread(target=target, name=name, daemon=True)
            for name, target in ((_STEP, self._run), (_HEAT, heat.run))
        ]

    def start(self) -> None:
        """Begin to read and to step, unless ``stop`` came first."""
        with self._starting:
            if not self._feed.stopped:
                for thread in self._threads:
                    thread.start()
                return
        self._finished(None)

    def stop(self) -> None:
        """Ask every thread to end; returns at once, from any thread."""
        self._feed.stop()
        self._heat.stop()

    def join(self, deadline: Deadline) -> bool:
        """Close the sources and wait for the threads, which ``stop`` told to end.

        Returns:
            Whether every thread has ended; the one that calls counts as ended.
        """
        self._devices.close(deadline)  # wakes a reader that waits for a device to open
        with self._starting:
            started = [thread for thread in self._threads if thread.ident is not None]
        if threading.current_thread() not in started:
            for thread in started:
                thread.join(deadline.left_s(_PATIENCE))
            if any(t.is_alive() and t.name == _STEP for t in started):
                self._interrupt()
        ended = [join(thread, deadline.left_s(_SHARE)) for thread in started]
        self._feed.drop_waiting()
        return all(ended)

    @property
    def lost_samples(self) -> int:
        """Samples that were pushed out before they could be heard."""
        return self._feed.lost_samples

    def take_lost_chunks(self) -> tuple[tuple[int, int], ...]:
        """Return the runs of chunks that were pushed out since this was asked last."""
        return self._feed.take_lost_chunks()

    def _read(self, source: Source | AudioSource, *, ends_stream: bool) -> None:
        """Hand over items until the source has ended; a lost device is health."""
        try:
            while not self._feed.stopped and not source.ended:
                item = source.read(_READ_NS)
                if item is not None:
                    self._feed.take(item)
                if self._feed.busy_ns() > _HANGS_NS:
                    self._interrupt()
            if ends_stream and source.ended:
                self._feed.end()
        except Exception as error:  # noqa: BLE001 - a thread's boundary, any source
            _LOG.warning("source %s is lost: %s", source.info.name, error)
            # A camera may come back; a recording that fails has no more to give.
            if ends_stream and source.info.duration_ns is not None:
                self._feed.end()

    def _run(self) -> None:
        fault: BaseException | None = None
        try:
            with in_real_time(self._realtime):
                self._feed.run()
        except BaseException as error:  # noqa: BLE001 - raised from the iteration
            fault = error
        self._finished(fault)
