from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from edge_affect.errors import MissingDependencyError, RunnerError
from edge_affect.runners.tensorrt.libraries import open_libraries
from tests.fakes.nvidia.cuda import make_cuda_runtime
from tests.fakes.nvidia.gpu import GPU
from tests.fakes.nvidia.install import install


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "10.3")


def _hide(monkeypatch: pytest.MonkeyPatch, names: Sequence[str]) -> None:
    """Let ``import`` not find modules, as on a machine without them."""
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    # Nothing of the site either: a real one may be installed here.
    monkeypatch.setattr(sys, "path", [])


def test_libraries_open_what_there_is() -> None:
    """With everything there, graphs can be captured."""
    found = open_libraries()
    assert found.tensorrt.__version__ == "10.3.0"
    assert found.gpu.name == GPU.name
    assert found.graphs is not None


def test_libraries_touch_nothing_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe comes first: not even the import of TensorRT is tried without a GPU."""
    GPU.present = False

    def imported(name: str) -> None:
        raise AssertionError(f"{name} was imported")

    monkeypatch.setattr(importlib, "import_module", imported)
    with pytest.raises(RunnerError, match="no NVIDIA driver was found"):
        open_libraries()


@pytest.mark.parametrize(
    ("hidden", "reason"),
    [
        (["tensorrt"], "no Python package 'tensorrt' was found .*JetPack"),
        (["pycuda", "pycuda.driver"], r"no Python package 'pycuda'.*\[jetson\]"),
    ],
)
def test_libraries_name_the_package_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, hidden: list[str], reason: str
) -> None:
    """One line says which package, and where it comes from."""
    _hide(monkeypatch, hidden)
    with pytest.raises(MissingDependencyError, match=reason) as caught:
        open_libraries()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "raise ImportError('libnvinfer.so.10: cannot open shared object file')",
        "import a_package_that_it_needs",
    ],
)
def test_libraries_tell_a_broken_install_from_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str
) -> None:
    """A TensorRT whose libraries are missing is not said to be absent."""
    (tmp_path / "tensorrt.py").write_text(line)
    monkeypatch.delitem(sys.modules, "tensorrt")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(MissingDependencyError, match="'tensorrt' cannot be imported"):
        open_libraries()


def test_libraries_go_without_graphs_where_cuda_python_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says so, and the rest runs."""
    _hide(monkeypatch, ["cuda", "cuda.bindings", "cuda.bindings.runtime"])
    found = open_libraries()
    assert found.graphs is None
    assert found.why_no_graphs == "cuda-python is not installed"


def test_libraries_find_the_older_layout_of_cuda_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before 12.6 the calls are in ``cuda.cudart``."""
    _hide(monkeypatch, ["cuda.bindings", "cuda.bindings.runtime"])
    monkeypatch.setitem(sys.modules, "cuda", ModuleType("cuda"))
    monkeypatch.setitem(sys.modules, "cuda.cudart", make_cuda_runtime(12_020))
    assert open_libraries().graphs is not None


def test_libraries_refuse_a_cuda_python_newer_than_the_driver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its calls would all fail: it says which one to install."""
    newer = make_cuda_runtime(13_000)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", newer)
    found = open_libraries()
    assert found.graphs is None
    assert "for CUDA 13, the driver for 12" in found.why_no_graphs
    assert "cuda-python==12.*" in found.why_no_graphs


def test_libraries_go_without_graphs_where_cuda_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A CUDA runtime that does not even know its version captures nothing."""
    broken = make_cuda_runtime(12_000)
    monkeypatch.setattr(broken, "cudaRuntimeGetVersion", lambda: (35, None))
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", broken)
    found = open_libraries()
    assert found.graphs is None
    assert found.why_no_graphs == "cudaRuntimeGetVersion: CUDA returned 35"
