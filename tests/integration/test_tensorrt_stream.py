"""A whole stream by TensorRT on the fake GPU: none of this was on a real one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_affect.affect_model import AffectModel
from edge_affect.realtime.stream import AffectStream
from edge_affect.sources.simulated import SimulatedSource
from edge_affect.types import Estimate
from tests.fakes.bundles import bundle_with
from tests.fakes.nvidia.gpu import GPU
from tests.fakes.nvidia.install import install


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a bundle with graphs for TensorRT."""
    return bundle_with(tmp_path / "bundle", ("trt-int8",))


def _estimates(model: AffectModel) -> Iterator[Estimate]:
    source = SimulatedSource(seed=3, duration_s=2.0, live=False)
    with AffectStream(source, purpose="research", model=model) as stream:
        yield from stream


def test_stream_by_tensorrt_is_the_stream_by_onnx_runtime(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """Estimate by estimate the same, with the state on the GPU; all of it is freed."""
    install(monkeypatch, "10.3")
    models = {
        backend: AffectModel.load(
            folder,
            purpose="research",
            backend=backend,
            target="trt-int8",
            allow_unsigned=True,
        )
        for backend in ("onnxruntime", "tensorrt")
    }
    before = GPU.launches
    runs = {backend: list(_estimates(model)) for backend, model in models.items()}
    assert models["tensorrt"].graphs.runner.backend == "tensorrt"
    assert len(runs["tensorrt"]) > 50
    assert any(estimate.valence is not None for estimate in runs["tensorrt"])
    for one, other in zip(runs["tensorrt"], runs["onnxruntime"], strict=True):
        assert replace(one, age_ms=0.0) == replace(other, age_ms=0.0)
    hops = 20
    # A launch of a CUDA graph for each cell and hop, and none besides; what is enqueued
    # without one is an execution.
    assert GPU.launches - before == len(runs["tensorrt"]) + hops
    models["tensorrt"].close()
    assert GPU.allocations == 0
