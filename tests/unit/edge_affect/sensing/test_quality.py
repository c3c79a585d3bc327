"""Quality: dark, blown out and frozen pictures, and none of these."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.sensing.flow import View
from edge_affect.sensing.quality import (
    BRIGHT,
    DARK,
    FROZEN,
    FROZEN_FRAMES,
    FrameQuality,
    exposure,
    thumbnail,
)
from edge_affect.types import Frame

FROZEN_NS = 170 * NS_PER_MS
NOISE_LEVELS = 0.6
"""Grey levels, one deviation: a good sensor by day."""


def frame(picture: NDArray[np.uint8], t_ns: int = 0) -> Frame:
    """Return a frame of a BGR picture."""
    return Frame(picture, t_capture_ns=t_ns, t_arrival_ns=t_ns, index=0)


def scene(seed: int, size: tuple[int, int] = (96, 128)) -> NDArray[np.uint8]:
    """Return a picture that no other seed gives."""
    random = np.random.default_rng(seed)
    return random.integers(40, 200, (*size, 3), np.uint8)


def check(
    quality: FrameQuality, picture: NDArray[np.uint8], t_ns: int = 0
) -> tuple[str, ...]:
    """Check a picture as the stream does."""
    return quality.check(View.of(frame(picture)).grey, t_ns)


def checked(pictures: Sequence[NDArray[np.uint8]], fps: int = 30) -> list[bool]:
    """Return for each picture of a stream whether it counts as frozen."""
    quality = FrameQuality(FROZEN_NS)
    return [
        FROZEN in check(quality, picture, k * NS_PER_S // fps)
        for k, picture in enumerate(pictures)
    ]


def test_quality_of_a_good_picture_is_empty() -> None:
    """A picture of middling light has no reason against it."""
    assert check(FrameQuality(FROZEN_NS), scene(1)) == ()


@pytest.mark.parametrize(
    ("level", "reasons"), [(0, (DARK,)), (15, (DARK,)), (120, ()), (255, (BRIGHT,))]
)
def test_quality_tells_dark_and_bright(level: int, reasons: tuple[str, ...]) -> None:
    """A covered lens is dark, a blinded one bright."""
    picture = np.full((48, 64, 3), level, np.uint8)
    assert check(FrameQuality(FROZEN_NS), picture) == reasons


def test_exposure_keeps_a_lit_face_in_the_dark() -> None:
    """A tenth of the picture that is lit is worth looking at."""
    luma = np.full((24, 32), 5, np.uint8)
    luma[8:16, 10:20] = 120
    assert exposure(luma) == ()


def test_exposure_keeps_a_bright_window() -> None:
    """Sky in a third of the picture does not blind the camera."""
    luma = np.full((24, 32), 90, np.uint8)
    luma[:, :10] = 255
    assert exposure(luma) == ()


def test_quality_tells_frozen_at_the_fifth_frame() -> None:
    """The same picture again and again is frozen from the fifth time on."""
    assert checked([scene(1)] * 7) == [i + 1 >= FROZEN_FRAMES for i in range(7)]


@pytest.mark.parametrize(
    ("fps", "first"), [(4, 2), (10, 2), (12, 3), (15, 3), (25, 4), (30, 4), (60, 4)]
)
def test_quality_tells_frozen_by_time_with_a_slow_camera(fps: int, first: int) -> None:
    """At 170 ms a picture is old, if it came twice more; five times is enough."""
    assert checked([scene(1)] * 7, fps) == [i >= first for i in range(7)]


def test_quality_takes_one_repeat_for_a_hiccup_however_long() -> None:
    """Each picture twice is a slow camera still, at four frames a second too."""
    assert not any(checked([scene(i // 2) for i in range(12)], fps=4))


def test_quality_tells_two_pictures_by_turns() -> None:
    """A driver that returns its two buffers by turns is frozen as well."""
    turns = checked([scene(i % 2) for i in range(12)])
    assert turns[:FROZEN_FRAMES] == [False] * FROZEN_FRAMES
    assert all(turns[FROZEN_FRAMES:])


@pytest.mark.parametrize("left_out", [(2,), (3,), (2, 3), (1, 4)])
def test_quality_tells_two_pictures_by_turns_when_some_are_left_out(
    left_out: tuple[int, ...],
) -> None:
    """Of a fast camera not every frame is seen; it is frozen all the same."""
    seen = [i for i in range(40) if i % 5 not in left_out]
    turns = checked([scene(i % 2) for i in seen])
    assert all(turns[2 * FROZEN_FRAMES - 1 :])


def test_quality_recovers_with_a_new_picture() -> None:
    """One new picture ends the freeze."""
    assert checked([scene(1)] * 6 + [scene(2)])[-2:] == [True, False]


def test_quality_takes_doubled_frames_for_a_slow_camera() -> None:
    """Each picture three times is a slow camera, not a frozen one."""
    assert not any(checked([scene(i // 3) for i in range(30)]))


@pytest.mark.parametrize("size", [(480, 640), (120, 160)])
def test_quality_never_freezes_with_sensor_noise(size: tuple[int, int]) -> None:
    """A still scene seen by a real sensor differs in every frame."""
    random = np.random.default_rng(4)
    still = scene(3, size).astype(np.float32)
    noisy = [
        (still + random.normal(0, NOISE_LEVELS, still.shape)).round().astype(np.uint8)
        for _ in range(12)
    ]
    assert not any(checked(noisy))


def test_quality_reset_begins_anew() -> None:
    """After a reset the count of repeats starts again."""
    quality = FrameQuality(FROZEN_NS)
    for _ in range(6):
        check(quality, scene(1))
    quality.reset()
    assert check(quality, scene(1)) == ()


def test_quality_of_a_covered_frozen_camera_has_both_reasons() -> None:
    """Reasons are sorted and do not hide each other."""
    quality = FrameQuality(FROZEN_NS)
    black = np.zeros((48, 64, 3), np.uint8)
    for _ in range(5):
        reasons = check(quality, black)
    assert reasons == (DARK, FROZEN)


@pytest.mark.parametrize("size", [(480, 640), (288, 360), (700, 40), (9, 2_000)])
def test_thumbnail_shows_the_whole_frame(size: tuple[int, int]) -> None:
    """A thumbnail has the frame's mean, whatever the frame's shape."""
    picture = scene(8, size)
    small = thumbnail(View.of(frame(picture)).grey)
    assert small.shape[1] == 32
    assert small.mean() == pytest.approx(picture.mean(), abs=12)
