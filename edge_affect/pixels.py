"""Read affine crops of frames in any pixel format without converting them whole."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import UsageError

_REDUCE_FROM = 2.0
"""From this many frame pixels a crop pixel, averages are taken to avoid aliasing."""


class PixelFormat(str, Enum):
    """Layout of a frame's pixels."""

    BGR = "bgr"
    RGB = "rgb"
    GREY8 = "grey8"
    GREY16 = "grey16"
    NV12 = "nv12"


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
    if pixel_format is PixelFormat.NV12:
        return _crop_nv12(data, affine, size, channels)
    part = _warp(data, affine, size)
    if pixel_format is PixelFormat.GREY16:
        part = (part >> 8).astype(np.uint8)
    if part.ndim == 2:
        grey = channels == 1
        return part if grey else np.asarray(cv2.cvtColor(part, cv2.COLOR_GRAY2RGB))
    if channels == 3:
        return part if pixel_format is PixelFormat.RGB else part[:, :, ::-1]
    is_bgr = pixel_format is PixelFormat.BGR
    code = cv2.COLOR_BGR2GRAY if is_bgr else cv2.COLOR_RGB2GRAY
    return np.asarray(cv2.cvtColor(part, code), np.uint8)


def _warp(
    picture: NDArray[Any], affine: NDArray[np.float32], size: tuple[int, int]
) -> NDArray[Any]:
    import cv2

    scale = float(np.sqrt(abs(np.linalg.det(affine[:, :2].astype(np.float64)))))
    upright = affine[0, 1] == 0 and affine[1, 0] == 0
    if scale >= _REDUCE_FROM and upright:
        part = _averaged(picture, affine, size)
        if part is not None:
            return part
    if scale >= _REDUCE_FROM:
        # Make a crop as fine as the frame, then average it down.
        factor = int(scale)
        fine = affine.copy()
        fine[:, :2] /= factor
        fine[:, 2] -= affine[:, :2].sum(1) * (0.5 - 0.5 / factor)
        large = _warp(picture, fine, (size[0] * factor, size[1] * factor))
        return np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, affine, size, flags=flags))


def _averaged(
    picture: NDArray[Any], affine: NDArray[np.float32], size: tuple[int, int]
) -> NDArray[Any] | None:
    """Shrink the covered rectangle in one pass when it lies inside the picture."""
    import cv2

    corner = affine @ np.array([-0.5, -0.5, 1], np.float32) + 0.5
    left, top = (round(float(value)) for value in corner)
    width = round(float(affine[0, 0]) * size[0])
    height = round(float(affine[1, 1]) * size[1])
    rows, columns = picture.shape[:2]
    inside = left >= 0 and top >= 0 and left + width <= columns and top + height <= rows
    if not inside or width <= 0 or height <= 0:
        return None
    covered = picture[top : top + height, left : left + width]
    return np.asarray(cv2.resize(covered, size, interpolation=cv2.INTER_AREA))


def _crop_nv12(
    data: NDArray[Any], affine: NDArray[np.float32], size: tuple[int, int], channels: int
) -> NDArray[np.uint8]:
    import cv2

    height = picture_height(data, PixelFormat.NV12)
    luma = _warp(data[:height], affine, size)
    if channels == 1:
        return np.asarray(luma, np.uint8)
    chroma_plane = data[height:].reshape(height // 2, -1, 2)
    half = affine.copy()
    half /= 2
    half[:, 2] -= 0.25  # chroma samples sit between two luma samples
    chroma = _warp(chroma_plane, half, size)
    yuv = np.dstack([luma, chroma[:, :, 1], chroma[:, :, 0]])  # Y, Cr, Cb
    return np.asarray(cv2.cvtColor(yuv, cv2.COLOR_YCrCb2RGB), np.uint8)
