"""Figures of the speech detector: what it finds in sentences and in made noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.split import Split
from benchmarks.subject import hear_speech
from edge_affect.sensing.logmel import LogMel
from edge_affect.types import SAMPLE_RATE_HZ
from training.data.emodb import load_emodb, read_speech

SPEECH = 0.5
"""From this probability on a hop counts as speech."""
LOUD_POWER = 10 ** (-30 / 10)
"""A hop is loud from this share of the power of its clip's loudest hop on."""
NOISE_S = 60.0
"""Length of the noise of one colour at one level."""
COLOURS = {"white": 0.0, "pink": 0.5, "brown": 1.0}
"""Colour → its amplitude falls with the frequency to the power of this."""
LEVELS_DB = (-60.0, -45.0, -30.0, -15.0)
"""Levels of the noise: its root mean square against full scale."""
_FIRST_SEED = 700_000
_LOWEST_HZ = 20.0


def measure_speech(split: Split, data: Path, progress: Progress) -> list[Record]:
    """Measure the share of the sentences' loud hops that are found, by speaker."""
    if "speech" not in split.subject.manifest.heads:
        return []
    listed = load_emodb(data, split.part)
    clips = [listed[row] for row in split.choose(len(listed))]
    units: list[str] = []
    found: list[NDArray[np.bool_]] = []
    for clip in progress.track(clips, len(clips), split.label):
        samples = read_speech(clip)
        heard = hear_speech(split.subject, samples) >= SPEECH
        found.append(heard[loud_hops(samples)])
        units += [clip.speaker] * len(found[-1])
    return _shares(split, "accuracy", found, units)


def measure_noise(split: Split, data: Path, progress: Progress) -> list[Record]:
    """Measure the share of hops of noise that are taken for speech, by colour."""
    del data  # the noise is made, not read
    if "speech" not in split.subject.manifest.heads:
        return []
    made = [(colour, level_db) for colour in COLOURS for level_db in LEVELS_DB]
    chosen = split.choose(len(made))
    units: list[str] = []
    found: list[NDArray[np.bool_]] = []
    for row in progress.track(chosen, len(chosen), split.label):
        colour, level_db = made[row]
        samples = make_noise(COLOURS[colour], level_db, _FIRST_SEED + row)
        found.append(hear_speech(split.subject, samples) >= SPEECH)
        units += [colour] * len(found[-1])
    return _shares(split, "ratio", found, units)


def loud_hops(samples: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return ``(hops,)``: whether each whole hop is near its clip's loudest."""
    hop = LogMel().block_samples
    whole = samples[: len(samples) // hop * hop].astype(np.float64).reshape(-1, hop)
    power = (whole**2).mean(axis=1)
    return np.asarray((power > 0) & (power >= LOUD_POWER * power.max(initial=0.0)))


def make_noise(fall: float, level_db: float, seed: int) -> NDArray[np.float32]:
    """Return ``(samples,)`` noise at 16 kHz whose amplitude falls as ``1 / f**fall``.

    Frequencies below hearing are left out; else they would be most of brown noise.
    """
    count = int(NOISE_S * SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ)
    shape = np.where(hz < _LOWEST_HZ, 0.0, np.maximum(hz, _LOWEST_HZ) ** -fall)
    noise = np.fft.irfft(spectrum * shape, count)
    scaled = noise * 10 ** (level_db / 20) / np.sqrt((noise**2).mean())
    return np.asarray(np.clip(scaled, -1, 1), np.float32)


def _shares(
    split: Split, metric: str, found: list[NDArray[np.bool_]], units: list[str]
) -> list[Record]:
    if not units:
        return []
    hops = np.concatenate(found)
    return split.over_units(
        "voice", metric, lambda pick: float(hops[pick].mean()), units
    )
