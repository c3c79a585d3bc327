"""A device that follows a script: what reaches the stream, and what is true of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.soak.outlets import POLL_NS, Outlet
from benchmarks.soak.script import CHUNK_NS, Do, Event
from benchmarks.soak.stub import StubRunner
from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.sources.pcm import PcmConverter, RawChunk
from edge_affect.testing import EventClock
from edge_affect.types import SAMPLE_RATE_HZ, AudioChunk, Frame

Picture = NDArray[np.uint8]
LATENCY_NS = 30 * NS_PER_MS
"""From a frame's capture, or a chunk's end, to its arrival."""
_WIDTH_PX, _HEIGHT_PX = 32, 24
_PICTURES = 16
_CHUNKS = 20
_CHUNK_SAMPLES = CHUNK_NS * SAMPLE_RATE_HZ // NS_PER_S

_REPEATING = (Do.FREEZE, Do.SWAP)


@dataclass(slots=True)
class Truth:
    """What really happened up to now, whatever the stream makes of it."""

    captured: int = 0
    """Frames that the device counted, as far as the counts of those tell that reached
    the stream."""
    repeated: int = 0
    """Frames that reached the stream and whose count did not rise."""
    lost: int = 0
    """Frames that those counts leave out."""
    good_ns: int | None = None
    """Capture of the newest frame with a new picture of the driver."""
    camera_fault: Do | None = None
    """What the camera gives instead of the driver; None: the driver."""
    bad_frames: tuple[int, ...] = ()
    """Indices of the frames since ``camera_fault``, as many as matter."""
    back_ns: int | None = None
    """Capture of the first good frame after a fault of the camera."""
    sound_ns: int | None = None
    """End of the newest sound that was no fault."""
    sound_fault: Do | None = None
    """What the microphone gives; None: a voice."""
    sound_fault_ns: int = 0
    """Since when."""
    sound_back_ns: int | None = None
    """End of the first good chunk after a fault of the sound."""
    model_fault: Do | None = None
    """What the model does; None: its work."""
    model_well_ns: int = 0
    """Since when the model is well."""
    suspended_ns: int | None = None
    """When the machine last woke up."""


class ScriptedDevice:
    """Turns a script's events into items for the stream and faults around it."""

    def __init__(
        self,
        clock: EventClock,
        runner: StubRunner,
        take: Callable[[Frame | AudioChunk], None],
        stall: Callable[[bool], None],
        pictures: Sequence[Picture] | None = None,
    ) -> None:
        """Be ready for ``calls``.

        Args:
            clock: The run's time.
            runner: What the model's faults happen to.
            take: Takes every item.
            stall: Tells the consumer to stop reading, or to read again.
            pictures: What the camera sees, BGR, two or more, again and again; None
                for noise in which only a stub finds a face.
        """
        self.truth = Truth()
        self.frames = 0
        """Frames that reached the stream."""
        self._clock = clock
        self._runner = runner
        self._take = take
        self._stall = stall
        self.camera = Outlet[Frame](clock, self._pass_frame)
        self.microphone = Outlet[AudioChunk](clock, take)
        self._converter = PcmConverter(SAMPLE_RATE_HZ, 1, CHUNK_NS + LATENCY_NS)
        self._converts_for = self.microphone.opened
        self._position = 0
        self._good = list(pictures or _noise())
        self._pools = {
            Do.DARK: [np.zeros_like(self._good[0])],
            Do.FLASH: _white(self._good[0].shape),
            Do.TORN: [_torn(picture) for picture in self._good],
        }
        self._voice = _voice()
        self._index = 0
        self._reached = 0
        self._chunks = 0
        self._shown = 0
        self._last = self._good[0]
        self._pair = self._good[0], self._good[1]
        self._gap = False

    def calls(
        self, events: Iterable[Event]
    ) -> Iterator[tuple[int, Callable[[], None]]]:
        """Yield the instants of ``events`` and what is to be called then."""
        start_ns = poll_ns = self._clock.now_ns()
        for event in events:
            at_ns = start_ns + event.t_ns
            if event.do is not Do.SUSPEND:
                poll_ns = max(poll_ns, self._clock.now_ns())  # none while it sleeps
            while poll_ns + POLL_NS < at_ns:
                poll_ns += POLL_NS
                yield poll_ns, self._poll
            yield at_ns, self._call(event)

    def _poll(self) -> None:
        self.camera.poll()
        self.microphone.poll()

    def _call(self, event: Event) -> Callable[[], None]:
        return lambda: self._happen(event)

    def _happen(self, event: Event) -> None:
        do = event.do
        if do in _FRAMES:
            self._frame(do, event.value)
        elif do in _SOUNDS:
            self._sound(do)
        elif do in _MODEL:
            self._model(do, event.value)
        elif do is Do.SUSPEND:
            self._clock.jump(event.value)
            self.truth.suspended_ns = self._clock.now_ns()
            self._camera_goes(do)
            if self.truth.sound_fault is None or self.truth.sound_back_ns is not None:
                self._sound_goes(do)
        elif do in (Do.UNPLUG, Do.REPLUG):
            self.camera.plugged = do is Do.REPLUG
            if do is Do.UNPLUG:
                self._camera_goes(do)
        elif do in (Do.MIC_UNPLUG, Do.MIC_REPLUG):
            self.microphone.plugged = do is Do.MIC_REPLUG
            self._converts_for = 0  # what was open is gone
            if do is Do.MIC_UNPLUG:
                self._sound_goes(do)
        else:
            self._stall(do is Do.CONSUMER_STALL)

    def _frame(self, do: Do, value: int) -> None:
        if do is Do.DROP:
            self._index += 1
            return
        if do is Do.SKIP:
            self._index += value
        if do is Do.DUPLICATE and self._index:
            self._deliver(self._index - 1, self._last, 0)
            return
        older = self._index
        if do is Do.REORDER:
            self._index += 1
        index = self._index
        self._index += 1
        picture = self._picture(do)
        self._note_picture(do, index)
        self.frames += 1
        self._deliver(index, picture, 0)
        if do is Do.REORDER:
            self._deliver(older, self._good[0], 5 * NS_PER_MS)

    def _picture(self, do: Do) -> Picture:
        if do is Do.FREEZE:
            return self._last
        if do is Do.SWAP:
            self._pair = self._pair[1], self._pair[0]
            return self._pair[0]
        self._shown += 1
        pictures = self._pools.get(do, self._good)
        picture = pictures[self._shown % len(pictures)]
        self._pair = self._last, picture
        self._last = picture
        return picture

    def _note_picture(self, do: Do, index: int) -> None:
        truth = self.truth
        capture_ns = self._clock.now_ns() - LATENCY_NS
        if do is Do.DARK or do in _REPEATING:
            if truth.camera_fault is not do:
                self._camera_goes(do)
            truth.bad_frames = (*truth.bad_frames, index)[:10]
            return
        if truth.camera_fault is not None:
            truth.camera_fault = None
            truth.back_ns = capture_ns
        truth.good_ns = capture_ns

    def _camera_goes(self, do: Do) -> None:
        self.truth.camera_fault = do
        self.truth.bad_frames = ()
        self.truth.back_ns = None

    def _deliver(self, index: int, picture: Picture, earlier_ns: int) -> None:
        now_ns = self._clock.now_ns()
        captured_ns = now_ns - LATENCY_NS - earlier_ns
        self.camera.deliver(Frame(picture, captured_ns, now_ns, index))

    def _pass_frame(self, frame: Frame) -> None:
        """Count what reaches the stream, then let it."""
        truth = self.truth
        truth.captured += 1
        if frame.index < self._reached:
            truth.repeated += 1
        else:
            lost = frame.index - self._reached
            truth.captured += lost
            truth.lost += lost
            self._reached = frame.index + 1
        self._take(frame)

    def _sound(self, do: Do) -> None:
        truth, now_ns = self.truth, self._clock.now_ns()
        self._chunks += 1
        if do is Do.OVERFLOW:
            self._gap = True
            self._sound_goes(do)
            return
        end_ns = now_ns - LATENCY_NS
        if do is Do.SOUND:
            if truth.sound_fault is not None:
                truth.sound_fault = None
                truth.sound_back_ns = end_ns
            truth.sound_ns = end_ns
        else:
            self._sound_goes(do)
        samples = self._voice[self._chunks % _CHUNKS]
        if do is not Do.SOUND:
            samples = _spoilt(samples, do)
        chunk = self._convert(samples, now_ns)
        if do is Do.NOT_A_NUMBER:
            chunk = replace(chunk, samples=np.full_like(chunk.samples, np.nan))
        self.microphone.deliver(chunk)

    def _convert(self, samples: NDArray[np.int16], now_ns: int) -> AudioChunk:
        """Return what the microphone's own code makes of a callback."""
        if self._converts_for != self.microphone.opened:  # each opening begins anew
            self._converts_for = self.microphone.opened
            self._converter = PcmConverter(SAMPLE_RATE_HZ, 1, CHUNK_NS + LATENCY_NS)
            self._position = 0
        age_ns = CHUNK_NS + LATENCY_NS
        raw = RawChunk(samples.tobytes(), self._position, now_ns, age_ns, self._gap)
        self._position += len(samples)
        self._gap = False
        chunk = self._converter.convert(raw)
        assert chunk is not None  # noqa: S101 - only a resampler holds sound back
        return chunk

    def _sound_goes(self, do: Do) -> None:
        if self.truth.sound_fault is not do:
            self.truth.sound_fault = do
            self.truth.sound_fault_ns = self._clock.now_ns()
            self.truth.sound_back_ns = None

    def _model(self, do: Do, value: int) -> None:
        truth, now_ns = self.truth, self._clock.now_ns()
        if do is Do.MODEL_WELL:
            truth.model_fault = None
            truth.model_well_ns = now_ns
            self._runner.mend()
            return
        truth.model_fault = do
        self._runner.fail(do, value)


