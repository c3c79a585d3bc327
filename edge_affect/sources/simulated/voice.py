"""The driver's voice: glottal pulses through formant resonators, in a humming cabin."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.events import SLOT_S
from edge_affect.sources.simulated.identity import Identity
from edge_affect.sources.simulated.motion import Syllable, Utterance
from edge_affect.types import SAMPLE_RATE_HZ

_BLOCK = SAMPLE_RATE_HZ
"""Sound is made in whole blocks and utterances, so that how it is cut cannot matter."""
_BLOCKS_PER_SLOT = int(SLOT_S)
_KEPT_BLOCKS = 8
_KEPT_UTTERANCES = 4
_ROAD, _BREATH, _ENGINE = 61, 62, 63

_FORMANTS_HZ = np.array(
    [
        [730, 1090, 2440, 3400],
        [530, 1840, 2480, 3500],
        [280, 2250, 2950, 3600],
        [570, 840, 2410, 3300],
        [320, 870, 2240, 3200],
    ],
    np.float32,
)
"""First four formants of a, e, i, o, u of an average man."""
_BANDWIDTHS_HZ = np.array([75, 95, 140, 200], np.float32)
_STRENGTHS = np.array([1.0, -0.6, 0.4, -0.25], np.float32)
"""Weights of the parallel resonators; the signs alternate to keep the dips shallow."""
_RINGING = 352
"""Samples for which a pulse is heard: 22 ms, then under 1 % is left."""
_SEMITONES = 4.5
"""How far full effort raises the pitch."""
_DECIBELS = 7.0
"""How far full effort raises the level."""
_LEVEL = 0.11
"""Scale that brings relaxed speech to about 0.05 root mean square."""

Sound = NDArray[np.float32]
_Key = TypeVar("_Key")


class Speech(Protocol):
    """What the voice reads of the script."""

    def utterances(self, slot: int) -> tuple[Utterance, ...]:
        """Return the utterances of slot ``slot`` of 10 s."""

    def vocal_effort(self, slot: int) -> NDArray[np.float64]:
        """Return ``(1001,)`` vocal effort from the slot's start, every 10 ms."""


