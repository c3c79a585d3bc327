"""A device that follows a script: what reaches the stream, and what is true of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.soak.script import CHUNK_NS, Do, Event
from benchmarks.soak.stub import StubRunner
from edge_affect.clock import NS_PER_MS, NS_PER_S
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
    """Frames that the device counted, as far as their counts tell."""
    repeated: int = 0
    """Frames whose count did not rise."""
    lost: int = 0
    """Frames that the count leaves out."""
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
        self._good = list(pictures or _noise())
        self._pools = {
            Do.DARK: [np.zeros_like(self._good[0])],
            Do.FLASH: _white(self._good[0].shape),
            Do.TORN: [_torn(picture) for picture in self._good],
        }
        self._voice = _voice()
        self._index = 0
        self._reached = 0
        self._chunk_index = 0
        self._shown = 0
        self._last = self._good[0]
        self._pair = self._good[0], self._good[1]
        self._gap = False

    def calls(
        self, events: Iterable[Event]
    ) -> Iterator[tuple[int, Callable[[], None]]]:
        """Yield the instants of ``events`` and what is to be called then."""
        start_ns = self._clock.now_ns()
        for event in events:
            yield start_ns + event.t_ns, self._call(event)

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
        elif do is Do.UNPLUG:
            self._camera_goes(do)
        elif do is Do.MIC_UNPLUG:
            self._sound_goes(do)
        elif do in (Do.CONSUMER_STALL, Do.CONSUMER_READ):
            self._stall(do is Do.CONSUMER_STALL)

    def _frame(self, do: Do, value: int) -> None:
        truth = self.truth
        if do is Do.DROP:
            self._index += 1
            return
        if do is Do.SKIP:
            self._index += value
        if do is Do.DUPLICATE and self._index:
            truth.captured += 1
            truth.repeated += 1
            self._deliver(self._index - 1, self._last, 0)
            return
        older = self._index
        if do is Do.REORDER:
            self._index += 1
        index = self._index
        self._index += 1
        lost = index - self._reached
        truth.captured += 1 + lost
        truth.lost += lost
        self._reached = index + 1
        picture = self._picture(do)
        self._note_picture(do, index)
        self.frames += 1
        self._deliver(index, picture, 0)
        if do is Do.REORDER:
            truth.captured += 1
            truth.repeated += 1
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
        self._take(Frame(picture, now_ns - LATENCY_NS - earlier_ns, now_ns, index))

    def _sound(self, do: Do) -> None:
        truth, now_ns = self.truth, self._clock.now_ns()
        self._chunk_index += 1
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
        samples = self._voice[self._chunk_index % _CHUNKS]
        if do is not Do.SOUND:
            samples = _spoilt(samples, do)
        chunk = AudioChunk(
            samples, end_ns - CHUNK_NS, now_ns, self._chunk_index, gap_before=self._gap
        )
        self._gap = False
        self._take(chunk)

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


def _voice() -> list[NDArray[np.float32]]:
    """Return chunks of a noisy tone."""
    random = np.random.default_rng(1)
    phase = 2 * np.pi * 220 / SAMPLE_RATE_HZ * np.arange(_CHUNKS * _CHUNK_SAMPLES)
    sound = 0.4 * np.sin(phase) + random.normal(0, 0.02, len(phase))
    return list(sound.astype(np.float32).reshape(_CHUNKS, _CHUNK_SAMPLES))


def _spoilt(samples: NDArray[np.float32], do: Do) -> NDArray[np.float32]:
    if do is Do.SILENCE:
        return np.zeros(len(samples), np.float32)
    if do is Do.DC:
        return np.full(len(samples), 0.3, np.float32)
    if do is Do.CLIP:
        return np.asarray(np.clip(8 * samples, -1, 1), np.float32)
    spoilt = np.array(samples)
    spoilt[len(spoilt) // 2] = np.nan
    return spoilt
