"""Memory and streams of the GPU, by pycuda."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import RunnerError
from edge_affect.runners.tensorrt.cuda_calls import Driver, Stream

_LOG = logging.getLogger(__name__)

ALIGNMENT = 256
"""Tensors begin at multiples of this, bytes: what TensorRT asks of an address."""
_NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING: work on the default stream neither waits for ours nor breaks
its capture."""


@contextlib.contextmanager
def gpu_errors(what: str) -> Iterator[None]:
    """Turn whatever the GPU's libraries raise into one line about ``what``.

    Raises:
        RunnerError: Something went wrong.
    """
    try:
        yield
    except RunnerError:
        raise
    except Exception as error:
        # pycuda's errors share no base class with TensorRT's, nor with CUDA's.
        line = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise RunnerError(f"{what}: the GPU failed ({line})") from error


@contextlib.contextmanager
def at_ease(what: str) -> Iterator[None]:
    """Let go of ``what`` even if the GPU's libraries raise: nothing else can be done.

    Closing must neither hide the error that led to it nor stop half-way.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - pycuda's errors share no base class
        _LOG.debug("%s was not freed: %s: %s", what, type(error).__name__, error)


class Device:
    """The first GPU's primary context: the one that CUDA's runtime works in too."""

    def __init__(self, driver: Driver) -> None:
        driver.init()
        self._driver = driver
        self._context = driver.Device(0).retain_primary_context()

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Make the GPU current for this thread."""
        self._context.push()
        try:
            yield
        finally:
            self._driver.Context.pop()

    def new_stream(self) -> Stream:
        """Return a stream of its own; never the default one, which cannot capture."""
        return self._driver.Stream(_NON_BLOCKING)

    def new_arena(self, shapes: Mapping[str, tuple[int, ...]]) -> Arena:
        """Return memory for tensors of ``shapes``, all zeros on the host."""
        return Arena(self._driver, shapes)


@functools.cache
def open_device(driver: Driver) -> Device:
    """Return the GPU; its context is held until the process ends.

    pycuda's ``detach`` of a primary context leaves it current for the thread that calls
    it, and does nothing in any other thread than the one that retained it.
    """
    return Device(driver)


class Arena:
    """Float32 tensors side by side on the device, with page-locked memory to match.

    One copy moves all of them. Every method wants the device to be current.
    """

    def __init__(self, driver: Driver, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._driver = driver
        places: dict[str, tuple[int, tuple[int, ...]]] = {}
        end = 0
        for name, shape in shapes.items():
            places[name] = (end, shape)
            size = int(np.prod(shape)) * np.dtype(np.float32).itemsize
            end += -(-size // ALIGNMENT) * ALIGNMENT
        self.size_bytes = end or ALIGNMENT
        """Length of the memory."""
        self._memory = driver.mem_alloc(self.size_bytes)
        try:
            self._host = driver.pagelocked_empty(self.size_bytes, np.uint8)
        except BaseException:
            self._memory.free()
            raise
        self._host[:] = 0
        base = int(self._memory)
        self.addresses = {name: base + start for name, (start, _) in places.items()}
        """Tensor → where it lies on the device."""
        self.views = {
            name: _view(self._host, start, shape)
            for name, (start, shape) in places.items()
        }
        """Tensor → its page-locked memory."""

    def upload(self, stream: Stream) -> None:
        """Copy all tensors from the host, in the stream's order."""
        self._driver.memcpy_htod_async(int(self._memory), self._host, stream)

    def upload_one(self, name: str, stream: Stream) -> None:
        """Copy one tensor from the host, in the stream's order."""
        address, view = self.addresses[name], self.views[name]
        self._driver.memcpy_htod_async(address, view, stream)

    def download(self, stream: Stream) -> None:
        """Copy all tensors to the host, in the stream's order."""
        self._driver.memcpy_dtoh_async(self._host, int(self._memory), stream)

    def clear(self, stream: Stream) -> None:
        """Fill the device's side with zeros, in the stream's order."""
        self._driver.memset_d8_async(int(self._memory), 0, self.size_bytes, stream)

    def copies(self) -> dict[str, NDArray[np.float32]]:
        """Return the host's side as new arrays."""
        return {name: view.copy() for name, view in self.views.items()}

    def free(self) -> None:
        """Free the device's side; the host's goes with its last view."""
        self._memory.free()


def _view(
    memory: NDArray[np.uint8], start: int, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    size = int(np.prod(shape)) * np.dtype(np.float32).itemsize
    return memory[start : start + size].view(np.float32).reshape(shape)
