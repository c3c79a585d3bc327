"""Upsampler: a bundle's network over a cloud of any size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import BundleError, RunnerError, UsageError
from edge_affect.model.onnxscan import scan_graph
from edge_affect.model.verified import Trust, read_verified
from edge_affect.pointcloud.cloud import MAX_POINTS, Points, check_cloud
from edge_affect.pointcloud.manifest import CloudManifest, parse_manifest
from edge_affect.pointcloud.patches import PATCH_POINTS, RATIO, Rows, densify
from edge_affect.runners.base import GraphFile
from edge_affect.runners.onnxruntime import one_line, open_session

SHIPPED_BUNDLE = "pu-mfa-edge"
"""Name of the bundle that comes with edge_affect."""
TARGET = "cpu-fp32"
RATIOS = (RATIO, RATIO**2)
"""How many points may be made of one: sixteen are four, twice."""
_FLOATS, _WHOLE = "tensor(float)", "tensor(int64)"
_GRAPH = "pointcloud"


class Upsampler:
    """Makes a cloud four or sixteen times as dense, by PU-MFA (arXiv 2208.10968).

    The network looks at patches of 256 points and moves mid-points between neighbours
    onto the surface. What comes out turns, shifts and scales with what goes in, and
    does not depend on the order of the points. One thread may use it at a time.
    """

    def __init__(
        self,
        bundle: Path | str | None = None,
        *,
        allow_unsigned: bool = False,
        key: Path | None = None,
        threads: int = 2,
    ) -> None:
        """Load a bundle.

        Args:
            bundle: Its folder or archive; None for the shipped one.
            allow_unsigned: Whether one that did not come with edge_affect may run.
            key: Public key of whoever may sign bundles, a PEM file.
            threads: Batches of patches that are worked on at a time.

        Raises:
            BundleError: It is missing, damaged, not trusted, or no bundle for clouds.
            RunnerError: ONNX Runtime cannot run its graph.
        """
        found = read_verified(
            bundle, SHIPPED_BUNDLE, parse_manifest, Trust(allow_unsigned, key)
        )
        self.manifest: CloudManifest = found.manifest
        """What the bundle says of itself."""
        self.digest = found.digest
        """SHA-256 of its manifest, hex."""
        entry = self.manifest.targets.get(TARGET)
        if entry is None:
            raise BundleError(
                f"bundle {self.manifest.name}: got a graph for "
                f"{', '.join(self.manifest.targets)}, expected {TARGET}"
            )
        content = found.files[entry.file]
        scan_graph(content, entry.file)
        # A batch to each thread: within a graph this small two hardly help each other.
        self._session = open_session(GraphFile(_GRAPH, content), 1)
        self._threads = threads
        self._batch, self._neighbours = self._form()

    def _form(self) -> tuple[int, int]:
        """Return how many patches the graph takes, with how many neighbours."""
        inputs = {
            arg.name: (arg.type, *arg.shape) for arg in self._session.get_inputs()
        }
        outputs = {
            arg.name: (arg.type, *arg.shape) for arg in self._session.get_outputs()
        }
        points = inputs.get("points", ())
        near = inputs.get("neighbours", ())
        batch = points[1] if len(points) == 4 else None
        count = near[3] if len(near) == 4 else None
        fits = (
            isinstance(batch, int)
            and batch % 2 == 0  # each patch is taken twice
            and isinstance(count, int)
            and inputs
            == {
                "points": (_FLOATS, batch, PATCH_POINTS, 3),
                "neighbours": (_WHOLE, batch, PATCH_POINTS, count),
            }
            and outputs == {"dense": (_FLOATS, batch, PATCH_POINTS * RATIO, 3)}
        )
        if not fits:
            raise RunnerError(
                f"{_GRAPH}: got {inputs} to {outputs}, expected points (B, 256, 3) "
                "and neighbours (B, 256, k) to dense (B, 1024, 3), B even"
            )
        return int(batch or 0), int(count or 0)

    def upsample(
        self,
        cloud: NDArray[Any],
        ratio: int = RATIO,
        tell: Callable[[int, int], None] = lambda *_: None,
    ) -> NDArray[Any]:
        """Return a denser cloud.

        Points that stand twice count once.

        Args:
            cloud: ``(n, 3)``, 256 different points or more, in any unit.
            ratio: 4 or 16 points for one.
            tell: Told how many batches of patches are done, of how many, for each
                factor of 4.

        Returns:
            ``(ratio · n, 3)`` of float32, or of float64 if ``cloud`` is of it: a cloud
            far from its origin needs the bits. Fewer come of 16 where two of the first
            four points fall together.

        Raises:
            UsageError: The cloud or the ratio is none.
            RunnerError: The graph fails.
        """
        if ratio not in RATIOS:
            raise UsageError(f"ratio: got {ratio!r}, expected 4 or 16")
        points = check_cloud(cloud, PATCH_POINTS)
        if len(points) * ratio > MAX_POINTS:
            raise UsageError(
                f"cloud: {len(points)} points would become {len(points) * ratio}, "
                f"expected {MAX_POINTS} at most; cut it into parts"
            )
        dense: Points = points
        for _ in range(1 + RATIOS.index(ratio)):
            points = check_cloud(dense, PATCH_POINTS)
            form = self._batch, self._neighbours
            dense = densify(points, self._step, form, tell, self._threads)
        wide = np.asarray(cloud).dtype == np.float64
        return dense if wide else dense.astype(np.float32)

    def _step(
        self, points: NDArray[np.float32], neighbours: Rows
    ) -> NDArray[np.float32]:
        feed = {"points": points, "neighbours": neighbours}
        try:
            dense: NDArray[np.float32] = self._session.run(["dense"], feed)[0]
        except Exception as error:
            # ONNX Runtime's errors share no base class.
            raise RunnerError(f"{_GRAPH}: {one_line(error)}") from error
        if not np.isfinite(dense).all():
            raise RunnerError(f"{_GRAPH}: gave points that are not finite")
        return dense
