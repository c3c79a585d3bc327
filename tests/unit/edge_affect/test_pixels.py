"""Crops of every pixel format, held against OpenCV on the whole picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_affect.errors import UsageError
from edge_affect.pixels import PixelFormat, check_pixels, crop, picture_height

WIDTH, HEIGHT = 64, 48
SAME = np.eye(2, 3, dtype=np.float32)

NV12_LEVELS = 8
"""Grey levels: OpenCV takes the nearest chroma sample, half a pixel off on average,
where we interpolate."""
NV12_EDGE_PX = 1
"""Here chroma fades towards grey."""
RAMP_LEVELS = 1.25
"""Grey levels: half for each of two roundings, the rest for positions of 1/32 pixel."""
AVERAGE_LEVELS = 1
"""Grey levels: rounding of a mean."""


def scene() -> NDArray[np.uint8]:
    """Return a smooth BGR picture: chroma planes at half size lose little of it."""
    noise = np.random.default_rng(7).uniform(60, 200, (3, 4, 3)).astype(np.float32)
    large = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.clip(large, 16, 235).astype(np.uint8)


def nv12(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``bgr`` as NV12."""
    rows, columns = bgr.shape[:2]
    planes = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420), np.uint8)
    chroma = planes[rows:].reshape(2, rows // 2, columns // 2)
    pairs = np.moveaxis(chroma, 0, -1).reshape(rows // 2, columns)
    return np.concatenate([planes[:rows], pairs])


def coded(pixel_format: PixelFormat) -> NDArray[Any]:
    """Return the scene in ``pixel_format``."""
    bgr = scene()
    grey = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY))
    pictures: dict[PixelFormat, NDArray[Any]] = {
        PixelFormat.BGR: bgr,
        PixelFormat.RGB: np.ascontiguousarray(bgr[:, :, ::-1]),
        PixelFormat.GREY8: grey,
        PixelFormat.GREY16: grey.astype(np.uint16) << 8,
        PixelFormat.NV12: nv12(bgr),
    }
    return pictures[pixel_format]


def whole(pixel_format: PixelFormat, channels: int) -> NDArray[np.uint8]:
    """Return the whole scene as OpenCV converts it to RGB or luma."""
    bgr = scene()
    if pixel_format is PixelFormat.NV12:
        bgr = np.asarray(cv2.cvtColor(nv12(bgr), cv2.COLOR_YUV2BGR_NV12), np.uint8)
    grey = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), np.uint8)
    if channels == 1:
        return grey
    if pixel_format in (PixelFormat.GREY8, PixelFormat.GREY16):
        return np.dstack([grey] * 3)
    return bgr[:, :, ::-1]


def similarity(scale: float, degrees: float, x: float, y: float) -> NDArray[np.float32]:
    """Return a map from crop to frame."""
    turn = np.deg2rad(degrees)
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[cosine, -sine, x], [sine, cosine, y]], np.float32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_crop_of_whole_frame_is_its_conversion(
    pixel_format: PixelFormat, channels: int
) -> None:
    """The identity map gives what OpenCV's conversion of the whole picture gives."""
    part = crop(coded(pixel_format), pixel_format, SAME, (WIDTH, HEIGHT), channels)
    difference = np.abs(part.astype(int) - whole(pixel_format, channels))
    if pixel_format is PixelFormat.NV12:
        inside = slice(NV12_EDGE_PX, -NV12_EDGE_PX)
        assert difference[inside, inside].max() <= NV12_LEVELS
    else:
        assert difference.max() == 0


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("pixel_format", PixelFormat)
@pytest.mark.parametrize("scale", [0.7, 1.0, 3.3])
def test_crop_outside_of_frame_is_black(
    pixel_format: PixelFormat, channels: int, scale: float
) -> None:
    """Where a crop leaves the frame it is black, and inside it is not."""
    affine = similarity(scale, 0, -10 * scale, 0)
    part = crop(coded(pixel_format), pixel_format, affine, (14, 10), channels)
    assert part[:, :8].max() == 0
    assert part[:, 11:].min() > 0


@pytest.mark.parametrize("pixel_format", PixelFormat)
@pytest.mark.parametrize("scale", [1.0, 2.5, 40.0, 1e7])
@pytest.mark.parametrize("where", [-1e8, 1e8])
def test_crop_that_misses_the_frame_is_black(
    pixel_format: PixelFormat, scale: float, where: float
) -> None:
    """A crop that has nothing of the frame is black, however far and large."""
    affine = similarity(scale, 10, where, where)
    part = crop(coded(pixel_format), pixel_format, affine, (5, 4), 3)
    assert part.shape == (4, 5, 3)
    assert part.max() == 0


@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_crop_is_new_and_contiguous(pixel_format: PixelFormat) -> None:
    """A crop owns its pixels, and a frame that may not be written can be cropped."""
    picture = coded(pixel_format)
    picture.setflags(write=False)
    before = picture.copy()
    for channels in (1, 3):
        for scale in (1.0, 2.0):
            affine = similarity(scale, 0, (scale - 1) / 2, (scale - 1) / 2)
            size = int(WIDTH / scale), int(HEIGHT / scale)
            part = crop(picture, pixel_format, affine, size, channels)
            assert part.flags.c_contiguous
            assert part.dtype == np.uint8
            part[:] = 0
    assert np.array_equal(picture, before)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_crop_at_whole_scale_averages(factor: int) -> None:
    """Shrunk by a whole number, each pixel is the mean of the pixels under it."""
    picture = np.random.default_rng(1).integers(0, 256, (48, 64), np.uint8)
    size = 64 // factor, 48 // factor
    affine = similarity(factor, 0, (factor - 1) / 2, (factor - 1) / 2)
    part = crop(picture, PixelFormat.GREY8, affine, size, 1)
    means = picture.reshape(size[1], factor, size[0], factor).mean(axis=(1, 3))
    assert np.abs(part - means).max() <= AVERAGE_LEVELS


