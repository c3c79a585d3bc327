"""The voice path of a stream: chunks to log-mel hops to voice embeddings."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.errors import NonFiniteError, UsageError
from edge_affect.model.affect import AffectGraphs, VoiceReading
from edge_affect.realtime.budget import StageTimes
from edge_affect.realtime.health import VoiceInput
from edge_affect.runners.base import StreamState
from edge_affect.sensing.logmel import LogMelStream
from edge_affect.types import SAMPLE_RATE_HZ, AudioChunk

HOP_SAMPLES = 1_600
HOP_NS = HOP_SAMPLES * NS_PER_S // SAMPLE_RATE_HZ
GAP_NS = 100 * NS_PER_MS
"""A chunk this far from where the samples before it end follows a gap."""
DRIFT_SHARE = 0.02
"""Share of a chunk's deviation from the sample → time map that corrects the map."""
HOP_SLACK_NS = 20 * NS_PER_MS
"""Hops may lie this much further apart than their length before one counts as missing:
the sample → time map moves a little."""
CLIPPED_LEVEL = 0.999
"""Magnitude from which a sample counts as cut off; full scale is 1."""
CLIPPED_SHARE = 0.01
"""Share of a hop's samples that may be."""
_FLAT = 3 / 32_768
"""Span of samples that are no sound: the last bit of a converter that hears nothing,
or a constant level, with the ripple that resampling gives it."""
_HOPS_KEPT = 32


@dataclass(frozen=True, slots=True)
class Hop:
    """One voice hop that was computed."""

    number: int
    """Count of hops of this stream, from 0; goes on across gaps."""
    end_ns: int
    """When its last sample was taken."""
    reading: VoiceReading
    flat: bool
    """Whether its samples hardly differ: no microphone that hears is so still."""
    clipped: bool
    """Whether more than ``CLIPPED_SHARE`` of its samples are cut off."""


class VoicePath:
    """Turns sound into hops; samples are never joined across a gap nor stretched."""

    def __init__(
        self,
        graphs: AffectGraphs,
        state: StreamState,
        voice_lag_ns: int,
        times: StageTimes,
    ) -> None:
        """Start without sound.

        Args:
            graphs: The bundle's graphs.
            state: The stream's state; its voice part belongs to this path.
            voice_lag_ns: A step uses sound up to this long before it.
            times: Where durations are counted.
        """
        self._graphs = graphs
        self._state = state
        self._lag_ns = voice_lag_ns
        self._times = times
        self._hops: deque[Hop] = deque(maxlen=_HOPS_KEPT)
        self._next_number = 0
        self._next_index = 0
        self._heard = False
        self._used_ns: int | None = None
        self._begin(0)

    def _begin(self, t_ns: int) -> None:
        self._mel = LogMelStream()
        self._graphs.runner.reset(self._state, "voice")
        self._anchor_ns = float(t_ns)
        self._samples = 0
        self._hops_since_begin = 0
        self._begin_hop()

    def _begin_hop(self) -> None:
        self._range = (np.inf, -np.inf)
        self._cut_off = 0.0

    def reset(self) -> None:
        """Forget all sound; the next chunk begins anew."""
        self._heard = False
        self._hops.clear()

    def hear(self, chunk: AudioChunk) -> None:
        """Take one chunk and compute the hops that it completes.

        Raises:
            UsageError: The samples are no float32 vector.
            NonFiniteError: A sample is NaN or infinite.
        """
        _check(chunk)
        expected_ns = self._anchor_ns + self._samples * NS_PER_S / SAMPLE_RATE_HZ
        deviation_ns = chunk.t_capture_ns - expected_ns
        lost = chunk.gap_before or chunk.index != self._next_index
        self._next_index = chunk.index + 1
        if not self._heard or lost or abs(deviation_ns) > GAP_NS:
            self._begin(chunk.t_capture_ns)
            self._heard = True
        else:
            self._anchor_ns += DRIFT_SHARE * deviation_ns
        start = 0
        while start < len(chunk.samples):
            room = HOP_SAMPLES - self._samples % HOP_SAMPLES
            self._hear_part(chunk.samples[start : start + room], chunk.cut_off_share)
            start += room

    def _hear_part(
        self, samples: NDArray[np.float32], cut_off_share: float | None
    ) -> None:
        """Take samples of one hop, the last of which may complete it."""
        self._samples += len(samples)
        low, high = self._range
        self._range = (min(low, samples.min()), max(high, samples.max()))
        if cut_off_share is None:
            cut_off_share = float((np.abs(samples) >= CLIPPED_LEVEL).mean())
        self._cut_off += cut_off_share * len(samples)
        for block in self._mel.push(samples):
            with self._times.measure("voice"):
                reading = self._graphs.voice(self._state, block)
            self._hops_since_begin += 1
            end_ns = int(self._anchor_ns) + self._hops_since_begin * HOP_NS
            flat = self._range[1] - self._range[0] <= _FLAT
            clipped = self._cut_off > CLIPPED_SHARE * HOP_SAMPLES
            self._hops.append(Hop(self._next_number, end_ns, reading, flat, clipped))
            self._next_number += 1
            self._begin_hop()

    def choose(self, t_ns: int) -> int | None:
        """Return the number of the newest hop that a step at ``t_ns`` may use.

        None when that hop is missing or was not computed yet; an older one never
        stands in for it.
        """
        limit_ns = t_ns - self._lag_ns
        for hop in reversed(self._hops):
            if hop.end_ns <= limit_ns:
                fresh = limit_ns - hop.end_ns < HOP_NS + HOP_SLACK_NS
                return hop.number if fresh else None
        return None

    def hop(self, number: int) -> Hop | None:
        """Return hop ``number`` while it is kept."""
        for hop in reversed(self._hops):
            if hop.number == number:
                return hop
        return None

    @property
    def newest(self) -> int:
        """Number of the newest hop; -1 before the first."""
        return self._next_number - 1

    def use(self, t_ns: int, number: int | None) -> tuple[Hop | None, VoiceInput]:
        """Return hop ``number``, and what health needs to know, for a step at ``t_ns``.

        Health follows from the hops that were used, not from those that happen to be
        computed by now: only so is a replay equal.
        """
        hop = None if number is None else self.hop(number)
        if hop is not None:
            self._used_ns = hop.end_ns
        if self._used_ns is None:
            return hop, VoiceInput(None)
        age_ns = max(0, t_ns - self._lag_ns - self._used_ns - HOP_NS)
        if hop is not None and hop.flat:
            return None, VoiceInput(age_ns, flat=True)
        clipped = hop is not None and hop.clipped
        return hop, VoiceInput(age_ns, late=hop is None, clipped=clipped)


def _check(chunk: AudioChunk) -> None:
    samples = chunk.samples
    if samples.ndim != 1 or samples.dtype != np.float32:
        raise UsageError(
            f"chunk {chunk.index}: got {samples.dtype} {samples.shape}, "
            "expected float32 (samples,)"
        )
    if not np.isfinite(samples).all():
        raise NonFiniteError(f"chunk {chunk.index}: holds NaN or infinity")
