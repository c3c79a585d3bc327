"""Look for an NVIDIA GPU through the driver alone, before TensorRT is touched.

TensorRT's ``Runtime`` ends the process where there is no driver, so it is never asked.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge_affect.errors import RunnerError

LIBRARY = "libcuda.so.1"
_MULTIPROCESSORS = 16
"""CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT of the driver's interface."""
_NAME_BYTES = 128


@dataclass(frozen=True, slots=True)
class Gpu:
    """The first GPU of this machine."""

    name: str
    """As the driver has it."""
    multiprocessors: int
    """How many streaming multiprocessors it has."""
    driver: int
    """Version of CUDA that the driver is for: 1000 · major + 10 · minor."""


def probe_gpu(open_library: Callable[[str], Any] = ctypes.CDLL) -> Gpu:
    """Return the first GPU.

    Args:
        open_library: Opens a shared library by its name.

    Raises:
        RunnerError: There is no driver or no GPU; one phrase that says which.
    """
    try:
        library = open_library(LIBRARY)
    except OSError as error:
        raise RunnerError(
            f"no NVIDIA driver was found ({LIBRARY} cannot be opened)"
        ) from error
    code = library.cuInit(0)
    if code:
        raise RunnerError(f"the NVIDIA driver found no GPU (cuInit returned {code})")
    if not _integer(library.cuDeviceGetCount):
        raise RunnerError("the NVIDIA driver found no GPU (it counts none)")
    device = _integer(library.cuDeviceGet, 0)
    name = ctypes.create_string_buffer(_NAME_BYTES)
    _check("cuDeviceGetName", library.cuDeviceGetName(name, _NAME_BYTES, device))
    return Gpu(
        name.value.decode("utf-8", "replace"),
        _integer(library.cuDeviceGetAttribute, _MULTIPROCESSORS, device),
        _integer(library.cuDriverGetVersion),
    )


def _integer(function: Any, *arguments: int) -> int:
    """Call one of the driver's functions that fill an integer."""
    value = ctypes.c_int(0)
    name = getattr(function, "__name__", "the NVIDIA driver")
    _check(name, function(ctypes.byref(value), *arguments))
    return value.value


def _check(name: str, code: int) -> None:
    if code:
        raise RunnerError(f"the NVIDIA driver does not work ({name} returned {code})")
