"""Sound made or changed in code: noise, gain, telephone band, silence; numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.types import SAMPLE_RATE_HZ

NOISES = ("white", "pink", "brown", "car", "hum")
"""Kinds of noise that ``make_noise`` knows."""

Sound = NDArray[np.float32]


def make_noise(kind: str, samples: int, random: np.random.Generator) -> Sound:
    """Return ``(samples,)`` noise with a root mean square of 1.

    ``white``, ``pink`` and ``brown`` fall by 0, 3 and 6 dB an octave; ``car`` is
    road rumble below 300 Hz with engine harmonics; ``hum`` is a few steady tones.
    """
    frequency = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE_HZ)
    floor = np.maximum(frequency, 20.0)
    slopes = {"white": 0.0, "pink": 0.5, "brown": 1.0, "car": 1.0, "hum": 0.5}
    shape = (100.0 / floor) ** slopes[kind]
    if kind == "car":
        shape *= 1 / (1 + (frequency / 300) ** 2)
    phases = random.normal(size=(2, len(frequency)))
    noise = _even(np.fft.irfft((phases[0] + 1j * phases[1]) * shape, samples))
    if kind in ("car", "hum"):
        noise = _even(noise + _tones(kind, samples, random))
    return noise.astype(np.float32)


def _even(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    level = float(np.sqrt((sound**2).mean()))
    scaled: NDArray[np.float64] = sound / (level + 1e-9)
    return scaled


def _tones(kind: str, samples: int, random: np.random.Generator) -> NDArray[np.float64]:
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    wobble = 1 + 0.03 * np.sin(2 * np.pi * random.uniform(0.1, 0.5) * time_s)
    is_car = kind == "car"
    base = random.uniform(25, 70) if is_car else random.uniform(50, 1000)
    partials = np.arange(1.0, 9.0) if is_car else random.uniform(1, 4, 4)
    phase = 2 * np.pi * base * np.cumsum(wobble) / SAMPLE_RATE_HZ
    tones = np.zeros(samples)
    for number, partial in enumerate(partials, 1):
        tones += np.sin(phase * partial + random.uniform(0, 6.3)) / number
    return tones * float(random.uniform(0.3, 2.0))


def telephone(sound: Sound) -> Sound:
    """Keep 300 to 3,400 Hz."""
    spectrum = np.fft.rfft(sound)
    frequency = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    spectrum[(frequency < 300) | (frequency > 3400)] = 0
    return np.fft.irfft(spectrum, len(sound)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class SoundConfig:
    """How far speech may be changed."""

    gain_db: tuple[float, float] = (-12.0, 6.0)
    """Lowest and highest change of level."""
    noise_share: float = 0.5
    """Share of clips with added noise."""
    snr_db: tuple[float, float] = (5.0, 35.0)
    """Lowest and highest ratio of speech to noise."""
    telephone_share: float = 0.15
    """Share of clips that went through a telephone."""
    speed: float = 0.15
    """Largest relative change of speed, which moves the pitch with it."""


def change_speech(
    sound: Sound, config: SoundConfig, random: np.random.Generator
) -> Sound:
    """Return a changed copy of ``(samples,)`` speech, silence around it included."""
    changed = sound
    if random.random() < config.telephone_share:
        changed = telephone(changed)
    if random.random() < config.noise_share:
        kind = NOISES[int(random.integers(len(NOISES)))]
        active = max(1, int((np.abs(sound) > 1e-4).sum()))
        level = float(np.sqrt((sound**2).sum() / active))
        share = 10 ** (-random.uniform(*config.snr_db) / 20)
        changed = changed + make_noise(kind, len(sound), random) * level * share
    gain = 10 ** (random.uniform(*config.gain_db) / 20)
    return np.asarray(np.clip(changed * gain, -1, 1), np.float32)


def change_speed(sound: Sound, factor: float) -> Sound:
    """Play ``factor`` times as fast; pitch and formants move along."""
    at = np.arange(0, len(sound) - 1, factor)
    return np.asarray(np.interp(at, np.arange(len(sound)), sound), np.float32)
