"""Cut a file's decoded sound into even chunks at 16 kHz, marking gaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.types import SAMPLE_RATE_HZ, AudioChunk

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler

CHUNK_SAMPLES = 320
"""20 ms: short against a voice hop, so that no hop waits long for its last sample."""
_NS_PER_SAMPLE = NS_PER_S // SAMPLE_RATE_HZ
_GAP_NS = 40 * NS_PER_MS
"""Stated times this far from the count of samples are believed; less is rounding."""


class SoundTrack:
    """Resamples a stream of PyAV frames and counts its samples into times.

    Within a run of continuous sound the count gives the times, so chunks follow each
    other to the sample; where the file jumps, a new run begins after a gap.
    """

    def __init__(self) -> None:
        self.dropped = 0
        """Frames left out because their times go back."""
        self._resampler: AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None
        self._expected_ns: int | None = None
        self._left = np.zeros(0, np.float32)
        self._next_ns = 0
        self._index = 0
        self._gap = self._lost = False

    def push(self, sound: AudioFrame, t_ns: int | None) -> Iterator[AudioChunk]:
        """Yield the chunks that ``sound`` completes.

        Args:
            sound: Decoded sound; its own time stamp is erased.
            t_ns: When it begins; None where the file does not say.
        """
        expected_ns = self._expected_ns
        if t_ns is None:
            t_ns = expected_ns or 0
        jump_ns = 0 if expected_ns is None else t_ns - expected_ns
        if jump_ns < -_GAP_NS or (self._lost and jump_ns < 0):
            self.dropped += 1
            self._lost = True
            return
        form = (sound.format.name, sound.layout.name, sound.sample_rate)
        fresh = expected_ns is None or jump_ns > _GAP_NS or self._lost
        if not fresh:
            t_ns -= jump_ns
        if fresh or form != self._form:
            yield from self.finish()
            self._begin(form, t_ns, gap=fresh and expected_ns is not None)
        self._expected_ns = t_ns + sound.samples * NS_PER_S // sound.sample_rate
        yield from self._cut(self._resampled(sound), CHUNK_SAMPLES)

    def finish(self) -> Iterator[AudioChunk]:
        """Yield what the resampler and the last, short chunk still hold."""
        if self._resampler is not None:
            yield from self._cut(self._resampled(None), 1)
            self._resampler = None

    def _begin(self, form: tuple[str, str, int], t_ns: int, *, gap: bool) -> None:
        from av import AudioResampler

        self._resampler = AudioResampler(
            format="flt", layout="mono", rate=SAMPLE_RATE_HZ
        )
        self._form = form
        self._next_ns = t_ns
        self._gap = gap
        self._lost = False

    def _resampled(self, sound: AudioFrame | None) -> NDArray[np.float32]:
        import av

        if self._resampler is None:
            return self._left[:0]
        if sound is not None:
            sound.pts = None  # the resampler would fill or cut to match it
        try:
            parts = [part.to_ndarray()[0] for part in self._resampler.resample(sound)]
        except (av.FFmpegError, ValueError):
            self.dropped += 1
            self._resampler = self._form = None  # the next sound begins another one
            return self._left[:0]
        return np.concatenate([self._left[:0], *parts])

    def _cut(self, samples: NDArray[np.float32], least: int) -> Iterator[AudioChunk]:
        """Yield chunks until fewer than ``least`` samples are left."""
        held = np.concatenate([self._left, samples.clip(-1, 1)])
        while len(held) >= least:
            part, held = held[:CHUNK_SAMPLES], held[CHUNK_SAMPLES:]
            end_ns = self._next_ns + len(part) * _NS_PER_SAMPLE
            yield AudioChunk(
                part, self._next_ns, end_ns, self._index, gap_before=self._gap
            )
            self._next_ns, self._gap = end_ns, False
            self._index += 1
        self._left = held
