"""Family B's voice: a sum of harmonics under a vocal tract's curve, and a fan.

Family A lets glottal pulses ring resonators; here each harmonic of the pitch is a sine
whose strength is read off the curve of the vowel and the slope of the source.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.events import SLOT_S
from edge_affect.sources.simulated.identity import Identity
from edge_affect.sources.simulated.motion import Utterance
from edge_affect.sources.simulated.voice import FormantVoice, Sound, Speech
from edge_affect.types import SAMPLE_RATE_HZ

_CABIN, _BREATH = 96, 97
_FRAME_HZ = 200
"""Rate at which pitch, loudness and vowels are worked out."""
_FORMANTS_HZ = np.array(
    [
        [850, 1220, 2810, 3800],
        [610, 2330, 2990, 3900],
        [350, 2760, 3310, 4000],
        [590, 920, 2710, 3700],
        [390, 950, 2670, 3600],
    ],
    np.float64,
)
"""First four formants of a, e, i, o, u of an average woman."""
_WIDTHS_HZ = np.array([130, 150, 220, 300])
_HEIGHTS = np.array([1.0, 0.55, 0.3, 0.18])
_TOP_HZ = 6000.0
"""No harmonic lies above it."""
_SEMITONES = 4.0
"""How far full effort raises the pitch."""
_DECIBELS = 9.0
"""How far full effort raises the level."""
_SLOPE_DB = (-11.0, 4.0)
"""Fall of the source per octave at no effort, and how much full effort flattens it."""
_LEVEL = 0.22

Curve = NDArray[np.float64]


class HarmonicVoice(FormantVoice):
    """Speaks a script's utterances; for one thread at a time."""

    def __init__(self, seed: int, identity: Identity, speech: Speech) -> None:
        super().__init__(seed, identity, speech)
        random = np.random.default_rng([identity.seed, _CABIN])
        self._fan_hz = float(random.uniform(90, 260))
        self._gust_hz = random.uniform(0.05, 0.4, 2)
        self._hiss = float(random.uniform(0.1, 0.8))

    def _cabin_noise(self, number: int) -> Sound:
        """Return tyres and wind that swell, and the fan's tones."""
        before, now = self._white(number - 1), self._white(number)
        white = np.concatenate([before[-2:], now])
        # Blocks join: each sample takes three of the same endless noise.
        soft = (white[2:] + white[1:-1] + white[:-2]) / 3
        rough = self._hiss * soft + (1 - self._hiss) * _deep(before, now)
        t_s = number + np.arange(len(now)) / SAMPLE_RATE_HZ
        first, second = (np.sin(2 * np.pi * hz * t_s) for hz in self._gust_hz)
        fan = sum(np.sin(2 * np.pi * (k * self._fan_hz * t_s % 1)) / k for k in (1, 3))
        noise = rough * (1 + 0.35 * first + 0.25 * second) + 0.25 * fan
        return np.asarray(self._habits.road_noise * noise, np.float32)

    def _speak(self, key: tuple[int, int], utterance: Utterance) -> Sound:
        """Return the whole utterance."""
        count = round((utterance.end_s - utterance.start_s) * SAMPLE_RATE_HZ)
        random = np.random.default_rng([self._seed, _BREATH, *key])
        t_s = np.arange(count * _FRAME_HZ // SAMPLE_RATE_HZ + 2) / _FRAME_HZ
        slot = self._speech.vocal_effort(key[0])
        into_slot = t_s + utterance.start_s - SLOT_S * key[0]
        effort = np.interp(into_slot, np.arange(len(slot)) / 100, slot)
        pitch_hz = self._melody(random, utterance, t_s, effort)
        loudness = _loudness(utterance, t_s) * 10 ** (_DECIBELS * effort / 20)
        formants_hz = self._tract(utterance, t_s)
        voiced = _harmonics(pitch_hz, loudness, formants_hz, effort, count)
        noise = random.standard_normal(count)
        place = np.arange(count) / SAMPLE_RATE_HZ
        bright = np.diff(noise, 2, prepend=[0.0, 0.0]) / 2.4
        consonants = bright * np.interp(place, t_s, _hisses(utterance, t_s))
        breath = 0.02 * noise * np.interp(place, t_s, loudness)
        return np.asarray(_LEVEL * (voiced + consonants + breath), np.float32)

    def _melody(
        self,
        random: np.random.Generator,
        utterance: Utterance,
        t_s: Curve,
        effort: Curve,
    ) -> Curve:
        """Return the fundamental frequency at ``t_s``, Hz."""
        share = t_s / max(t_s[-1], 1e-3)
        arch = 1.6 * np.sin(np.pi * share) - 1.2 * share
        syllables = utterance.syllables
        at = [one.t_s + 0.4 * one.duration_s - utterance.start_s for one in syllables]
        accents = [
            2.2 * (one.stress - 0.75) + random.normal(0, 0.8) for one in syllables
        ]
        vibrato = 0.15 * np.sin(2 * np.pi * 5.3 * t_s)
        drift = np.cumsum(random.normal(0, 0.05, len(t_s)))
        drift -= drift.mean()
        semitones = _SEMITONES * effort + arch + np.interp(t_s, at, accents)
        semitones += vibrato + np.clip(drift, -1, 1)
        return np.asarray(self._habits.pitch_hz * 2 ** (semitones / 12), np.float64)

    def _tract(self, utterance: Utterance, t_s: Curve) -> Curve:
        """Return ``(T, 4)`` formants, Hz, gliding between vowels."""
        middle = [
            one.t_s + 0.5 * one.duration_s - utterance.start_s
            for one in utterance.syllables
        ]
        vowels = _FORMANTS_HZ[[one.vowel for one in utterance.syllables]]
        glide = [np.interp(t_s, middle, column) for column in vowels.T]
        # Its formants are a woman's: the scale is relative to a man's.
        return np.asarray(np.stack(glide, 1) * self._habits.formant_scale / 1.13)


def _deep(before: Curve, now: Curve) -> Curve:
    """Return noise without highs, which runs on from the block before."""
    taps = np.hanning(161)
    taps /= np.sqrt((taps**2).sum())
    white = np.concatenate([before[-160:], now])
    size = 1 << (len(white) - 1).bit_length()
    spectrum = np.fft.rfft(white, size) * np.fft.rfft(taps, size)
    return np.asarray(np.fft.irfft(spectrum, size)[160 : len(white)])


def _loudness(utterance: Utterance, t_s: Curve) -> Curve:
    loudness = np.zeros(len(t_s))
    for one in utterance.syllables:
        phase = (t_s + utterance.start_s - one.t_s) / one.duration_s
        rise = np.clip(phase / 0.2, 0, 1) * np.clip((1 - phase) / 0.35, 0, 1)
        np.maximum(loudness, one.stress * np.sqrt(np.clip(rise, 0, 1)), out=loudness)
    return loudness


def _hisses(utterance: Utterance, t_s: Curve) -> Curve:
    """Return the strength of the consonants' noise at ``t_s``."""
    strength = np.zeros(len(t_s))
    for one in utterance.syllables:
        length_s = (0.0, 0.07, 0.025)[one.consonant]
        if length_s:
            phase = (t_s + utterance.start_s - one.t_s + length_s) / length_s
            inside = (phase > 0) & (phase < 1)
            strength += 1.1 * one.stress * inside * np.sin(np.pi * phase) ** 2
    return strength


def _harmonics(
    pitch_hz: Curve, loudness: Curve, formants_hz: Curve, effort: Curve, count: int
) -> Curve:
    """Return ``(count,)`` the sum of all harmonics of the pitch."""
    at = np.arange(count) * (_FRAME_HZ / SAMPLE_RATE_HZ)
    frames = np.arange(len(pitch_hz))
    phase = 2 * np.pi * np.cumsum(np.interp(at, frames, pitch_hz)) / SAMPLE_RATE_HZ
    # sin(kφ) = 2 cos(φ) sin((k - 1)φ) - sin((k - 2)φ)
    twice, before, sine = 2 * np.cos(phase), np.zeros(count), np.sin(phase)
    slope = _SLOPE_DB[0] + _SLOPE_DB[1] * effort
    total = np.zeros(count)
    for k in range(1, int(_TOP_HZ / pitch_hz.min()) + 1):
        hz = k * pitch_hz
        strength = _tract_gain(hz, formants_hz) * 10 ** (slope * np.log2(k) / 20)
        strength = strength * loudness * (hz < _TOP_HZ)
        total += np.interp(at, frames, strength) * sine
        before, sine = sine, twice * sine - before
    return total


def _tract_gain(hz: Curve, formants_hz: Curve) -> Curve:
    """Return the vocal tract's gain at ``(T,)`` frequencies: a bell per formant."""
    away = (hz[:, None] - formants_hz) / _WIDTHS_HZ
    # Radiation from the lips raises the highs again.
    lifted = (hz / 500) ** 0.5
    return np.asarray((_HEIGHTS / np.sqrt(1 + away**2)).sum(1) * lifted)
