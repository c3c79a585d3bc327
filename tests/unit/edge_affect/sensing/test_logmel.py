"""Log-mel columns: independent of chunking, causal, and right."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_affect.errors import UsageError
from edge_affect.sensing.logmel import BLOCK_COLUMNS, LogMel, LogMelStream, logmel

HOP_SAMPLES = 1_600
LONGEST_SAMPLES = 4 * 16_000

REFERENCE_TOLERANCE = 1e-5
"""Both compute in float64; columns are rounded to float32."""


def sound(samples: int, seed: int = 3) -> NDArray[np.float32]:
    """Return a sweep over noise whose level rises and falls."""
    random = np.random.default_rng(seed)
    time = np.arange(samples) / 16_000
    sweep = np.sin(2 * np.pi * (100 + 900 * time) * time)
    level = 0.05 + 0.4 * np.abs(np.sin(2.7 * time))
    return (level * (sweep + random.normal(0, 0.2, samples))).astype(np.float32)


def reference(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute every column of a whole signal by plain sums, from the definition."""
    count = len(samples) // HOP_SAMPLES * BLOCK_COLUMNS
    padded = np.concatenate([np.zeros(240), samples.astype(np.float64)])
    windows = np.stack([padded[160 * j : 160 * j + 400] for j in range(count)])
    n = np.arange(400)
    hann = np.sin(np.pi * n / 400) ** 2
    bins = np.arange(257)
    fourier = np.exp(-2j * np.pi * np.outer(n, bins) / 512)
    power = np.abs((windows * hann) @ fourier) ** 2
    logs = np.log(power @ slaney_bank(bins * 16_000 / 512) + 1e-6)
    return np.asarray((logs + 2.0) / 3.2)


