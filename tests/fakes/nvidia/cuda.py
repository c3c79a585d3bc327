"""The modules ``pycuda.driver`` and ``cuda.bindings.runtime`` over the fake GPU."""
# ruff: noqa: D103, N815 - names and meaning are pycuda's and CUDA's

from __future__ import annotations

import enum
import threading
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.nvidia.gpu import GPU, CudaError, Stream, Work


class Allocation:
    def __init__(self, size: int) -> None:
        self._start = GPU.alloc(size)
        self._freed = False

    def __int__(self) -> int:
        return self._start

    def free(self) -> None:
        GPU.free(self._start)


class FakeStream:
    def __init__(self, flags: int = 0) -> None:
        if flags != 1:
            raise CudaError("a blocking stream: the default stream breaks its capture")
        self._stream = GPU.new_stream()
        self.handle = self._stream.handle
        self._among = GPU.streams
        GPU.streams_alive += 1

    def __del__(self) -> None:
        # pycuda cannot destroy it elsewhere, and prints a warning.
        is_of_this_test = self._among is GPU.streams
        GPU.streams_alive -= bool(GPU.depth) and is_of_this_test

    def synchronize(self) -> None:
        GPU.synchronize(self._stream)


class Context:
    def push(self) -> None:
        GPU.push()

    @staticmethod
    def pop() -> None:
        GPU.pop()


class Device:
    def __init__(self, number: int) -> None:
        if number != 0 or not GPU.present:
            raise CudaError("invalid device ordinal")

    def retain_primary_context(self) -> Context:
        return Context()


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    if not array.flags.c_contiguous:
        raise CudaError("ndarray is not contiguous")
    return array.reshape(-1).view(np.uint8)


def memcpy_htod_async(dest: int, src: NDArray[Any], stream: FakeStream) -> None:
    if GPU.fail_copies:
        raise CudaError("cuMemcpyHtoDAsync failed: unspecified launch failure")
    host = _bytes(src)

    def copy() -> None:
        GPU.at(int(dest), len(host))[:] = host

    GPU.stream(stream.handle).give(copy)


def memcpy_dtoh_async(dest: NDArray[Any], src: int, stream: FakeStream) -> None:
    host = _bytes(dest)

    def copy() -> None:
        host[:] = GPU.at(int(src), len(host))

    GPU.stream(stream.handle).give(copy)


def memset_d8_async(dest: int, data: int, size: int, stream: FakeStream) -> None:
    def fill() -> None:
        GPU.at(int(dest), size)[:] = data

    GPU.stream(stream.handle).give(fill)


def pagelocked_empty(shape: int, dtype: Any) -> NDArray[Any]:
    GPU.check_current()
    array: NDArray[Any] = np.full(shape, 0x5A, dtype)
    return array


def make_pycuda() -> ModuleType:
    """Return a module ``pycuda.driver``."""
    module = ModuleType("pycuda.driver")
    vars(module).update(
        Context=Context,
        Device=Device,
        Stream=FakeStream,
        init=lambda: None,
        mem_alloc=Allocation,
        memcpy_dtoh_async=memcpy_dtoh_async,
        memcpy_htod_async=memcpy_htod_async,
        memset_d8_async=memset_d8_async,
        pagelocked_empty=pagelocked_empty,
    )
    return module


class Code(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorStreamCaptureUnsupported = 900
    cudaErrorStreamCaptureInvalidated = 901


class Mode(enum.IntEnum):
    cudaStreamCaptureModeGlobal = 0
    cudaStreamCaptureModeThreadLocal = 1
    cudaStreamCaptureModeRelaxed = 2


class Graph:
    def __init__(self, work: list[Work]) -> None:
        self.work = list(work)
        self.destroyed = False


def _begin(handle: int, mode: Mode) -> tuple[Code]:
    stream = _found(handle)
    if stream is None or stream.captured is not None or GPU.refuse_capture:
        return (Code.cudaErrorStreamCaptureUnsupported,)
    if mode is not Mode.cudaStreamCaptureModeThreadLocal:
        return (Code.cudaErrorInvalidValue,)
    stream.captured, stream.broken = [], ""
    stream.capturing_thread = threading.get_ident()
    return (Code.cudaSuccess,)


def _end(handle: int) -> tuple[Code, Graph | None]:
    stream = _found(handle)
    if stream is None or stream.captured is None:
        return Code.cudaErrorInvalidValue, None
    work, stream.captured = stream.captured, None
    if stream.broken:
        return Code.cudaErrorStreamCaptureInvalidated, None
    return Code.cudaSuccess, Graph(work)


def _instantiate(graph: Graph, flags: int) -> tuple[Code, Graph | None]:
    if graph.destroyed or flags:
        return Code.cudaErrorInvalidValue, None
    return Code.cudaSuccess, Graph(graph.work)


def _launch(graph: Graph, handle: int) -> tuple[Code]:
    stream = _found(handle)
    if graph.destroyed or stream is None:
        return (Code.cudaErrorInvalidValue,)
    GPU.launches += 1
    for work in graph.work:
        stream.give(work)
    return (Code.cudaSuccess,)


def _destroy(graph: Graph) -> tuple[Code]:
    graph.destroyed = True
    return (Code.cudaSuccess,)


def _found(handle: int) -> Stream | None:
    return None if handle == 0 else GPU.streams.get(handle)


def make_cuda_runtime(version: int) -> ModuleType:
    """Return a module ``cuda.bindings.runtime`` of CUDA ``version``."""
    module = ModuleType("cuda.bindings.runtime")
    vars(module).update(
        cudaGraphDestroy=_destroy,
        cudaGraphExecDestroy=_destroy,
        cudaGraphInstantiate=_instantiate,
        cudaGraphLaunch=_launch,
        cudaRuntimeGetVersion=lambda: (Code.cudaSuccess, version),
        cudaStreamBeginCapture=_begin,
        cudaStreamCaptureMode=Mode,
        cudaStreamEndCapture=_end,
    )
    return module
