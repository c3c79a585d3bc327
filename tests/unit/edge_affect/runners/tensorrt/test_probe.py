from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_affect.errors import RunnerError
from edge_affect.runners.tensorrt.probe import Gpu, probe_gpu

_DRIVER = """
#include <string.h>
int cuInit(unsigned flags) { return flags ? 1 : INIT; }
int cuDeviceGetCount(int *count) { *count = COUNT; return 0; }
int cuDeviceGet(int *device, int number) { *device = number + 7; return 0; }
int cuDeviceGetName(char *name, int size, int device) {
    strncpy(name, "Orin (nvgpu)", size); return device == 7 ? 0 : 1; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 16 ? 8 : 0; return device == 7 ? 0 : 1; }
int cuDriverGetVersion(int *version) { *version = 12060; return VERSION; }
"""


@pytest.fixture
def open_driver(tmp_path: Path) -> Callable[..., Callable[[str], Any]]:
    """Return what makes a libcuda.so.1 of C functions that answer as told."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")

    def make(init: int = 0, count: int = 1, version: int = 0) -> Callable[[str], Any]:
        (tmp_path / "driver.c").write_text(_DRIVER)
        answers = {"INIT": init, "COUNT": count, "VERSION": version}
        flags = [f"-D{name}={value}" for name, value in answers.items()]
        library = tmp_path / "libcuda.so.1"
        line = ["gcc", "-shared", "-fPIC", *flags, "-o", str(library)]
        subprocess.run([*line, str(tmp_path / "driver.c")], check=True)
        return lambda name: ctypes.CDLL(str(tmp_path / name))

    return make


def test_probe_reads_the_gpu_from_the_driver(
    open_driver: Callable[..., Callable[[str], Any]],
) -> None:
    """Name, multiprocessors and CUDA's version come through the C interface."""
    assert probe_gpu(open_driver()) == Gpu("Orin (nvgpu)", 8, 12060)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"init": 100}, r"found no GPU \(cuInit returned 100\)"),
        ({"count": 0}, "found no GPU"),
        ({"version": 3}, r"does not work \(cuDriverGetVersion returned 3\)"),
    ],
)
def test_probe_says_why_there_is_no_gpu(
    open_driver: Callable[..., Callable[[str], Any]],
    answers: dict[str, int],
    reason: str,
) -> None:
    """A driver without a GPU, or one that fails, is one phrase."""
    with pytest.raises(RunnerError, match=reason):
        probe_gpu(open_driver(**answers))


def test_probe_says_that_there_is_no_driver() -> None:
    """Without libcuda there is no GPU."""

    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    with pytest.raises(RunnerError, match=r"libcuda.* cannot be opened"):
        probe_gpu(missing)
