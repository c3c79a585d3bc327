"""Read affine crops of frames in any pixel format without converting them whole."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import UsageError

_BLACK_LUMA = 16
_GREY_CHROMA = 128
_YUV_TO_RGB = np.array(
    [[1.164, 0, 1.596], [1.164, -0.392, -0.813], [1.164, 2.017, 0]], np.float32
)
"""BT.601 with luma in 16-235, the usual coding of NV12 and what OpenCV assumes."""

_ROUND_UP = 0.1
"""Crops that shrink this little less than by a whole number count as if they did."""
_SAME = np.eye(2, 3, dtype=np.float32)


class PixelFormat(str, Enum):
    """Layout of a frame's pixels."""

    BGR = "bgr"
    RGB = "rgb"
    GREY8 = "grey8"
    GREY16 = "grey16"
    """White is 65535: sources of 10- to 14-bit sensors shift their values up."""
    NV12 = "nv12"
    """Luma plane, then Cb and Cr by turns at half size; BT.601, luma in 16-235."""


def check_pixels(data: NDArray[Any], pixel_format: PixelFormat) -> None:
    """Refuse an array that is not a picture of ``pixel_format``.

    Raises:
        UsageError: The dtype or the shape does not fit, or a side is 0.
    """
    dtype = np.uint16 if pixel_format is PixelFormat.GREY16 else np.uint8
    colour = pixel_format in (PixelFormat.BGR, PixelFormat.RGB)
    shape = data.shape
    fits = data.dtype == dtype and min(shape, default=0) > 0
    fits = fits and (shape[2:] == (3,) if colour else len(shape) == 2)
    if pixel_format is PixelFormat.NV12:
        fits = fits and shape[0] % 3 == 0 and shape[1] % 2 == 0
    if not fits:
        layout = {"nv12": "(H*3/2, W)"}.get(
            pixel_format.value, "(H, W, 3)" if colour else "(H, W)"
        )
        raise UsageError(
            f"picture: got {data.dtype} {shape}, expected {np.dtype(dtype)} {layout} "
            f"for {pixel_format.value}"
        )


def picture_height(data: NDArray[Any], pixel_format: PixelFormat) -> int:
    """Return the height in pixels of the picture that ``data`` holds."""
    rows = int(data.shape[0])
    return rows * 2 // 3 if pixel_format is PixelFormat.NV12 else rows


def crop(
    data: NDArray[Any],
    pixel_format: PixelFormat,
    affine: NDArray[np.float32],
    size: tuple[int, int],
    channels: int,
) -> NDArray[np.uint8]:
    """Read an affine crop; see ``Frame.crop``."""
    import cv2

    if channels not in (1, 3):
        raise UsageError(f"crop channels: got {channels}, expected 1 (luma) or 3 (RGB)")
    if min(size) < 1 or not np.isfinite(affine).all():
        raise UsageError(
            f"crop: got size {size} and map {affine.tolist()}, "
            "expected a size from 1 px and finite numbers"
        )
    if pixel_format is PixelFormat.NV12:
        return _crop_nv12(data, affine, size, channels)
    part = _warp(data, affine, size, border=0)
    if pixel_format is PixelFormat.GREY16:
        part = (part >> 8).astype(np.uint8)
    if part.ndim == 2:
        return part if channels == 1 else _bytes(cv2.cvtColor(part, cv2.COLOR_GRAY2RGB))
    if pixel_format is PixelFormat.RGB:
        return part if channels == 3 else _bytes(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY))
    code = cv2.COLOR_BGR2RGB if channels == 3 else cv2.COLOR_BGR2GRAY
    return _bytes(cv2.cvtColor(part, code))


def _crop_nv12(
    data: NDArray[np.uint8],
    affine: NDArray[np.float32],
    size: tuple[int, int],
    channels: int,
) -> NDArray[np.uint8]:
    import cv2

    height = picture_height(data, PixelFormat.NV12)
    luma = _warp(data[:height], affine, size, border=_BLACK_LUMA)
    if channels == 1:
        gain = float(_YUV_TO_RGB[0, 0])
        return _bytes(cv2.transform(luma, np.array([[gain, -gain * _BLACK_LUMA]])))
    pairs = data[height:].reshape(height // 2, -1, 2)
    half = (affine / 2).astype(np.float32)
    half[:, 2] -= 0.25  # a chroma sample sits between two luma samples
    chroma = _warp(pairs, half, size, border=_GREY_CHROMA)
    zero = np.array([_BLACK_LUMA, _GREY_CHROMA, _GREY_CHROMA], np.float32)
    to_rgb = np.column_stack([_YUV_TO_RGB, -_YUV_TO_RGB @ zero])
    return _bytes(cv2.transform(np.dstack([luma, chroma]), to_rgb))


def _warp(
    picture: NDArray[Any],
    affine: NDArray[np.float32],
    size: tuple[int, int],
    border: int,
) -> NDArray[Any]:
    """Return the crop of one plane, or of pixels of 2 or 3 values."""
    import cv2

    norms = (math.hypot(*row) for row in affine[:, :2].tolist())
    step_x, step_y = (int(norm + _ROUND_UP) for norm in norms)
    if max(step_x, step_y) > 1:
        picture, affine = _shrunk(
            picture, affine, size, (max(step_x, 1), max(step_y, 1))
        )
        if picture.shape[1::-1] == size and np.array_equal(affine, _SAME):
            return picture
    return np.asarray(
        cv2.warpAffine(
            picture,
            affine,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderValue=(border,) * 3,
        )
    )


def _shrunk(
    picture: NDArray[Any],
    affine: NDArray[np.float32],
    size: tuple[int, int],
    steps: tuple[int, int],
) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Average the part of ``picture`` that a crop covers, against aliasing.

    Returns:
        The part, ``steps`` times smaller in x and y, and the map from the crop to it.
    """
    import cv2

    width, height = size
    corners = affine @ np.array(
        [[-1, width, -1, width], [-1, -1, height, height], [1, 1, 1, 1]], np.float32
    )
    spans = [
        _span(row.min(), row.max(), step, limit)
        for row, step, limit in zip(corners, steps, picture.shape[1::-1], strict=True)
    ]
    (left, right), (top, bottom) = spans
    counts = [
        -(-(stop - start) // step)
        for (start, stop), step in zip(spans, steps, strict=True)
    ]
    part = cv2.resize(
        picture[top:bottom, left:right], counts, interpolation=cv2.INTER_AREA
    )
    starts = np.array([[left], [top]], np.float64)
    ratios = np.array([[right - left], [bottom - top]]) / np.reshape(counts, (2, 1))
    moved = affine.astype(np.float64)
    moved[:, 2:] += 0.5 - starts
    moved /= ratios
    moved[:, 2:] -= 0.5
    return np.asarray(part), moved.astype(np.float32)


def _span(low: float, high: float, step: int, limit: int) -> tuple[int, int]:
    """Return the pixels from ``low`` to ``high``, a multiple of ``step`` if it can be.

    Never empty: where the crop misses the picture, it is the picture's edge.
    """
    start = int(min(max(low, 0), limit - 1))
    stop = max(int(min(high + 1, limit)), start + 1)
    missing = -(stop - start) % step
    start = max(start - max(missing - (limit - stop), 0), 0)
    return start, min(stop + missing, limit)


def _bytes(array: Any) -> NDArray[np.uint8]:
    """Give a result of OpenCV its exact type."""
    return np.asarray(array, np.uint8)
