"""Clouds whose surface is known, and a bundle whose network is arithmetic."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

BATCH, NEIGHBOURS = 4, 10


def sphere(count: int, seed: int = 0) -> NDArray[np.float64]:
    """Return ``(count, 3)`` points of the unit sphere, anywhere on it."""
    points = np.random.default_rng(seed).normal(size=(count, 3))
    unit: NDArray[np.float64] = points / np.linalg.norm(points, axis=1, keepdims=True)
    return unit


def midpoint_graph(batch: int = BATCH, neighbours: int = NEIGHBOURS) -> bytes:
    """Return a graph that gives each point and three mid-points with its neighbours."""
    onnx = pytest.importorskip("onnx")
    make, kinds = onnx.helper, onnx.TensorProto

    def constant(name: str, values: list[int]) -> Any:
        return make.make_tensor(name, kinds.INT64, [len(values)], values)

    nodes = [
        make.make_node("Slice", ["neighbours", "from", "to", "axis"], ["three"]),
        make.make_node("Unsqueeze", ["three", "last"], ["rows"]),
        make.make_node("GatherND", ["points", "rows"], ["near"], batch_dims=1),
        make.make_node("Unsqueeze", ["points", "axis"], ["own"]),
        make.make_node("Add", ["near", "own"], ["sum"]),
        make.make_node("Mul", ["sum", "half"], ["middles"]),
        make.make_node("Concat", ["own", "middles"], ["four"], axis=2),
        make.make_node("Reshape", ["four", "form"], ["dense"]),
    ]
    constants = [
        *(constant("from", [0]), constant("to", [3]), constant("axis", [2])),
        *(constant("last", [3]), constant("form", [batch, 1024, 3])),
        make.make_tensor("half", kinds.FLOAT, [], [0.5]),
    ]
    graph = make.make_graph(
        nodes,
        "midpoints",
        [
            make.make_tensor_value_info("points", kinds.FLOAT, [batch, 256, 3]),
            make.make_tensor_value_info(
                "neighbours", kinds.INT64, [batch, 256, neighbours]
            ),
        ],
        [make.make_tensor_value_info("dense", kinds.FLOAT, [batch, 1024, 3])],
        constants,
    )
    opset = [make.make_opsetid("", 17)]
    model = make.make_model(graph, opset_imports=opset, ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def cloud_bundle(
    folder: Path,
    graph: bytes | None = None,
    changes: Mapping[str, object] | None = None,
) -> Path:
    """Write a bundle for point clouds; ``changes`` replace keys of its manifest."""
    content = midpoint_graph() if graph is None else graph
    file = {
        "file": "pointcloud.cpu-fp32.onnx",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    manifest = {
        "kind": "pointcloud",
        "schema": 1,
        "name": "midpoints",
        "version": "0.0.1",
        "licence": "Apache-2.0",
        "graphs": {"pointcloud": {"cpu-fp32": file}},
        "training": [],
        "figures": [],
        **(changes or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / str(file["file"])).write_bytes(content)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
