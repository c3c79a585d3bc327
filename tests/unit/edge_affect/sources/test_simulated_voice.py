"""The simulated driver's voice."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_affect.sources.simulated import identity_from_seed
from edge_affect.sources.simulated.events import SLOT_S
from edge_affect.sources.simulated.script import SeededScript
from edge_affect.sources.simulated.voice import FormantVoice
from edge_affect.types import SAMPLE_RATE_HZ


def _voice(seed: int) -> tuple[FormantVoice, SeededScript]:
    identity = identity_from_seed(seed)
    script = SeededScript(seed, identity)
    return FormantVoice(seed, identity, script), script


def _speaking(script: SeededScript, count: int) -> NDArray[np.bool_]:
    inside = np.zeros(count, bool)
    for slot in range(int(count / SAMPLE_RATE_HZ / SLOT_S) + 1):
        for one in script.utterances(slot):
            start, end = (int(t * SAMPLE_RATE_HZ) for t in (one.start_s, one.end_s))
            inside[start:end] = True
    return inside


@pytest.mark.parametrize("sizes", [(320,), (1,), (7, 1600, 16_001), (16_000,)])
def test_voice_does_not_depend_on_the_cut(sizes: tuple[int, ...]) -> None:
    """However the sound is cut, every sample is the same to the bit."""
    count = 40_000 if sizes == (1,) else 64_000
    whole = _voice(1)[0].samples(5_000, count)
    voice, start = _voice(1)[0], 5_000
    parts: list[NDArray[np.float32]] = []
    while start < 5_000 + count:
        size = min(sizes[len(parts) % len(sizes)], 5_000 + count - start)
        parts.append(voice.samples(start, size))
        start += size
    assert np.array_equal(np.concatenate(parts), whole)


def test_voice_does_not_depend_on_the_order() -> None:
    """Late samples asked for first are the same, and so are forgotten ones."""
    ahead, _ = _voice(2)
    late = ahead.samples(400_000, 8_000)
    early = ahead.samples(0, 8_000)
    for second in range(1, 20):
        ahead.samples(second * SAMPLE_RATE_HZ, 10)
    assert np.array_equal(ahead.samples(0, 8_000), early)
    assert np.array_equal(_voice(2)[0].samples(0, 8_000), early)
    assert np.array_equal(_voice(2)[0].samples(400_000, 8_000), late)


def test_voice_differs_between_people() -> None:
    """Another seed is another sound."""
    assert not np.array_equal(
        _voice(3)[0].samples(0, 1_000), _voice(4)[0].samples(0, 1_000)
    )


def test_voice_gives_float32_within_bounds() -> None:
    """Samples are finite float32 in [-1, 1] without a constant part."""
    for seed in range(4):
        sound = _voice(seed)[0].samples(0, 20 * SAMPLE_RATE_HZ)
        assert sound.dtype == np.float32
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() <= 1
        assert abs(float(sound.mean())) < 1e-3


def test_voice_of_no_samples_is_empty() -> None:
    """Asking for nothing gives nothing."""
    assert _voice(0)[0].samples(100, 0).shape == (0,)


def test_voice_speaks_in_utterances_alone() -> None:
    """Speech stands well above the cabin; outside of it there is only the cabin."""
    for seed in range(4):
        voice, script = _voice(seed)
        sound = voice.samples(0, 20 * SAMPLE_RATE_HZ)
        inside = _speaking(script, len(sound))
        road = identity_from_seed(seed).habits.road_noise
        assert inside.any()
        assert sound[~inside].std() == pytest.approx(road, rel=0.1)
        assert sound[inside].std() > 3 * road


def test_voice_has_the_person_s_pitch() -> None:
    """The strongest period of a vowel lies near the person's own."""
    for seed in range(6):
        voice, script = _voice(seed)
        one = next(
            one
            for slot in range(9)
            for utterance in script.utterances(slot)
            for one in utterance.syllables
            if one.stress > 0.8 and one.duration_s > 0.1
        )
        start = int((one.t_s + 0.25 * one.duration_s) * SAMPLE_RATE_HZ)
        sound = voice.samples(start, 1024) * np.hanning(1024)
        echo = np.fft.irfft(np.abs(np.fft.rfft(sound, 4096)) ** 2)
        low, high = SAMPLE_RATE_HZ // 420, SAMPLE_RATE_HZ // 60
        pitch_hz = SAMPLE_RATE_HZ / (low + int(echo[low:high].argmax()))
        base_hz = identity_from_seed(seed).habits.pitch_hz
        assert 0.6 < pitch_hz / base_hz < 1.7


def test_voice_noise_runs_on_between_blocks() -> None:
    """The cabin's noise has no seam where two blocks of it meet."""
    voice, script = _voice(5)
    sound = voice.samples(0, 30 * SAMPLE_RATE_HZ)
    quiet = ~_speaking(script, len(sound))
    steps = np.abs(np.diff(sound))
    usual = steps[quiet[1:]].max()
    seams = [n * SAMPLE_RATE_HZ for n in range(1, 30) if quiet[n * SAMPLE_RATE_HZ]]
    assert seams
    assert max(steps[seam - 1] for seam in seams) <= usual
    assert np.median([steps[seam - 1] for seam in seams]) < 4 * np.median(
        steps[quiet[1:]]
    )
