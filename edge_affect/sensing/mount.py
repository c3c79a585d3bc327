"""Turn frames upright as the camera's mount says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.config import CameraMount
from edge_affect.pixels import PixelFormat, picture_height
from edge_affect.types import Frame


def upright(frame: Frame, mount: CameraMount) -> Frame:
    """Return ``frame`` as a driver facing the camera would look; itself if it does.

    A turned or mirrored mount costs one copy of the frame.
    """
    if not mount.rotate and not mount.mirrored:
        return frame
    if frame.pixel_format is not PixelFormat.NV12:
        return replace(frame, data=_turn(frame.data, mount))
    rows = picture_height(frame.data, frame.pixel_format)
    luma = _turn(frame.data[:rows], mount)
    chroma = _turn(frame.data[rows:].reshape(rows // 2, -1, 2), mount)
    flat = chroma.reshape(-1, luma.shape[1])
    return replace(frame, data=np.concatenate([luma, flat]))


def _turn(plane: NDArray[Any], mount: CameraMount) -> NDArray[Any]:
    turned = np.rot90(plane, k=-(mount.rotate // 90))
    if mount.mirrored:
        turned = turned[:, ::-1]
    return np.ascontiguousarray(turned)
