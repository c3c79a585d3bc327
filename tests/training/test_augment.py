"""What augmentation may change, and what it must keep."""

from __future__ import annotations

import numpy as np
import pytest

from training.sound import (
    NOISES,
    SoundConfig,
    change_speech,
    change_speed,
    make_noise,
    telephone,
)

pytest.importorskip("torch")  # before anything that imports it

import torch

from training.augment import AugmentConfig, augment_faces


@pytest.mark.torch
def test_augment_faces_keeps_shape_and_range_and_repeats() -> None:
    """The same seed gives the same pictures, in [0, 255]."""
    luma = torch.rand(16, 1, 56, 56) * 255
    config = AugmentConfig()
    first, again = (
        augment_faces(luma, config, torch.Generator().manual_seed(5)) for _ in range(2)
    )
    assert first.shape == luma.shape
    assert float(first.min()) >= 0
    assert float(first.max()) <= 255
    assert torch.equal(first, again)
    assert not torch.equal(first, luma)


@pytest.mark.torch
def test_augment_faces_of_nothing_only_mirrors() -> None:
    """With every change at 0 a picture is itself or its mirror image."""
    luma = torch.rand(8, 1, 20, 20) * 253 + 1
    still = AugmentConfig(0, 0, 0, 0, 0, 0, 0, 0)
    changed = augment_faces(luma, still, torch.Generator().manual_seed(0))
    for before, after in zip(luma, changed, strict=True):
        distance = min(
            float((after - before).abs().max()),
            float((after - before.flip(2)).abs().max()),
        )
        assert distance < 0.01


@pytest.mark.parametrize("kind", NOISES)
def test_make_noise_has_unit_level(kind: str) -> None:
    """Every kind is finite with a root mean square of 1."""
    noise = make_noise(kind, 32_000, np.random.default_rng(0))
    assert noise.dtype == np.float32
    assert float(np.sqrt((noise**2).mean())) == pytest.approx(1, abs=1e-3)


def test_noises_fall_with_frequency_as_named() -> None:
    """An octave costs white 0, pink 3 and brown 6 dB."""
    for kind, fall_db in (("white", 0), ("pink", 3), ("brown", 6)):
        noise = make_noise(kind, 320_000, np.random.default_rng(1))
        power = np.abs(np.fft.rfft(noise)) ** 2
        hz = np.fft.rfftfreq(len(noise), 1 / 16_000)
        low, high = (
            power[(hz >= edge) & (hz < 1.2 * edge)].mean() for edge in (500, 1000)
        )
        assert 10 * np.log10(low / high) == pytest.approx(fall_db, abs=0.7)


def test_telephone_keeps_only_its_band() -> None:
    """1 kHz passes, 5 kHz does not."""
    time_s = np.arange(16_000) / 16_000
    for hz, kept in ((1000, 1.0), (5000, 0.0)):
        tone = np.sin(2 * np.pi * hz * time_s).astype(np.float32)
        assert np.abs(telephone(tone)).max() == pytest.approx(kept, abs=0.02)


def test_change_speech_keeps_length_and_range() -> None:
    """However loud, the result stays in [-1, 1]."""
    random = np.random.default_rng(0)
    sound = np.clip(random.normal(size=16_000), -1, 1).astype(np.float32)
    for _ in range(10):
        changed = change_speech(sound, SoundConfig(gain_db=(20, 30)), random)
        assert changed.shape == sound.shape
        assert changed.dtype == np.float32
        assert np.abs(changed).max() <= 1


def test_change_speed_shortens_by_the_factor() -> None:
    """Twice as fast is half as long."""
    sound = np.sin(np.arange(1000, dtype=np.float32) / 10)
    assert len(change_speed(sound, 2.0)) == 500