@pytest.mark.parametrize("degrees", [0.0, 7.0, 90.0, 200.0])
@pytest.mark.parametrize("scale", [2.0, 2.9, 5.3, 11.25])
def test_crop_when_shrinking_does_not_alias(scale: float, degrees: float) -> None:
    """The finest pattern becomes an even grey, turned or not."""
    board = (np.indices((400, 400)).sum(axis=0) % 2 * 255).astype(np.uint8)
    affine = similarity(scale, degrees, 0, 0)
    middle = affine[:, :2] @ np.array([9.5, 9.5], np.float32)
    affine[:, 2] = 199.5 - middle
    part = crop(board, PixelFormat.GREY8, affine, (20, 20), 1)
    assert part.min() >= 100
    assert part.max() <= 155


@settings(deadline=None)
@given(
    scale=st.floats(0.2, 9),
    degrees=st.floats(-180, 180),
    x=st.floats(40, 210),
    y=st.floats(40, 210),
)
def test_crop_samples_where_the_map_says(
    scale: float, degrees: float, x: float, y: float
) -> None:
    """A picture whose value is its column shows where each pixel was read."""
    ramp = np.tile(np.arange(250, dtype=np.uint8), (250, 1))
    size = 9, 7
    affine = similarity(scale, degrees, 0, 0)
    affine[:, 2] = np.array([x, y]) - affine[:, :2] @ np.array([4, 3])
    part = crop(ramp, PixelFormat.GREY8, affine, size, 1)
    columns, rows = np.meshgrid(np.arange(9), np.arange(7))
    read_x, read_y = np.moveaxis(
        affine @ np.stack([columns, rows, np.ones_like(rows)]).reshape(3, -1), 0, 0
    ).reshape(2, 7, 9)
    # Averages of edge pixels are off by what they lack.
    inside = np.full((7, 9), fill_value=True)
    for values in (read_x, read_y):
        inside &= (values > 1.5 * scale) & (values < 249 - 1.5 * scale)
    assert np.abs(part - read_x)[inside].max(initial=0) <= RAMP_LEVELS


def test_crop_of_nv12_rows_with_padding_is_the_same() -> None:
    """Rows that are longer in memory than the picture is wide change nothing."""
    packed = nv12(scene())
    padded = np.zeros((len(packed), WIDTH + 32), np.uint8)
    padded[:, :WIDTH] = packed
    affine = similarity(1.3, 5, 3, 4)
    expected = crop(packed, PixelFormat.NV12, affine, (20, 20), 3)
    part = crop(padded[:, :WIDTH], PixelFormat.NV12, affine, (20, 20), 3)
    assert np.array_equal(part, expected)


@pytest.mark.parametrize(
    ("affine", "size", "channels", "named"),
    [
        (SAME, (8, 8), 2, "channels"),
        (SAME, (0, 8), 1, "size"),
        (SAME * np.float32(np.nan), (8, 8), 1, "finite"),
    ],
)
def test_crop_refuses_what_cannot_work(
    affine: NDArray[np.float32], size: tuple[int, int], channels: int, named: str
) -> None:
    """Wrong channels, sizes and maps are refused in one line."""
    with pytest.raises(UsageError, match=named) as caught:
        crop(coded(PixelFormat.BGR), PixelFormat.BGR, affine, size, channels)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_check_pixels_takes_its_format(pixel_format: PixelFormat) -> None:
    """A picture of the format passes, and its height is known."""
    picture = coded(pixel_format)
    check_pixels(picture, pixel_format)
    assert picture_height(picture, pixel_format) == HEIGHT


@pytest.mark.parametrize(
    ("picture", "pixel_format"),
    [
        (np.zeros((4, 4), np.uint8), PixelFormat.BGR),
        (np.zeros((4, 4, 4), np.uint8), PixelFormat.RGB),
        (np.zeros((4, 4, 3), np.float32), PixelFormat.RGB),
        (np.zeros((0, 4, 3), np.uint8), PixelFormat.BGR),
        (np.zeros((4, 4, 3), np.uint8), PixelFormat.GREY8),
        (np.zeros((4, 4), np.uint8), PixelFormat.GREY16),
        (np.zeros((5, 4), np.uint8), PixelFormat.NV12),
        (np.zeros((6, 3), np.uint8), PixelFormat.NV12),
        (np.zeros((), np.uint8), PixelFormat.GREY8),
    ],
)
def test_check_pixels_refuses_others(
    picture: NDArray[Any], pixel_format: PixelFormat
) -> None:
    """What is no picture of the format is refused in one line that names it."""
    with pytest.raises(UsageError, match=f"for {pixel_format.value}$"):
        check_pixels(picture, pixel_format)
