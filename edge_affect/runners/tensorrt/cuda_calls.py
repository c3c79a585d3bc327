"""The calls of pycuda and of cuda-python that are used."""
# ruff: noqa: D102, N802, N803 - the names are theirs, and so is what they do

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class DeviceAllocation(Protocol):
    """Device memory; freed when nothing holds it or when told."""

    def __int__(self) -> int: ...

    def free(self) -> None: ...


class Stream(Protocol):
    """A CUDA stream."""

    @property
    def handle(self) -> int: ...

    def synchronize(self) -> None: ...


class Context(Protocol):
    """A CUDA context; current for the thread that pushed it."""

    def push(self) -> None: ...


class ContextClass(Protocol):
    """``pycuda.driver.Context`` itself."""

    def pop(self) -> None: ...


class Device(Protocol):
    """A GPU."""

    def retain_primary_context(self) -> Context: ...


_Stream = Stream
"""By another name where ``Stream`` is the module's constructor."""


class Driver(Protocol):
    """The module ``pycuda.driver``."""

    def __hash__(self) -> int: ...

    @property
    def Context(self) -> ContextClass: ...

    def init(self) -> None: ...

    def Device(self, number: int) -> Device: ...

    def Stream(self, flags: int) -> Stream: ...

    def mem_alloc(self, size_bytes: int, /) -> DeviceAllocation: ...

    def pagelocked_empty(self, shape: int, dtype: Any) -> NDArray[np.uint8]: ...

    def memset_d8_async(
        self, dest: int, data: int, size: int, stream: _Stream
    ) -> None: ...

    def memcpy_htod_async(
        self, dest: int, src: NDArray[Any], stream: _Stream
    ) -> None: ...

    def memcpy_dtoh_async(
        self, dest: NDArray[Any], src: int, stream: _Stream
    ) -> None: ...


class CaptureMode(Protocol):
    """``cudaStreamCaptureMode``."""

    @property
    def cudaStreamCaptureModeThreadLocal(self) -> object: ...


class CudaRuntime(Protocol):
    """The module ``cuda.bindings.runtime``; each call gives its error code first."""

    @property
    def cudaStreamCaptureMode(self) -> CaptureMode: ...

    def cudaRuntimeGetVersion(self) -> tuple[Any, int]: ...

    def cudaStreamBeginCapture(self, stream: int, mode: object) -> tuple[Any]: ...

    def cudaStreamEndCapture(self, stream: int) -> tuple[Any, object]: ...

    def cudaGraphInstantiate(self, graph: object, flags: int) -> tuple[Any, object]: ...

    def cudaGraphDestroy(self, graph: object) -> tuple[Any]: ...

    def cudaGraphLaunch(self, graphExec: object, stream: int) -> tuple[Any]: ...

    def cudaGraphExecDestroy(self, graphExec: object) -> tuple[Any]: ...
