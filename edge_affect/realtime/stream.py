"""AffectStream: a driver's camera and microphone in, one estimate per cell out."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType

from edge_affect.affect_model import AffectModel
from edge_affect.clock import NS_PER_MS, NS_PER_S, Clock, SimClock, SystemClock
from edge_affect.config import CameraMount, StreamConfig
from edge_affect.errors import StreamStateError, refuse_beside
from edge_affect.events import Event, EventLog
from edge_affect.realtime.budget import StageTimes
from edge_affect.realtime.devices import Deadline, Devices
from edge_affect.realtime.heat import HeatMonitor, HeatWatch
from edge_affect.realtime.info import (
    StreamInfo,
    StreamStats,
    stream_info,
    stream_stats,
)
from edge_affect.realtime.live import LiveThreads
from edge_affect.realtime.loop import LoopTiming, StreamLoop
from edge_affect.realtime.slots import BoundedQueue
from edge_affect.realtime.stepper import CellStepper
from edge_affect.sinks.base import Sink
from edge_affect.sinks.group import SinkGroup
from edge_affect.sinks.record import run_header
from edge_affect.sources.given import AudioLike, VideoLike, as_audio, as_source
from edge_affect.types import AudioChunk, Estimate
from edge_affect.update.trial import TrialWatch

_LOG = logging.getLogger(__name__)

_POLL_NS = 100 * NS_PER_MS
_SINKS_SHARE = 0.6
"""Share of it that sinks have; the rest is for the threads."""
CONSUMER = "consumer"
"""Reason of a drop: an estimate that a slow consumer never read."""


class AffectStream:
    """One camera's estimates; used once, inside ``with``.

    A live source is stepped by a thread of its own, and iteration reads what is
    ready; a file is stepped while it is iterated, as fast as it goes. Both run the
    same loop.

    Raises:
        PurposeError: The purpose is missing, unknown or forbids the bundle.
        EdgeAffectError: A setting, the bundle or a backend does not fit; devices and
            files are opened by ``with``, which raises SourceError.
    """

    def __init__(  # noqa: PLR0913 - keyword-only settings of the public face
        self,
        video: VideoLike = 0,
        audio: AudioLike = None,
        *,
        purpose: str | None = None,
        budget_ms: float = 33.3,
        mount: CameraMount | None = None,
        model: AffectModel | None = None,
        bundle: Path | str | None = None,
        backend: str = "auto",
        detector: Path | str | None = None,
        allow_unsigned: bool = False,
        key: Path | str | None = None,
        sinks: Sequence[Sink] = (),
        clock: Clock | None = None,
        config: StreamConfig | None = None,
    ) -> None:
        """Check everything and load the model; no device is opened yet.

        Args:
            video: A camera's number, a path, a ``://`` address, ``simulated``, or
                any ``Source``.
            audio: ``"default"``, a microphone's number, any ``AudioSource``, or None
                for only the sound that the video source brings.
            purpose: What the estimates are for, one of ``labels.PURPOSES``; None only
                beside a ``model``, which was loaded for one, or a ``config``.
            budget_ms: Time allowed from a frame's arrival to its estimate, ms.
            mount: How the camera is installed; None: upright, facing the driver.
            model: A loaded model to share; None loads one by the next five.
            bundle: Folder or archive of the bundle; None for the installed one, else
                for the shipped one.
            backend: ``auto``, ``onnxruntime`` or ``tensorrt``.
            detector: A YuNet ONNX file; None for the bundle's own locator.
            allow_unsigned: Whether a bundle that did not come with the wheel may run.
            key: Public key of whoever may sign bundles, a PEM file.
            sinks: Take every estimate; see ``Sink`` for the thread that calls them.
            clock: Time; None for the machine's.
            config: All settings, in place of purpose, budget_ms, mount and backend.
        """
        if config is not None:
            refuse_beside("config", purpose=purpose, mount=mount)
        if model is not None:
            purpose = purpose or model.purpose
            refuse_beside(
                "model",
                bundle=bundle,
                detector=detector,
                allow_unsigned=allow_unsigned or None,
                key=key,
            )
        self._config = config or StreamConfig(
            purpose or "", budget_ms, backend, mount=mount or CameraMount()
        )
        self._owns_model = model is None
        self._model = model or AffectModel.load(
            bundle,
            purpose=self._config.purpose,
            backend=self._config.backend,
            detector=detector,
            threads=self._config.threads,
            allow_unsigned=allow_unsigned,
            key=key,
        )
        self._model.require_purpose(self._config.purpose)
        self._clock = clock or SystemClock()
        self._file_clock = SimClock()
        self._devices = Devices(
            as_source(video, self._clock), as_audio(audio, self._clock)
        )
        self._sinks = SinkGroup(sinks)
        self._events = EventLog()
        self._times = StageTimes(SystemClock())
        # Re-entrant locks and plain bools: a signal handler may call ``stop``.
        self._lock = threading.Condition(threading.RLock())
        self._life = "new"
        self._opener: threading.Thread | None = None
        self._close_asked = self._stopping = False
        self._finishing = self._finished = False
        self._closing: Deadline | None = None
        self._fault: BaseException | None = None
        self._latest: Estimate | None = None
        self._loop: StreamLoop | None = None
        self._threads: LiveThreads | None = None
        self._trial: TrialWatch | None = None
        self._ready: BoundedQueue[Estimate] = BoundedQueue(self._config.queue_capacity)

    def __enter__(self) -> AffectStream:
        """Open the devices or the file and, when live, begin.

        A stream that is told to stop meanwhile ends in order, without an estimate.

        Raises:
            StreamStateError: The stream was used before.
            SourceError: A device or the file cannot be opened.
        """
        with self._lock:
            if self._life != "new":
                raise StreamStateError(
                    "stream: was used already; make a new AffectStream"
                )
            self._life, self._opener = "open", threading.current_thread()
        try:
            self._open()
        except BaseException:
            self._close_asked = True
            raise
        finally:
            with self._lock:
                self._opener = None
                self._lock.notify_all()
            if self._close_asked:
                self.close()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the stream; raise its fault unless that was raised already."""
        self.close()
        if kind is None:
            self._raise_fault()

    def _open(self) -> None:
        opened = self._devices.open()
        info = self._devices.video.info
        clock = self._clock if info.live else self._file_clock
        rate = self._model.bundle.manifest.timing.cell_hz
        heat = HeatMonitor(
            HeatWatch()
        )  # looks only while a live stream's thread runs it
        stepper = CellStepper(self._model, self._config, self._times)
        self._loop = StreamLoop(
            stepper,
            clock,
            self._emit,
            LoopTiming(
                rate,
                wait_ns=NS_PER_S * rate[1] // rate[0] + info.latency_ns,
                budget_ns=int(self._config.budget_ms * NS_PER_MS),
            ),
            heat.ask,
        )
        if not opened:
            self._finish(None)
            return
        if not info.live:
            # One item of a file may step many cells; none of their estimates is lost.
            self._ready = BoundedQueue(sys.maxsize)
            return
        self._sinks.go_live()
        if self._model.trial is not None:
            self._trial = TrialWatch(self._model.trial, rate)
            self._trial.begin()
        self._threads = LiveThreads(
            self._loop,
            self._devices,
            clock,
            self._finish,
            heat=heat,
            realtime=self._config.realtime,
            interrupt=stepper.interrupt,
        )
        if self._stopping:  # asked for just before there were threads to tell
            self._threads.stop()
        self._threads.start()

    def __iter__(self) -> Iterator[Estimate]:
        """Yield estimates in order until the source has ended or ``stop`` is called.

        Raises:
            StreamStateError: The stream is not open.
            EdgeAffectError: The file is damaged, or a live stream met a fatal fault.
        """
        if self._life != "open":
            raise StreamStateError(
                "stream: iterate inside 'with AffectStream(...) as stream'"
            )
        is_file = self._threads is None and not self._finished
        return self._iterate_file() if is_file else self._iterate_live()

    def _iterate_live(self) -> Iterator[Estimate]:
        while True:
            finished = self._finished
            until_ns = self._clock.now_ns() + (0 if finished else _POLL_NS)
            estimate = self._ready.wait_and_take(self._clock, until_ns)
            if estimate is not None:
                yield estimate
            elif finished:
                break
        self._raise_fault()

    def _raise_fault(self) -> None:
        """Raise the fault that ended a live stream, once."""
        with self._lock:
            fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def _iterate_file(self) -> Iterator[Estimate]:
        try:
            yield from self._step_file()
        except Exception as error:
            self._finish(error)
            self._fault = None  # it is raised here
            raise
        self._finish(None)

    def _step_file(self) -> Iterator[Estimate]:
        loop = self._require_loop()
        video = self._devices.video
        while not (self._stopping or video.ended):
            item = video.read(_POLL_NS)
            if item is None:
                continue
            self._file_clock.advance_to(item.t_arrival_ns)
            if isinstance(item, AudioChunk):
                loop.hear(item)
            elif loop.accounts.arrive(item.index):
                loop.see(item)
            while (estimate := self._ready.take()) is not None:
                yield estimate

    def latest(self) -> Estimate | None:
        """Return the newest estimate at once; None before the first."""
        return self._latest

    def take_events(self) -> tuple[Event, ...]:
        """Return every change since this was asked last, at once; see ``Event``.

        Up to 256 wait; when more came, the first one says how many were lost.
        """
        return self._events.take()

    def stop(self) -> None:
        """Ask the stream to end; from any thread, callback or signal handler."""
        self._stopping = True
        self._devices.stop()
        if self._threads is not None:
            self._threads.stop()

    def close(self) -> None:
        """Stop, wait for the threads, and release everything; idempotent.

        From any thread. A live stream takes two seconds at most: a thread or sink that
        hangs is left behind, and so is the model that it may be using.
        """
        deadline = Deadline()
        with self._lock:
            self._closing = self._closing or deadline
        self.stop()
        with self._lock:
            if not self._wait_for_opener(deadline):
                self._close_asked = True  # of whoever opens, as soon as it can
                return
            if self._life == "closed":
                return
            self._life = "closed"
        ended = True
        if self._threads is None:
            self._devices.close(deadline)
        else:
            ended = self._threads.join(deadline)
        self._finish(None)
        if self._owns_model and ended:
            self._model.close()

    def _wait_for_opener(self, deadline: Deadline) -> bool:
        """Return whether no thread opens the stream any more; with the lock held."""
        if self._opener is threading.current_thread():
            return False
        while self._opener is not None and (left_s := deadline.left_s()):
            self._lock.wait(left_s)
        return self._opener is None

    @property
    def info(self) -> StreamInfo:
        """What the stream runs on; the sources' part is complete once it is open."""
        return stream_info(
            self._devices, self._model, self._config, self._sinks.failures
        )

    @property
    def stats(self) -> StreamStats:
        """How the stream went so far."""
        threads = self._threads
        return stream_stats(
            self._require_loop(),
            self._times,
            lost_samples=0 if threads is None else threads.lost_samples,
            consumer_dropped=self._ready.dropped,
        )

    def _require_loop(self) -> StreamLoop:
        if self._loop is None:
            raise StreamStateError("stream: is not open yet; use it inside 'with'")
        return self._loop

    def _emit(self, estimate: Estimate) -> None:
        if self._latest is None:
            self._open_sinks()
        if self._ready.dropped:
            lost = {**estimate.dropped, CONSUMER: self._ready.dropped}
            estimate = replace(estimate, dropped=lost)
        if self._threads is not None:
            estimate = replace(estimate, lost_chunks=self._threads.take_lost_chunks())
        self._sinks.write(estimate)
        for event in self._events.see(estimate, self._ready.dropped):
            self._sinks.tell(event)
        self._latest = estimate
        self._ready.put(estimate)
        if self._trial is not None:
            self._trial.see(estimate, self._require_loop().misses)

    def _open_sinks(self) -> None:
        grid = self._require_loop().grid
        assert grid is not None  # noqa: S101 - an estimate exists, so its grid does
        info, mount = self.info, asdict(self._config.mount)
        # A file has times of its own, which no clock on the wall ever showed.
        offset_ns = self._clock.wall_ns() - self._clock.now_ns() if info.live else 0
        header = run_header(info, mount, grid.t0_ns, offset_ns)
        self._sinks.open(header)

    def _finish(self, fault: BaseException | None) -> None:
        """End the record; called by the stepping thread, or when there is none."""
        with self._lock:
            if self._finishing:
                return
            self._finishing = True
            self._fault = fault
            deadline = self._closing or Deadline()
        if fault is not None and self._threads is not None:
            _LOG.error("the stream ended: %s", fault)
        if self._trial is not None:
            self._trial.end(fault)
        # Not under the lock: a sink may take its time, or call the stream.
        self._sinks.close(fault, lambda: deadline.left_s(_SINKS_SHARE))
        with self._ready.condition:
            self._finished = True
            self._ready.condition.notify_all()