def slaney_bank(bins_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the gain of 64 bands from 60 to 7600 Hz at some frequencies."""
    low = 60 * 3 / 200
    high = 15 + 27 * math.log(7.6) / math.log(6.4)
    mels = [low + i * (high - low) / 65 for i in range(66)]
    hz = [200 / 3 * m if m < 15 else 1_000 * 6.4 ** ((m - 15) / 27) for m in mels]
    bands = [np.interp(bins_hz, hz[i : i + 3], [0, 1, 0]) for i in range(64)]
    return np.stack(bands, axis=1)


def pushed(stream: LogMelStream, chunks: Sequence[NDArray[np.float32]]) -> list[bytes]:
    """Return every block as bytes: equality to the bit, NaN included."""
    return [block.tobytes() for chunk in chunks for block in stream.push(chunk)]


def test_logmel_is_what_its_definition_says() -> None:
    """Every column equals the plain sums of the definition."""
    samples = sound(20_000)
    given_columns = logmel(samples)
    assert given_columns.dtype == np.float32
    assert given_columns.shape == (120, 64)
    difference = np.abs(given_columns - reference(samples))
    assert difference.max() <= REFERENCE_TOLERANCE


@settings(deadline=None, max_examples=60)
@given(
    samples=st.integers(0, LONGEST_SAMPLES),
    sizes=st.lists(st.integers(1, 48_000), min_size=1, max_size=8),
)
def test_logmel_does_not_depend_on_chunks(samples: int, sizes: list[int]) -> None:
    """Blocks are equal to the bit for chunks of 1 sample to 3 seconds."""
    signal = sound(samples)
    chunks: list[NDArray[np.float32]] = []
    at = 0
    while at < samples:
        # One sample at a time for a whole second would say nothing more.
        size = sizes[len(chunks) % len(sizes)] if len(chunks) < 400 else HOP_SAMPLES
        chunks.append(signal[at : at + size])
        at += size
    assert pushed(LogMelStream(), chunks) == pushed(LogMelStream(), [signal])


def test_logmel_of_single_samples_is_the_same() -> None:
    """Three hops and a bit, one sample at a time."""
    signal = sound(3 * HOP_SAMPLES + 7)
    singles = [signal[i : i + 1] for i in range(len(signal))]
    assert pushed(LogMelStream(), singles) == pushed(LogMelStream(), [signal])


@pytest.mark.parametrize(
    ("samples", "blocks"),
    [(0, 0), (1_599, 0), (1_600, 1), (1_601, 1), (3_200, 2)],
)
def test_logmel_gives_a_block_for_each_hop(samples: int, blocks: int) -> None:
    """A block comes with the last of its 1600 samples, and not before."""
    given_blocks = LogMelStream().push(sound(samples))
    assert [block.shape for block in given_blocks] == [(10, 64)] * blocks
    assert logmel(sound(samples)).shape == (10 * blocks, 64)


@settings(deadline=None, max_examples=30)
@given(poisoned=st.integers(0, 5 * HOP_SAMPLES - 1))
def test_logmel_is_causal(poisoned: int) -> None:
    """NaN from a sample on leaves every column before it equal to the bit."""
    clean = sound(5 * HOP_SAMPLES)
    spoilt = clean.copy()
    spoilt[poisoned:] = np.nan
    columns = poisoned // 160
    expected, got = logmel(clean), logmel(spoilt)
    assert got[:columns].tobytes() == expected[:columns].tobytes()
    assert np.isnan(got[columns:]).all()


def test_logmel_reset_forgets_everything() -> None:
    """After a gap the first columns see zeros, as those of a new stream do."""
    stream = LogMelStream()
    stream.push(sound(4_000, seed=1))
    stream.reset()
    signal = sound(2 * HOP_SAMPLES, seed=2)
    assert pushed(stream, [signal]) == pushed(LogMelStream(), [signal])


def test_logmel_blocks_belong_to_the_caller() -> None:
    """Later sound does not change a block that was given."""
    stream = LogMelStream()
    [block] = stream.push(sound(HOP_SAMPLES))
    kept = block.copy()
    stream.push(sound(5 * HOP_SAMPLES, seed=9))
    assert np.array_equal(block, kept)


def test_logmel_of_silence_is_the_floor() -> None:
    """Silence gives the lowest value there is, everywhere."""
    expected = np.float32((np.log(1e-6) + 2.0) / 3.2)
    assert (logmel(np.zeros(HOP_SAMPLES, np.float32)) == expected).all()


@pytest.mark.parametrize("hz", [120, 440, 1_000, 3_000, 7_000])
def test_logmel_of_a_tone_peaks_in_its_band(hz: float) -> None:
    """The strongest band is the one whose triangle stands over the tone."""
    time = np.arange(HOP_SAMPLES) / 16_000
    columns = logmel((0.5 * np.sin(2 * np.pi * hz * time)).astype(np.float32))
    bank = slaney_bank(np.array([hz], np.float64))[0]
    assert bank[columns[5].argmax()] >= 0.4


@pytest.mark.parametrize(
    "samples",
    [np.zeros(8), np.zeros((8, 1), np.float32), np.zeros(8, np.int16)],
)
def test_logmel_refuses_other_arrays(samples: NDArray[np.float32]) -> None:
    """Only float32 mono is sound."""
    with pytest.raises(UsageError, match=r"expected float32 \(samples,\)"):
        LogMelStream().push(samples)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hop", 0),
        ("hop", 401),
        ("fft", 399),
        ("mels", 0),
        ("floor", 0.0),
        ("std", 0.0),
        ("mel_high_hz", 8_001.0),
        ("mel_high_hz", 60.0),
    ],
)
def test_logmel_config_names_what_is_wrong(name: str, value: float) -> None:
    """A value out of range is refused by its name."""
    with pytest.raises(UsageError, match=rf"logmel\.{name}: got {value}"):
        LogMel(**{name: value})  # type: ignore[arg-type] # any of its fields


def test_logmel_of_speech_lies_within_two(data_root: Path) -> None:
    """The constants put the middle of real speech into [-2, 2]."""
    soundfile = pytest.importorskip("soundfile")
    folder = data_root / "emodb"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing")
    with (folder / "labels.csv").open() as table:
        files = [row["file"] for row in csv.DictReader(table)][::12]
    clips = [soundfile.read(folder / file, dtype="float32")[0] for file in files]
    columns = np.concatenate([logmel(clip) for clip in clips])
    spoken = columns[columns.mean(axis=1) > np.percentile(columns.mean(axis=1), 25)]
    assert np.mean(np.abs(spoken) <= 2) >= 0.9
    assert abs(spoken.mean()) <= 0.2
    assert 0.8 <= spoken.std() <= 1.2
