"""A GPU that computes on the host: memory behind addresses, streams that run late.

Whatever is given to a stream runs when the stream is synchronized, and not before: code
that reads too early reads what was there. All calls want a current context.
"""

from __future__ import annotations

import bisect
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Work = Callable[[], None]


class CudaError(Exception):
    """What pycuda raises."""


class Crash(BaseException):
    """Stands for the end of the process, which no code can catch."""


@dataclass
class Stream:
    """Work that waits, or a capture that takes it."""

    handle: int
    waiting: list[Work] = field(default_factory=list)
    captured: list[Work] | None = None
    capturing_thread: int = 0
    broken: str = ""

    def give(self, work: Work) -> None:
        (self.waiting if self.captured is None else self.captured).append(work)


class Gpu:
    """All state of the fake; one for each process."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.name = "Orin (fake)"
        self.present = True
        self.launches = 0
        self.executions = 0
        self.refuse_capture = False
        self.fail_copies = False
        self.room_bytes = 1 << 30
        self.allocs_left = 1 << 30
        self.refused = ""
        self.streams: dict[int, Stream] = {}
        self.streams_alive = 0
        self._memory: dict[int, NDArray[np.uint8]] = {}
        self._starts: list[int] = []
        self._handles = itertools.count(0x5000, 16)
        self._next = 0x7F00_0000_0000
        self._lock = threading.Lock()
        self._local = threading.local()

    # Contexts.

    def push(self) -> None:
        self._local.depth = self.depth + 1

    def pop(self) -> None:
        if self.depth == 0:
            raise CudaError("context stack is empty")
        self._local.depth = self.depth - 1

    @property
    def depth(self) -> int:
        depth: int = getattr(self._local, "depth", 0)
        return depth

    def check_current(self) -> None:
        if self.depth == 0:
            raise CudaError("invalid device context - no currently active context?")

    # Memory.

    def alloc(self, size: int) -> int:
        self.check_current()
        if threading.get_ident() in self._capturing():
            raise CudaError("operation not permitted when stream is capturing")
        self.allocs_left -= 1
        used = sum(map(len, self._memory.values()))
        if self.allocs_left < 0 or used + size > self.room_bytes:
            raise CudaError("cuMemAlloc failed: out of memory")
        with self._lock:
            start = self._next
            self._next += -(-size // 512) * 512 + 512
            # Not zeros: nobody may count on what fresh memory holds.
            self._memory[start] = np.full(size, 0xA5, np.uint8)
            bisect.insort(self._starts, start)
        return start

    def _capturing(self) -> set[int]:
        streams = self.streams.values()
        return {s.capturing_thread for s in streams if s.captured is not None}

    def free(self, start: int) -> None:
        self.check_current()
        with self._lock:
            if start not in self._memory:
                raise CudaError(f"invalid argument: {start:#x} was freed before")
            del self._memory[start]
            self._starts.remove(start)

    @property
    def allocations(self) -> int:
        return len(self._memory)

    def at(self, address: int, size: int) -> NDArray[np.uint8]:
        place = bisect.bisect_right(self._starts, address) - 1
        if place < 0:
            raise CudaError(f"an illegal memory access: {address:#x}")
        start = self._starts[place]
        memory = self._memory[start]
        if address - start + size > len(memory):
            raise CudaError(f"an illegal memory access: {address:#x}, {size} bytes")
        return memory[address - start : address - start + size]

    # Streams.

    def new_stream(self) -> Stream:
        self.check_current()
        stream = Stream(next(self._handles))
        self.streams[stream.handle] = stream
        return stream

    def stream(self, handle: int) -> Stream:
        self.check_current()
        if handle not in self.streams:
            raise CudaError(f"invalid resource handle: {handle:#x}")
        return self.streams[handle]

    def synchronize(self, stream: Stream) -> None:
        self.check_current()
        if stream.captured is not None:
            stream.broken = "cudaErrorStreamCaptureUnsupported"
            raise CudaError("operation not permitted when stream is capturing")
        waiting, stream.waiting = stream.waiting, []
        for work in waiting:
            work()


GPU = Gpu()
