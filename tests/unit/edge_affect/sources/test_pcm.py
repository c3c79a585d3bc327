"""16-bit sound to 16 kHz mono: mixing, resampling, capture times and gaps."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.errors import MissingDependencyError, WrongRateError
from edge_affect.sources.pcm import PcmConverter, RawChunk
from edge_affect.sources.sample_times import CaptureMap
from edge_affect.types import AudioChunk

T0 = 50 * NS_PER_S
AGE_NS = 25 * NS_PER_MS
LATENCY_NS = 40 * NS_PER_MS


def _raw(
    samples: NDArray[np.int16],
    rate_hz: int,
    *,
    age_ns: int = AGE_NS,
    cut_ms: int = 20,
) -> list[RawChunk]:
    """Cut ``(samples, channels)`` captured from T0 on into chunks aged ``age_ns``."""
    step = rate_hz * cut_ms // 1_000
    return [
        RawChunk(
            samples[start : start + step].tobytes(),
            start,
            T0 + start * NS_PER_S // rate_hz + AGE_NS,
            age_ns,
        )
        for start in range(0, len(samples), step)
    ]


def _convert(raw: Sequence[RawChunk], converter: PcmConverter) -> list[AudioChunk]:
    chunks = (converter.convert(chunk) for chunk in raw)
    return [chunk for chunk in chunks if chunk is not None]


def _click(rate_hz: int, at_s: float, length_s: float = 1.0) -> NDArray[np.int16]:
    sound = np.zeros((int(rate_hz * length_s), 1), np.int16)
    sound[round(at_s * rate_hz)] = 30_000
    return sound


def _peak_ns(chunks: Sequence[AudioChunk]) -> int:
    loudest = max(chunks, key=lambda chunk: float(np.abs(chunk.samples).max()))
    at = int(np.abs(loudest.samples).argmax())
    return loudest.t_capture_ns + at * 62_500


def test_converter_mixes_channels_and_scales() -> None:
    """Channels are averaged and int16 becomes [-1, 1]."""
    stereo = np.array([[32_767, -32_768], [16_384, 16_384]], np.int16)
    (chunk,) = _convert(_raw(stereo, 16_000), PcmConverter(16_000, 2, LATENCY_NS))
    assert chunk.samples.dtype == np.float32
    assert chunk.samples == pytest.approx([0, 0.5], abs=1e-4)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_converter_places_a_click_at_its_time(rate_hz: int) -> None:
    """The resampler's delay does not enter capture times: one sample at most."""
    pytest.importorskip("soxr", reason="soxr is not installed")
    converter = PcmConverter(rate_hz, 1, LATENCY_NS)
    chunks = _convert(_raw(_click(rate_hz, 0.5), rate_hz), converter)
    assert abs(_peak_ns(chunks) - T0 - NS_PER_S // 2) <= 62_500
    assert not any(chunk.estimated or chunk.gap_before for chunk in chunks)
    assert all(chunk.t_capture_ns <= chunk.t_arrival_ns for chunk in chunks)


@pytest.mark.parametrize("cut_ms", [5, 20, 100])
def test_converter_gives_the_same_samples_whatever_the_chunks(cut_ms: int) -> None:
    """Resampling carries its state: how the device cuts the sound does not matter."""
    pytest.importorskip("soxr", reason="soxr is not installed")
    noise = np.random.default_rng(1).integers(-9_000, 9_000, (44_100, 1), np.int16)
    whole = _convert(
        _raw(noise, 44_100, cut_ms=1_000, age_ns=NS_PER_S),
        PcmConverter(44_100, 1, LATENCY_NS),
    )
    cut = _convert(
        _raw(noise, 44_100, cut_ms=cut_ms, age_ns=100 * NS_PER_MS),
        PcmConverter(44_100, 1, LATENCY_NS),
    )
    joined = np.concatenate([chunk.samples for chunk in cut])
    length = min(len(joined), len(whole[0].samples))
    assert length > 14_000
    assert joined[:length] == pytest.approx(whole[0].samples[:length], abs=1e-6)


@pytest.mark.parametrize("age_ns", [0, 8 * NS_PER_MS, -NS_PER_MS, 3 * NS_PER_S])
def test_converter_estimates_where_adc_times_are_impossible(age_ns: int) -> None:
    """An age below the chunk's length or far too high is replaced by the latency."""
    converter = PcmConverter(16_000, 1, LATENCY_NS)
    chunks = _convert(_raw(_click(16_000, 0.5), 16_000, age_ns=age_ns), converter)
    assert all(chunk.estimated for chunk in chunks)
    assert {chunk.t_arrival_ns - chunk.t_capture_ns for chunk in chunks} == {LATENCY_NS}


def test_converter_stays_with_estimates_once_a_time_was_impossible() -> None:
    """Measured and estimated times are never mixed after the first impossible one."""
    raw = _raw(_click(16_000, 0.5), 16_000)
    bad = _raw(_click(16_000, 0.5), 16_000, age_ns=0)
    converter = PcmConverter(16_000, 1, LATENCY_NS)
    chunks = _convert([*raw[:5], bad[5], *raw[6:]], converter)
    assert [chunk.estimated for chunk in chunks] == [False] * 5 + [True] * 45
    assert [chunk.index for chunk in chunks if chunk.gap_before] == [5]


@pytest.mark.parametrize("how", ["flag", "queue"])
@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_converter_marks_gaps_and_joins_nothing_across(rate_hz: int, how: str) -> None:
    """Lost samples, by the device's flag or the count, mark the next chunk once."""
    pytest.importorskip("soxr", reason="soxr is not installed")
    raw = _raw(_click(rate_hz, 0.7), rate_hz)
    if how == "flag":
        lost = raw[20]
        raw[20] = RawChunk(
            lost.data, lost.position, lost.t_arrival_ns, lost.age_ns, overflowed=True
        )
    else:
        del raw[20:24]
    chunks = _convert(raw, PcmConverter(rate_hz, 1, LATENCY_NS))
    (after,) = [chunk for chunk in chunks if chunk.gap_before]
    begins_ms = 400 if how == "flag" else 480
    assert after.t_capture_ns == T0 + begins_ms * NS_PER_MS
    assert abs(_peak_ns(chunks) - T0 - 700 * NS_PER_MS) <= 62_500


def test_converter_marks_samples_that_were_lost_unsaid() -> None:
    """Sound that falls behind the clock for good is a gap, though nobody said so."""
    raw = [
        RawChunk(r.data, r.position, r.t_arrival_ns + 300 * NS_PER_MS, r.age_ns)
        if number >= 20
        else r
        for number, r in enumerate(_raw(_click(16_000, 0.1, 2.0), 16_000))
    ]
    chunks = _convert(raw, PcmConverter(16_000, 1, LATENCY_NS))
    (after,) = [chunk for chunk in chunks if chunk.gap_before]
    assert 0.4 + 0.5 <= after.index * 0.02 <= 0.4 + 0.6
    assert chunks[-1].t_arrival_ns - chunks[-1].t_capture_ns == AGE_NS


def test_converter_rides_out_a_burst() -> None:
    """Chunks held up by a stall come late together; their times stay even."""
    raw = _raw(_click(16_000, 0.5), 16_000)
    stalled = [
        RawChunk(r.data, r.position, max(r.t_arrival_ns, raw[30].t_arrival_ns), age)
        for r in raw
        for age in [max(r.t_arrival_ns, raw[30].t_arrival_ns) - r.t_arrival_ns + AGE_NS]
        if r.position >= raw[15].position
    ]
    chunks = _convert([*raw[:15], *stalled], PcmConverter(16_000, 1, LATENCY_NS))
    assert not any(chunk.gap_before for chunk in chunks)
    steps = np.diff([chunk.t_capture_ns for chunk in chunks])
    assert abs(steps - 20 * NS_PER_MS).max() < NS_PER_MS


def test_converter_needs_soxr_only_to_resample(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device at 16 kHz works without soxr; another names the extra."""
    monkeypatch.setitem(sys.modules, "soxr", None)
    PcmConverter(16_000, 1, LATENCY_NS)
    with pytest.raises(MissingDependencyError, match=r"edge_affect\[audio\]"):
        PcmConverter(44_100, 1, LATENCY_NS)


def test_capture_map_follows_the_earliest_arrivals() -> None:
    """Late chunks do not move the map; a slow crystal does."""
    times = CaptureMap(1_000, has_adc=False)
    rng = np.random.default_rng(2)
    for count in range(0, 60_000, 20):
        true_ns = T0 + int(count * NS_PER_MS * (1 + 200e-6))
        late_ns = int(rng.exponential(5 * NS_PER_MS)) if count else 0
        assert not times.measure(count, true_ns + late_ns)
    assert (
        abs(times.t_ns(60_000, 1_000) - T0 - int(60 * NS_PER_S * 1.0002))
        < 10 * NS_PER_MS
    )


@pytest.mark.parametrize("ppm", [-200, 200])
def test_capture_map_rides_out_what_a_driver_says_wrong(ppm: float) -> None:
    """ADC times with heavy tails both ways, the first one 60 ms too early.

    One in ten is Cauchy's: a mean, or a minimum, would follow some of them for minutes.
    """
    times = CaptureMap(16_000, has_adc=True)
    rng = np.random.default_rng(3)
    worst_ns = 0.0
    for number in range(50 * 120):
        true_ns = T0 + int(number * 20 * NS_PER_MS / (1 + ppm * 1e-6))
        off_ms = rng.normal(0, 1)
        if rng.random() < 0.1:
            off_ms = float(np.clip(20 * rng.standard_cauchy(), -90, 90))
        off_ms = off_ms if number else -60.0
        times.measure(number * 320, true_ns + int(off_ms * NS_PER_MS))
        if number > 10:
            off_ns = abs(times.t_ns(number * 320, 16_000) - true_ns)
            worst_ns = max(worst_ns, off_ns)
    assert worst_ns < 3 * NS_PER_MS


def test_a_channel_that_is_cut_off_is_told_before_it_is_mixed() -> None:
    """Half of the mean of two channels is never at full scale."""
    phase = np.arange(16_000) * 2 * np.pi * 220 / 16_000
    left = np.clip(80_000 * np.sin(phase), -32_768, 32_767)
    right = 100 * np.sin(phase)
    both = np.stack([left, right], 1).astype(np.int16)
    chunks = _convert(_raw(both, 16_000), PcmConverter(16_000, 2, LATENCY_NS))
    shares = [chunk.cut_off_share for chunk in chunks]
    assert min(share for share in shares if share is not None) > 0.5
    assert max(float(np.abs(chunk.samples).max()) for chunk in chunks) < 0.6


def _drifting(
    seconds: float, ppm: float, *, cut_ms: int, has_adc: bool
) -> Iterator[tuple[int, RawChunk]]:
    """Yield the true capture time of each chunk's first sample, and the chunk.

    The device's crystal is off by ``ppm``; chunks arrive 5 to 25 ms late, one in fifty
    60 ms more. ADC times, where there are any, are off by up to 2 ms.
    """
    random = np.random.default_rng(7)
    count = cut_ms * 16
    silence = bytes(2 * count)
    for number in range(int(seconds * 1_000 / cut_ms)):
        start = number * count
        true_ns = T0 + round(start * NS_PER_S / 16_000 / (1 + ppm * 1e-6))
        late_ms = random.uniform(5, 25) + 60 * (random.random() < 0.02)
        arrival_ns = true_ns + cut_ms * NS_PER_MS + round(late_ms * NS_PER_MS)
        age_ns = arrival_ns - true_ns + round(random.uniform(-2, 2) * NS_PER_MS)
        yield (
            true_ns,
            RawChunk(silence, start, arrival_ns, age_ns if has_adc else 0),
        )


@pytest.mark.parametrize("has_adc", [True, False])
@pytest.mark.parametrize("ppm", [-200, 200])
@pytest.mark.parametrize(("hours", "cut_ms"), [(1 / 60, 20), (24, 500)])
def test_capture_times_stay_true_however_long_a_crystal_drifts(
    ppm: float, hours: float, cut_ms: int, *, has_adc: bool
) -> None:
    """Within 20 ms from the first minute on, with the device's times and without.

    Without them a chunk's usual delay, 15 ms here, stands in for its own.
    """
    converter = PcmConverter(16_000, 1, (cut_ms + 15) * NS_PER_MS)
    worst_ns = 0
    raw = _drifting(hours * 3_600, ppm, cut_ms=cut_ms, has_adc=has_adc)
    for true_ns, chunk in raw:
        heard = converter.convert(chunk)
        assert heard is not None
        assert not heard.gap_before
        worst_ns = max(worst_ns, abs(heard.t_capture_ns - true_ns))
    assert worst_ns <= 20 * NS_PER_MS


@pytest.mark.parametrize(
    ("true_hz", "said_hz", "limit_s"), [(44_100, 16_000, 2.5), (15_500, 16_000, 11)]
)
def test_a_device_that_lies_about_its_rate_is_refused(
    true_hz: int, said_hz: int, limit_s: float
) -> None:
    """The sooner the worse it is, with both rates in the error."""
    converter = PcmConverter(said_hz, 1, LATENCY_NS)
    count = true_hz // 50
    told = f"got {true_hz} samples a second, but the device says {said_hz}"
    with pytest.raises(WrongRateError, match=told):
        for number in range(int(50 * limit_s)):
            t_ns = T0 + number * NS_PER_S // 50
            converter.convert(RawChunk(bytes(2 * count), number * count, t_ns, AGE_NS))


def test_a_rate_is_not_doubted_for_a_machine_that_sleeps_again_and_again() -> None:
    """Ten naps of a minute, six seconds apart: the count stands still in each."""
    converter = PcmConverter(16_000, 1, LATENCY_NS)
    for number in range(50 * 60):
        t_ns = T0 + number * NS_PER_S // 50 + number // 300 * 60 * NS_PER_S
        assert converter.convert(RawChunk(bytes(640), number * 320, t_ns, AGE_NS))


def test_a_rate_is_not_doubted_for_one_stall_or_for_losses_that_are_told() -> None:
    """A thread that stood still for half a second, and overflows every second."""
    converter = PcmConverter(16_000, 1, LATENCY_NS)
    position = 0
    for number in range(50 * 30):
        late_ns = NS_PER_S // 2 if 240 <= number < 265 else 0
        overflowed = number % 50 == 49
        position += 3_200 * overflowed
        t_ns = T0 + number * NS_PER_S // 50 + late_ns
        raw = RawChunk(bytes(640), position, t_ns, AGE_NS + late_ns, overflowed)
        converter.convert(raw)
        position += 320