_FRAMES = frozenset(
    (Do.FRAME, Do.FREEZE, Do.SWAP, Do.DARK, Do.FLASH, Do.TORN, Do.DROP, Do.DUPLICATE)
) | {Do.REORDER, Do.SKIP}
_SOUNDS = frozenset(
    (Do.SOUND, Do.SILENCE, Do.DC, Do.CLIP, Do.OVERFLOW, Do.NOT_A_NUMBER)
)
_MODEL = frozenset(
    (Do.MODEL_SLOW, Do.MODEL_HANG, Do.MODEL_HEAT, Do.MODEL_NAN, Do.MODEL_RAISE)
) | {Do.MODEL_WELL}


def _noise() -> list[Picture]:
    random = np.random.default_rng(0)
    shape = (_HEIGHT_PX, _WIDTH_PX, 3)
    return [random.integers(60, 200, shape, np.uint8) for _ in range(_PICTURES)]


def _white(shape: tuple[int, ...]) -> list[Picture]:
    """Return pictures of a flash: they differ, as a sensor's noise makes them."""
    random = np.random.default_rng(2)
    return [random.integers(252, 256, shape, np.uint8) for _ in range(_PICTURES)]


def _torn(picture: Picture) -> Picture:
    half = np.array(picture)
    half[len(half) // 2 :] = (0, 255, 0)
    return half


def _voice() -> list[NDArray[np.int16]]:
    """Return chunks of a noisy tone."""
    random = np.random.default_rng(1)
    phase = 2 * np.pi * 220 / SAMPLE_RATE_HZ * np.arange(_CHUNKS * _CHUNK_SAMPLES)
    sound = 0.4 * np.sin(phase) + random.normal(0, 0.02, len(phase))
    pcm = (32_767 * sound).astype(np.int16)
    return list(pcm.reshape(_CHUNKS, _CHUNK_SAMPLES))


def _spoilt(samples: NDArray[np.int16], do: Do) -> NDArray[np.int16]:
    """Return dead or cut-off sound; a converter's last bit is never quite still."""
    still = np.arange(len(samples), dtype=np.int16) % 2
    if do is Do.SILENCE:
        return still
    if do is Do.DC:
        return np.asarray(still + 10_000, np.int16)
    if do is Do.CLIP:
        loud = np.clip(8 * samples.astype(np.int32), -32_768, 32_767)
        return loud.astype(np.int16)
    return samples
