"""Turn a device's 16-bit sound into chunks at 16 kHz with capture times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.errors import missing_dependency
from edge_affect.sources.sample_times import CaptureMap, RateCheck
from edge_affect.types import SAMPLE_RATE_HZ, AudioChunk

_LONGEST_AGE_NS = NS_PER_S
"""An ADC time further back than this is no time at all."""
_AGE_ROUNDING_NS = 2 * NS_PER_MS
_FULL_SCALE = 32_767
"""Magnitude of an int16 sample that was cut off."""


@dataclass(frozen=True, slots=True)
class RawChunk:
    """Sound as a device's callback delivers it."""

    data: bytes
    """Interleaved little-endian int16 samples."""
    position: int
    """Samples per channel that the device delivered before it."""
    t_arrival_ns: int
    """When the callback ran: monotonic, ns."""
    age_ns: int
    """Age of the first sample at arrival by the device's ADC time; 0 if it has none."""
    overflowed: bool = False
    """Whether the device lost samples before it."""


class _Resampler(Protocol):
    def resample_chunk(self, x: NDArray[np.float32]) -> NDArray[np.float32]: ...


class PcmConverter:
    """Mixes to mono, resamples with carried state, and tells when sound was taken.

    Output sample k lies at k / 16 kHz from the start of a run whatever the resampler
    still holds back, so its delay never enters the times. Nothing is joined across a
    gap: the resampler begins anew, and what it held is left out.
    """

    def __init__(self, rate_hz: int, channels: int, latency_ns: int) -> None:
        """Prepare for one device.

        Args:
            rate_hz: Sample rate of the device.
            channels: Channels of the device; their mean is taken.
            latency_ns: Usual age of a chunk's first sample, for when the device's ADC
                times are impossible.

        Raises:
            MissingDependencyError: Resampling is needed and soxr is not installed.
        """
        self._rate_hz = rate_hz
        self._channels = channels
        self._latency_ns = latency_ns
        self._estimated = False
        self._index = 0
        self._gap = False
        self._rate = RateCheck(rate_hz)
        self._told_ns: int | None = None
        self._begin(0)

    def _begin(self, position: int) -> None:
        """Start a run of continuous sound at the device's sample ``position``."""
        self._resampler = self._make_resampler()
        self._map = CaptureMap(self._rate_hz, has_adc=not self._estimated)
        self._run_start = self._expected = position
        self._delivered = 0

    def _make_resampler(self) -> _Resampler | None:
        if self._rate_hz == SAMPLE_RATE_HZ:
            return None
        try:
            import soxr
        except ImportError:
            raise missing_dependency(
                "soxr", "audio", f"sound from a device at {self._rate_hz} Hz"
            ) from None
        stream: _Resampler = soxr.ResampleStream(
            self._rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ"
        )
        return stream

    def convert(self, raw: RawChunk) -> AudioChunk | None:
        """Return the sound that ``raw`` completes; None while the resampler fills.

        Raises:
            WrongRateError: The device's rate is another one than it says.
        """
        samples = np.frombuffer(raw.data, "<i2").reshape(-1, self._channels)
        duration_ns = len(samples) * NS_PER_S // self._rate_hz
        estimated = not (
            duration_ns - _AGE_ROUNDING_NS <= raw.age_ns <= _LONGEST_AGE_NS
        )
        lost = raw.overflowed or raw.position != self._expected
        if lost:
            self._rate.begin()
        self._rate.see(raw.position, raw.t_arrival_ns)
        # The two kinds of time never enter one map.
        if lost or (estimated and not self._estimated):
            self._gap = self._index > 0
            self._estimated |= estimated
            self._begin(raw.position)
        age_ns = max(self._latency_ns, duration_ns) if self._estimated else raw.age_ns
        count = raw.position - self._run_start
        if self._map.measure(count, raw.t_arrival_ns - age_ns):
            self._gap = True
            self._begin(raw.position)
            self._map.measure(0, raw.t_arrival_ns - age_ns)
        self._expected = raw.position + len(samples)
        return self._deliver(samples, raw.t_arrival_ns)

    def _deliver(
        self, samples: NDArray[np.int16], t_arrival_ns: int
    ) -> AudioChunk | None:
        # Before anything is mixed or resampled: either would hide what was cut off.
        cut_off = (samples >= _FULL_SCALE) | (samples <= -_FULL_SCALE)
        mono = samples.mean(1, dtype=np.float32) / np.float32(32_768)
        if self._resampler is not None:
            mono = self._resampler.resample_chunk(mono).clip(-1, 1)
        if len(mono) == 0:
            return None
        # Whatever the device says: nothing arrives before it was taken, nor was taken
        # before what came earlier.
        latest_ns = t_arrival_ns - len(mono) * NS_PER_S // SAMPLE_RATE_HZ
        t_ns = min(latest_ns, self._map.t_ns(self._delivered, SAMPLE_RATE_HZ))
        if self._told_ns is not None:
            t_ns = max(t_ns, self._told_ns + 1)
        self._told_ns = t_ns
        chunk = AudioChunk(
            mono,
            t_ns,
            t_arrival_ns,
            self._index,
            gap_before=self._gap,
            estimated=self._estimated,
            cut_off_share=float(cut_off.any(1).mean()),
        )
        self._delivered += len(mono)
        self._index += 1
        self._gap = False
        return chunk
