"""Put the fake GPU's libraries where code under test, and its children, find them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from edge_affect.errors import RunnerError
from edge_affect.runners.tensorrt import builder, libraries
from edge_affect.runners.tensorrt.libraries import Libraries, open_libraries
from edge_affect.runners.tensorrt.probe import Gpu
from tests.fakes.nvidia.cuda import make_cuda_runtime, make_pycuda
from tests.fakes.nvidia.gpu import GPU
from tests.fakes.nvidia.tensorrt_api import VERSION_VARIABLE, make_tensorrt

ROOT = Path(__file__).resolve().parents[3]
SITE = Path(__file__).resolve().parent / "site"
CUDA_VERSION = 12_060
"""CUDA of the fake driver and of the fake cuda-python."""


def fake_probe() -> Gpu:
    """Find the fake GPU, if it is there."""
    if not GPU.present:
        raise RunnerError("no NVIDIA driver was found (libcuda.so.1 cannot be opened)")
    return Gpu(GPU.name, 16, CUDA_VERSION)


def install(monkeypatch: pytest.MonkeyPatch, version: str) -> Libraries:
    """Let this process and its children import the fakes; return them opened."""
    GPU.reset()
    driver, runtime = make_pycuda(), make_cuda_runtime(CUDA_VERSION)
    modules = {
        "tensorrt": make_tensorrt(version),
        "pycuda": ModuleType("pycuda"),
        "pycuda.driver": driver,
        "cuda": ModuleType("cuda"),
        "cuda.bindings": ModuleType("cuda.bindings"),
        "cuda.bindings.runtime": runtime,
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    path = os.pathsep.join([str(SITE), str(ROOT), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv(VERSION_VARIABLE, version)
    monkeypatch.setattr(libraries, "probe_gpu", fake_probe)
    return open_libraries()


def engine_of(found: Libraries, graph: bytes, target: str = "trt-fp16") -> bytes:
    """Build an engine in this process."""
    return builder.build_engine(found.tensorrt, graph, target, b"").engine
