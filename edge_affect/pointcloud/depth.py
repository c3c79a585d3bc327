"""A cloud from a depth camera's picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import UsageError


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """How a depth camera without distortion sees; all in pixels."""

    fx: float
    """Focal length across."""
    fy: float
    """Focal length down."""
    cx: float
    """Column of the optical axis."""
    cy: float
    """Row of the optical axis."""

    def __post_init__(self) -> None:
        """Check that it sees.

        Raises:
            UsageError: A focal length is not above 0, or a number not finite.
        """
        values = np.array([self.fx, self.fy, self.cx, self.cy], float)
        if not (np.isfinite(values).all() and min(self.fx, self.fy) > 0):
            raise UsageError(
                f"intrinsics: got {self}, expected finite numbers and focal lengths "
                "above 0"
            )


def depth_to_cloud(
    depth: NDArray[Any], intrinsics: Intrinsics, *, furthest_m: float = 10.0
) -> NDArray[np.float32]:
    """Return a point for each pixel that has a depth.

    The pinhole model: x = (column - cx) · z / fx, y = (row - cy) · z / fy.

    Args:
        depth: ``(H, W)``: uint16 in mm, 0 where nothing was measured, or floating in m,
            where 0, NaN and infinity say so.
        intrinsics: Of the camera that took it.
        furthest_m: Depths beyond are left out, m.

    Returns:
        ``(n, 3)`` float32, m: x to the right, y down, z away from the camera.

    Raises:
        UsageError: ``depth`` has another form or type.
    """
    if depth.ndim != 2 or not (depth.dtype == np.uint16 or depth.dtype.kind == "f"):
        raise UsageError(
            f"depth: got {depth.dtype} {depth.shape}, expected uint16 in mm or "
            "floating in m, (H, W)"
        )
    z = depth.astype(np.float64) * (1e-3 if depth.dtype == np.uint16 else 1.0)
    with np.errstate(invalid="ignore"):
        rows, columns = np.nonzero((z > 0) & (z <= furthest_m))
    far = z[rows, columns]
    x = (columns - intrinsics.cx) * far / intrinsics.fx
    y = (rows - intrinsics.cy) * far / intrinsics.fy
    return np.stack([x, y, far], axis=1).astype(np.float32)
