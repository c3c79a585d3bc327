"""Causal log-mel columns of a stream of sound, equal whatever its chunking."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import UsageError
from edge_affect.types import SAMPLE_RATE_HZ

BLOCK_COLUMNS = 10
"""Columns that are computed together: one voice hop."""

# Slaney's mel scale (Auditory Toolbox, 1998): even steps of 200/3 Hz up to 1 kHz, then
# 27 steps for each factor of 6.4. Its lowest of 64 bands is 90 Hz wide, three bins of
# a 512-point transform at 16 kHz; on the HTK scale it would be not even two.
_LINEAR_HZ = 200 / 3
_BREAK_HZ = 1_000
_LOG_STEP = math.log(6.4) / 27


@dataclass(frozen=True, slots=True)
class LogMel:
    """How sound becomes log-mel columns; the fields are the manifest's.

    Column ``j`` covers the samples from ``hop * (j + 1) - window`` to
    ``hop * (j + 1)``; zeros stand before the first. A column is the power spectrum of
    its samples under a periodic Hann window, summed in ``mels`` triangles of height 1
    that are evenly spaced on Slaney's mel scale, ``(log(power + floor) - mean) / std``.
    """

    rate_hz: int = SAMPLE_RATE_HZ
    """Sample rate."""
    window: int = 400
    """Length of the window, samples."""
    hop: int = 160
    """Advance from one column to the next, samples, at most ``window``."""
    fft: int = 512
    """Length of the Fourier transform, samples, at least ``window``."""
    mels: int = 64
    """Number of mel bands."""
    mel_low_hz: float = 60.0
    """Lower edge of the lowest band."""
    mel_high_hz: float = 7600.0
    """Upper edge of the highest band, at most half the rate."""
    floor: float = 1e-6
    """Added to the power before the logarithm; above the noise of 16-bit samples."""
    # Speech of EmoDB's training speakers less its quietest quarter of columns: mean
    # -1.8, 95 % from -7.8 to 4.7, which becomes -1.8 to 2.1; silence becomes -3.7.
    mean: float = -2.0
    """Subtracted from the logarithm."""
    std: float = 3.2
    """Divides what is left."""

    def __post_init__(self) -> None:
        self._require("hop", 0 < self.hop <= self.window, "1 to window")
        self._require("fft", self.fft >= self.window, "window or more")
        self._require("mels", self.mels > 0, "1 or more")
        self._require("floor", self.floor > 0, "more than 0")
        self._require("std", self.std > 0, "more than 0")
        self._require(
            "mel_high_hz",
            0 <= self.mel_low_hz < self.mel_high_hz <= self.rate_hz / 2,
            "more than mel_low_hz, at most rate_hz / 2",
        )

    def _require(self, name: str, valid: bool, expected: str) -> None:  # noqa: FBT001
        if not valid:
            value = getattr(self, name)
            raise UsageError(f"logmel.{name}: got {value}, expected {expected}")

    @property
    def block_samples(self) -> int:
        """Samples from one block to the next."""
        return self.hop * BLOCK_COLUMNS


class LogMelStream:
    """Turns chunks of sound into blocks of columns."""

    def __init__(self, config: LogMel | None = None) -> None:
        self.config = config or LogMel()
        self._hann, self._bank = _tables(self.config)
        self.reset()

    def reset(self) -> None:
        """Forget all sound, as after a gap: zeros stand before the next sample."""
        context = self.config.window - self.config.hop
        self._state = _State(
            np.zeros(context + self.config.block_samples, np.float32), context
        )

    def push(self, samples: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Take one chunk and return the blocks that it completes.

        Args:
            samples: ``(samples,)`` float32 in [-1, 1], any number of them.

        Returns:
            ``(10, mels)`` float32 blocks, oldest first, newly made.

        Raises:
            UsageError: ``samples`` is not such an array.
        """
        if samples.ndim != 1 or samples.dtype != np.float32:
            raise UsageError(
                f"samples: got {samples.dtype} {samples.shape}, "
                "expected float32 (samples,)"
            )
        state = self._state
        blocks = []
        taken = 0
        while taken < len(samples):
            part = samples[taken : taken + len(state.held) - state.filled]
            state.held[state.filled : state.filled + len(part)] = part
            state.filled += len(part)
            taken += len(part)
            if state.filled == len(state.held):
                blocks.append(self._columns(state.held))
                state.filled = self.config.window - self.config.hop
                state.held[: state.filled] = state.held[self.config.block_samples :]
        return blocks

    def _columns(self, held: NDArray[np.float32]) -> NDArray[np.float32]:
        config = self.config
        windows = np.lib.stride_tricks.sliding_window_view(held, config.window)
        # Sound that is not finite becomes columns that are not; runners refuse those.
        with np.errstate(invalid="ignore", over="ignore"):
            spectra = np.fft.rfft(windows[:: config.hop] * self._hann, config.fft)
            power = spectra.real**2 + spectra.imag**2
            logs = np.log(power @ self._bank + config.floor)
            return ((logs - config.mean) / config.std).astype(np.float32)


def logmel(
    samples: NDArray[np.float32], config: LogMel | None = None
) -> NDArray[np.float32]:
    """Return the columns of a whole signal, as a stream gives them.

    Args:
        samples: ``(samples,)`` float32 in [-1, 1].
        config: None for the default.

    Returns:
        ``(columns, mels)`` float32; samples after the last whole block are left out.

    Raises:
        UsageError: ``samples`` is not such an array.
    """
    stream = LogMelStream(config)
    none = np.zeros((0, stream.config.mels), np.float32)
    return np.concatenate([none, *stream.push(samples)])


@dataclass(slots=True)
class _State:
    """Sound that is not in a finished block, after its context."""

    held: NDArray[np.float32]
    """``(samples,)``: all that one block's columns cover."""
    filled: int
    """Samples of ``held`` that are there."""


@lru_cache(maxsize=8)
def _tables(config: LogMel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ``(window,)`` periodic Hann window and the ``(bins, mels)`` bank."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(config.window) / config.window)
    ends = _mel_from_hz(np.array([config.mel_low_hz, config.mel_high_hz]))
    edges_hz = _hz_from_mel(np.linspace(ends[0], ends[1], config.mels + 2))
    bins_hz = np.arange(config.fft // 2 + 1)[:, None] * (config.rate_hz / config.fft)
    low, peak, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising = (bins_hz - low) / (peak - low)
    falling = (high - bins_hz) / (high - peak)
    return hann, np.maximum(0, np.minimum(rising, falling))


def _mel_from_hz(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    above = np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.asarray(np.minimum(hz, _BREAK_HZ) / _LINEAR_HZ + above)


def _hz_from_mel(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    break_mel = _BREAK_HZ / _LINEAR_HZ
    above = np.exp(np.maximum(mel - break_mel, 0) * _LOG_STEP)
    return np.asarray(np.minimum(mel, break_mel) * _LINEAR_HZ * above)
