"""Microphones by PyAudio: a callback that only copies, and a reader that converts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import ModuleType
from typing import final

from edge_affect.clock import NS_PER_S, Clock
from edge_affect.errors import SourceError, StreamStateError
from edge_affect.realtime.slots import BoundedQueue
from edge_affect.sources.base import Closing, SourceInfo
from edge_affect.sources.native import (
    Call,
    GivenUp,
    quiet_stderr,
)
from edge_affect.sources.pcm import PcmConverter, RawChunk
from edge_affect.sources.portaudio import (
    DEFAULT,
    InputDevice,
    import_pyaudio,
    open_input,
)
from edge_affect.types import AudioChunk

_LOG = logging.getLogger(__name__)

_QUEUE_CHUNKS = 100
"""2 s of sound: a reader that is further behind loses the oldest."""
_OPEN_LIMIT_S = 10.0
"""A sound server that hangs is given up after this."""
_CLOSE_LIMIT_S = 1.0
_THREAD = "edge_affect-sound"


@final
class MicrophoneSource(Closing):
    """A microphone at any rate and channel count, as 16 kHz mono.

    PortAudio's thread copies each chunk and its time into a bounded queue; ``read``
    mixes, resamples and maps times in the reader's thread.
    """

    def __init__(self, device: int | str | None, clock: Clock) -> None:
        """Name the device; ``with`` opens it.

        Args:
            device: Number, part of a name, or ``default``; None means ``default``.
            clock: Stamps the chunks.
        """
        self._wanted = DEFAULT if device is None else device
        self._clock = clock
        self._info = _info(str(self._wanted), 0)
        self._queue: BoundedQueue[RawChunk] = BoundedQueue(_QUEUE_CHUNKS)
        self._changed = self._queue.condition
        self._position = 0
        self._continue = self._overflow = 0
        self._opening: Call[InputDevice] = Call(_THREAD)
        self._releasing: Call[None] = Call(_THREAD)
        self._device: InputDevice | None = None
        self._converter: PcmConverter | None = None
        self._entered = self._closed = self._failed = False

    @property
    def info(self) -> SourceInfo:
        """What is known of the microphone; complete once it is open."""
        return self._info

    @property
    def dropped(self) -> int:
        """Chunks that were pushed out before they were read; gaps mark them."""
        return self._queue.dropped

    @property
    def ended(self) -> bool:
        """Whether it was closed, or failed and said so."""
        return self._closed or self._failed

    def __enter__(self) -> MicrophoneSource:
        """Open the device and begin to capture.

        Raises:
            MissingDependencyError: PyAudio, or soxr where needed, is not installed.
            SourceError: There is no such device or it cannot be opened.
            StreamStateError: It was opened before.
        """
        if self._entered or self._closed:
            raise StreamStateError(
                f"{self._info.name}: was opened before; make another"
            )
        self._entered = True
        package = import_pyaudio()
        self._continue, self._overflow = package.paContinue, package.paInputOverflow
        try:
            with quiet_stderr():  # ALSA and JACK list all that is not there
                device = self._opening.within(
                    _OPEN_LIMIT_S, lambda: self._open(package)
                )
            self._converter = PcmConverter(
                device.rate_hz, device.channels, device.latency_ns
            )
        except TimeoutError:
            self.close()
            raise SourceError(
                f"{self._info.name}: did not open within {_OPEN_LIMIT_S:g} s; "
                "does the sound server hang?"
            ) from None
        except GivenUp:
            raise SourceError(f"{self._info.name}: closed while it opened") from None
        except BaseException:
            self.close()
            raise
        self._info = _info(device.name, device.latency_ns)
        return self

    def _open(self, package: ModuleType) -> InputDevice:
        device = open_input(package, self._wanted, self._receive)
        with self._changed:
            given_up = self._closed
            if not given_up:
                self._device = device
        if given_up:
            device.release()
        return device

    def _receive(
        self, data: bytes | None, count: int, times: Mapping[str, float], status: int
    ) -> tuple[None, int]:
        """Take a chunk in PortAudio's thread: copy, stamp, nothing else."""
        arrival_ns = self._clock.now_ns()
        # The device's clock is another one than ours: only its differences mean much.
        age_s = times["current_time"] - times["input_buffer_adc_time"]
        raw = RawChunk(
            data or b"",
            self._position,
            arrival_ns,
            int(age_s * NS_PER_S),
            overflowed=bool(status & self._overflow),
        )
        self._position += count
        self._queue.put(raw)
        return None, self._continue

    def read(self, timeout_ns: int) -> AudioChunk | None:
        """Return the next chunk, or None when none came within the time-out.

        The first may take two seconds: a sound server wakes its device.

        Raises:
            SourceError: The device is gone.
            StreamStateError: It is not open yet.
        """
        if self._converter is None:
            if self._closed:
                return None
            raise StreamStateError(f"{self._info.name}: read it inside 'with'")
        until_ns = self._clock.now_ns() + timeout_ns
        while (raw := self._next_raw(until_ns)) is not None:
            chunk = self._converter.convert(raw)
            if chunk is not None:
                return chunk
        return None

    def _next_raw(self, until_ns: int) -> RawChunk | None:
        with self._changed:
            while not self._closed:
                raw = self._queue.take()
                if raw is not None:
                    return raw
                if self._clock.now_ns() >= until_ns:
                    break
                self._clock.wait(self._changed, until_ns)
        # Not under the lock, which the callback and ``close`` need: it may hang.
        self._check_alive()
        return None

    def _check_alive(self) -> None:
        device = self._device
        if device is not None and not device.stream.is_active():
            self._failed = True
            raise SourceError(
                f"{self._info.name}: stopped giving sound; is it still connected?"
            )

    @property
    def hangs(self) -> bool:
        """Whether it was closed and the sound server still does not answer."""
        return self._closed and (self._opening.runs or self._releasing.runs)

    def close(self) -> None:
        """Close the device; from any thread, idempotent, within about a second."""
        with self._changed:
            self._closed = True
            device, self._device = self._device, None
            self._changed.notify_all()
        self._opening.give_up()
        if device is None:
            return
        try:
            self._releasing.within(_CLOSE_LIMIT_S, device.release)
        except TimeoutError:
            _LOG.warning("%s: does not answer; it is left behind", self._info.name)
        except OSError as error:
            _LOG.warning("%s: did not close cleanly: %s", self._info.name, error)


def _info(name: str, latency_ns: int) -> SourceInfo:
    return SourceInfo(
        f"microphone {name}",
        live=True,
        latency_ns=latency_ns,
        has_video=False,
        has_audio=True,
    )
