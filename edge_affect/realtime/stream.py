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
from edge_affect.errors import StreamStateError, UsageError
from edge_affect.events import Event, EventLog
from edge_affect.realtime.budget import StageTimes
from edge_affect.realtime.heat import HeatMonitor, HeatWatch
from edge_affect.realtime.info import StreamInfo, StreamStats, printable
from edge_affect.realtime.live import LiveThreads
from edge_affect.realtime.loop import LoopTiming, StreamLoop
from edge_affect.realtime.slots import BoundedQueue
from edge_affect.realtime.stepper import CellStepper
from edge_affect.sinks.base import Sink
from edge_affect.sinks.group import SinkGroup
from edge_affect.sinks.record import run_header
from edge_affect.sources.base import AudioSource, Source
from edge_affect.sources.given import AudioLike, VideoLike, as_audio, as_source
from edge_affect.types import AudioChunk, Estimate
from edge_affect.update.trial import TrialWatch

_LOG = logging.getLogger(__name__)

_POLL_NS = 100 * NS_PER_MS
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
            sinks: Take every estimate, in the stepping thread.
            clock: Time; None for the machine's.
            config: All settings, in place of purpose, budget_ms, mount and backend.
        """
        if config is not None:
            _refuse_beside("config", purpose=purpose, mount=mount)
        if model is not None:
            purpose = purpose or model.purpose
            _refuse_beside(
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
        if self._model.purpose != self._config.purpose:
            raise UsageError(
                f"purpose: got {self._config.purpose!r}, but the model was loaded for "
                f"{self._model.purpose!r}; load one model per purpose"
            )
        self._clock = clock or SystemClock()
        self._file_clock = SimClock()
        self._video = as_source(video, self._clock)
        self._audio = as_audio(audio, self._clock)
        self._sinks = SinkGroup(sinks)
        self._events = EventLog()
        self._times = StageTimes(SystemClock())
        self._life = "new"
        self._stopping = threading.Event()
        self._finished = threading.Event()
        self._fault: BaseException | None = None
        self._latest: Estimate | None = None
        self._loop: StreamLoop | None = None
        self._threads: LiveThreads | None = None
        self._trial: TrialWatch | None = None
        self._ready: BoundedQueue[Estimate] = BoundedQueue(self._config.queue_capacity)
        self._lock = threading.RLock()

    def __enter__(self) -> AffectStream:
        """Open the devices or the file and, when live, begin.

        Raises:
            StreamStateError: The stream was used before.
            SourceError: A device or the file cannot be opened.
        """
        if self._life != "new":
            raise StreamStateError("stream: was used already; make a new AffectStream")
        self._life = "open"
        try:
            self._open()
        except BaseException:
            self.close()
            raise
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
        self._video.__enter__()
        info = self._video.info
        if self._audio is not None:
            if not info.live:
                raise UsageError(
                    f"audio: {info.name} is read as fast as it goes and brings its own "
                    "sound; leave audio out, or give a live source"
                )
            self._audio.__enter__()
        clock = self._clock if info.live else self._file_clock
        rate = self._model.bundle.manifest.timing.cell_hz
        heat = HeatMonitor(
            HeatWatch()
        )  # looks only while a live stream's thread runs it
        self._loop = StreamLoop(
            CellStepper(self._model, self._config, self._times),
            clock,
            self._emit,
            LoopTiming(
                rate,
                wait_ns=NS_PER_S * rate[1] // rate[0] + info.latency_ns,
                budget_ns=int(self._config.budget_ms * NS_PER_MS),
            ),
            heat.ask,
        )
        if not info.live:
            # One item of a file may step many cells; none of their estimates is lost.
            self._ready = BoundedQueue(sys.maxsize)
            return
        sources: list[Source | AudioSource] = [self._video]
        if self._audio is not None:
            sources.append(self._audio)
        if self._model.trial is not None:
            self._trial = TrialWatch(self._model.trial, rate)
            self._trial.begin()
        realtime = self._config.realtime
        self._threads = LiveThreads(
            self._loop, sources, clock, self._finish, heat=heat, realtime=realtime
        )
        self._threads.start()
        if self._stopping.is_set():  # asked for while the devices were opening
            self._threads.stop()

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
        return self._iterate_file() if self._threads is None else self._iterate_live()

    def _iterate_live(self) -> Iterator[Estimate]:
        while True:
            until_ns = self._clock.now_ns() + _POLL_NS
            finished = self._finished.is_set()
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
        while not self._stopping.is_set() and not self._video.ended:
            item = self._video.read(_POLL_NS)
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
        """Return every change of health or service since this was asked last, at once.

        Up to 256 wait; when more came, the first one says how many were lost.
        """
        return self._events.take()

    def stop(self) -> None:
        """Ask the stream to end; from any thread, callback or signal handler."""
        self._stopping.set()
        if self._threads is not None:
            self._threads.stop()

    def close(self) -> None:
        """Stop, wait for the threads, and release everything; idempotent."""
        self.stop()
        if self._threads is not None:
            self._threads.join()
        with self._lock:
            if self._life == "closed":
                return
            self._life = "closed"
        self._finish(None)
        self._video.close()
        if self._audio is not None:
            self._audio.close()
        if self._owns_model:
            self._model.close()

    @property
    def info(self) -> StreamInfo:
        """What the stream runs on; the sources' part is complete once it is open."""
        video = self._video.info
        audio = None if self._audio is None else self._audio.info
        if audio is None and video.has_audio:
            audio = video
        bundle = self._model.bundle
        runner = self._model.graphs.runner
        notes = [note for note in (video.note, audio and audio.note) if note]
        spectrum, valid = self._config.mount.spectrum, bundle.manifest.validity.spectra
        if spectrum not in valid:
            notes.append(
                f"the bundle was made for {', '.join(valid)} light; "
                f"{spectrum} light is unproven"
            )
        return StreamInfo(
            source=printable(video.name),
            audio=None if audio is None else printable(audio.name),
            live=video.live,
            backend=runner.backend,
            provider=runner.provider,
            target=self._model.target,
            target_reason=self._model.target_reason,
            bundle=f"{bundle.manifest.name} {bundle.manifest.version}",
            bundle_digest=bundle.digest,
            purpose=self._config.purpose,
            cell_hz=bundle.manifest.timing.cell_hz,
            notes=tuple(map(printable, (*dict.fromkeys(notes), *self._sinks.failures))),
        )

    @property
    def stats(self) -> StreamStats:
        """How the stream went so far."""
        loop = self._require_loop()
        accounts = loop.accounts
        return StreamStats(
            stages=self._times.stats(),
            captured=accounts.captured,
            processed=accounts.processed,
            dropped=accounts.dropped,
            misses=loop.misses,
            masked_hops=loop.masked_hops,
            lost_samples=0 if self._threads is None else self._threads.lost_samples,
            cells=loop.cells,
            skipped=loop.skipped,
            consumer_dropped=self._ready.dropped,
            face_ok_share=loop.face_ok / loop.cells if loop.cells else 0.0,
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
        self._events.see(estimate)
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
        self._sinks.open(run_header(info, mount, grid.t0_ns, offset_ns))

    def _finish(self, fault: BaseException | None) -> None:
        """End the record; called by the stepping thread, or when there is none."""
        with self._lock:
            if self._finished.is_set():
                return
            self._fault = fault
            if fault is not None and self._threads is not None:
                _LOG.error("the stream ended: %s", fault)
            if self._trial is not None:
                self._trial.end(fault)
            self._sinks.close(fault)
            self._finished.set()
        with self._ready.condition:
            self._ready.condition.notify_all()


def _refuse_beside(what: str, **given: object) -> None:
    """Refuse settings that ``what`` holds already."""
    doubled = [name for name, value in given.items() if value is not None]
    if doubled:
        raise UsageError(
            f"{doubled[0]}: was given beside {what}, which holds it; leave one out"
        )