class FormantVoice:
    """Speaks a script's utterances; for one thread at a time."""

    def __init__(self, seed: int, identity: Identity, speech: Speech) -> None:
        self._seed = seed
        self._habits = identity.habits
        self._speech = speech
        self._blocks: OrderedDict[int, Sound] = OrderedDict()
        self._spoken: OrderedDict[tuple[int, int], Sound] = OrderedDict()
        random = np.random.default_rng([identity.seed, _ENGINE])
        self._engine_hz = float(random.uniform(24, 45))
        taps = np.arange(256)
        rumble = np.exp(-taps / 60) + 2.5 * np.exp(-taps / 9) + 1.5 * (taps == 0)
        self._rumble = rumble / np.sqrt((rumble**2).sum())

    def samples(self, start: int, count: int) -> Sound:
        """Return samples ``start`` to ``start + count``, newly made.

        Returns:
            ``(count,)`` float32 in [-1, 1] at 16 kHz.
        """
        sound = np.empty(count, np.float32)
        done = 0
        while done < count:
            number, offset = divmod(start + done, _BLOCK)
            part = self._block(number)[offset : offset + count - done]
            sound[done : done + len(part)] = part
            done += len(part)
        return sound

    def _block(self, number: int) -> Sound:
        block = self._blocks.get(number)
        if block is None:
            block = self._cabin_noise(number)
            slot = number // _BLOCKS_PER_SLOT
            for index, utterance in enumerate(self._speech.utterances(slot)):
                self._add(block, number, (slot, index), utterance)
            np.clip(block, -1, 1, out=block)
            _keep(self._blocks, number, block, _KEPT_BLOCKS)
        return block

    def _add(
        self, block: Sound, number: int, key: tuple[int, int], utterance: Utterance
    ) -> None:
        first = round(utterance.start_s * SAMPLE_RATE_HZ) - number * _BLOCK
        last = round(utterance.end_s * SAMPLE_RATE_HZ) - number * _BLOCK
        if last <= 0 or first >= _BLOCK:
            return
        spoken = self._spoken.get(key)
        if spoken is None:
            spoken = self._speak(key, utterance)
            _keep(self._spoken, key, spoken, _KEPT_UTTERANCES)
        low, high = max(0, first), min(_BLOCK, first + len(spoken))
        block[low:high] += spoken[low - first : high - first]

    def _cabin_noise(self, number: int) -> Sound:
        """Return road noise that runs on from the block before, and the engine."""
        tail = len(self._rumble) - 1
        white = np.concatenate([self._white(number - 1)[-tail:], self._white(number)])
        size = 1 << (len(white) - 1).bit_length()
        spectrum = np.fft.rfft(white, size) * np.fft.rfft(self._rumble, size)
        road = np.fft.irfft(spectrum, size)[tail : len(white)]
        at = (number * _BLOCK + np.arange(_BLOCK)) * (self._engine_hz / SAMPLE_RATE_HZ)
        hum = sum(np.sin(2 * np.pi * (k * at % 1)) / k for k in (2, 4, 6))
        return np.asarray(self._habits.road_noise * (road + 0.3 * hum), np.float32)

    def _white(self, number: int) -> NDArray[np.float64]:
        # Seeds cannot be negative, and there is a block before the first.
        random = np.random.default_rng([self._seed, _ROAD, number + 1])
        return random.standard_normal(_BLOCK)

    def _speak(self, key: tuple[int, int], utterance: Utterance) -> Sound:
        """Return the whole utterance."""
        count = round((utterance.end_s - utterance.start_s) * SAMPLE_RATE_HZ)
        random = np.random.default_rng([self._seed, _BREATH, *key])
        t_s = np.arange(0, count / SAMPLE_RATE_HZ, 0.001)
        loudness = _loudness(utterance, t_s)
        slot_s = np.arange(len(self._speech.vocal_effort(key[0]))) / 100
        into_slot = t_s + utterance.start_s - SLOT_S * key[0]
        effort = np.interp(into_slot, slot_s, self._speech.vocal_effort(key[0]))
        loudness = loudness * 10 ** (_DECIBELS * effort / 20)
        pitch = self._pitch(random, utterance, t_s, effort)
        pulse_s, weight = _pulses(random, t_s, pitch, loudness)
        formants = self._formants(utterance, pulse_s)
        sound = _ring(pulse_s, weight, formants, count)
        sound = np.convolve(sound, _glottal_pulse(float(effort.mean())))[:count]
        noise = random.standard_normal(count)
        hiss = np.diff(noise, prepend=0.0) * _consonants(utterance, count)
        breath = 0.012 * noise * np.interp(np.arange(count) / 16, t_s * 1000, loudness)
        return np.asarray(_LEVEL * (sound + hiss + breath), np.float32)

    def _pitch(
        self,
        random: np.random.Generator,
        utterance: Utterance,
        t_s: NDArray[np.float64],
        effort: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the fundamental frequency at ``t_s``, Hz."""
        fall = -2.0 * t_s / max(t_s[-1], 1e-3)
        at = [one.t_s - utterance.start_s for one in utterance.syllables]
        accents = random.normal(0, 1.2, len(at))
        melody = np.interp(t_s, at, accents)
        semitones = _SEMITONES * effort + fall + melody + 0.8
        return np.asarray(self._habits.pitch_hz * 2 ** (semitones / 12), np.float64)

    def _formants(
        self, utterance: Utterance, pulse_s: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return ``(P, 4)`` formants at each pulse, Hz, gliding between vowels."""
        middle = [
            one.t_s + 0.5 * one.duration_s - utterance.start_s
            for one in utterance.syllables
        ]
        vowels = _FORMANTS_HZ[[one.vowel for one in utterance.syllables]]
        glide = [np.interp(pulse_s, middle, column) for column in vowels.T]
        return np.asarray(np.stack(glide, 1) * self._habits.formant_scale, np.float32)


def _keep(store: OrderedDict[_Key, Sound], key: _Key, sound: Sound, most: int) -> None:
    store[key] = sound
    if len(store) > most:
        store.popitem(last=False)


def _loudness(utterance: Utterance, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
    loudness = np.zeros(len(t_s))
    for one in utterance.syllables:
        phase = (t_s + utterance.start_s - one.t_s) / one.duration_s
        shape = np.sin(np.pi * np.clip(phase, 0, 1)) ** 0.7
        np.maximum(loudness, one.stress * shape, out=loudness)
    return loudness


def _pulses(
    random: np.random.Generator,
    t_s: NDArray[np.float64],
    pitch_hz: NDArray[np.float64],
    loudness: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return time and weight of every audible glottal pulse."""
    turns = np.cumsum(pitch_hz) * 0.001
    pulse_s = np.interp(np.arange(1, int(turns[-1])), turns, t_s)
    pulse_s = pulse_s + random.normal(0, 4e-5, len(pulse_s))
    weight = np.interp(pulse_s, t_s, loudness)
    heard = (weight > 1e-3) & (pulse_s > 0)
    return pulse_s[heard], weight[heard]


def _ring(
    pulse_s: NDArray[np.float64],
    weight: NDArray[np.float64],
    formants_hz: NDArray[np.float32],
    count: int,
) -> NDArray[np.float64]:
    """Return ``(count,)`` the sum of the resonators' answers to each pulse."""
    first = np.ceil(pulse_s * SAMPLE_RATE_HZ).astype(np.int64)
    lead = (first / SAMPLE_RATE_HZ - pulse_s).astype(np.float32)
    tau = lead[:, None] + np.arange(_RINGING, dtype=np.float32) / SAMPLE_RATE_HZ
    answer = np.zeros_like(tau)
    for k, bandwidth in enumerate(_BANDWIDTHS_HZ):
        angle = (2 * np.float32(np.pi)) * formants_hz[:, k, None] * tau
        decay = np.exp(-np.float32(np.pi) * bandwidth * tau)
        answer += _STRENGTHS[k] * decay * np.sin(angle)
    answer *= weight[:, None].astype(np.float32)
    at = first[:, None] + np.arange(_RINGING)
    total = np.bincount(at.ravel(), answer.ravel(), count + _RINGING)
    return np.asarray(total[:count], np.float64)


def _glottal_pulse(effort: float) -> NDArray[np.float64]:
    """Return the flow's derivative in one opening; more effort closes it faster."""
    opening, closing = 34, round(16 - 6 * effort)
    rise = 0.5 * (1 - np.cos(np.pi * np.arange(opening) / opening))
    fall = np.cos(0.5 * np.pi * np.arange(closing + 1) / closing)
    pulse = np.diff(np.concatenate([rise, fall]), prepend=0.0)
    return np.asarray(pulse / np.sqrt((pulse**2).sum()), np.float64)


def _consonants(utterance: Utterance, count: int) -> NDArray[np.float64]:
    """Return ``(count,)`` the strength of hisses and bursts."""
    strength = np.zeros(count)
    for one in utterance.syllables:
        length_s = _consonant_s(one)
        start = round((one.t_s - utterance.start_s - length_s) * SAMPLE_RATE_HZ)
        size = min(round(length_s * SAMPLE_RATE_HZ), count - max(0, start))
        if size > 1:
            shape = 0.28 * one.stress * np.hanning(size)
            strength[max(0, start) : max(0, start) + size] += shape
    return strength


def _consonant_s(syllable: Syllable) -> float:
    return (0.0, min(0.08, 0.3 * syllable.duration_s), 0.02)[syllable.consonant]
