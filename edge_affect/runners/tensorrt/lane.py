"""What one stream has on the GPU for graphs that are launched together."""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import RunnerError
from edge_affect.runners.base import Link, Stepped, Tensors
from edge_affect.runners.tensorrt.capture import CapturedGraph
from edge_affect.runners.tensorrt.cuda_calls import CudaRuntime
from edge_affect.runners.tensorrt.device import Device, at_ease, gpu_errors
from edge_affect.runners.tensorrt.engine import Engine
from edge_affect.runners.tensorrt.seat import Seat

_LOG = logging.getLogger(__name__)

CLOSED = "the runner was closed; make a new one"
Launch = tuple[tuple[str, ...], tuple[int, ...]]
"""Graphs that run together, and which of its two buffers each one's state is in."""


class Lane:
    """A CUDA stream with the seats of the graphs that links connect.

    Each is used by one stream of estimates at a time and handed on when that has ended.
    """

    def __init__(
        self,
        device: Device,
        engines: Sequence[Engine],
        links: Sequence[Link],
        calls: CudaRuntime | None,
    ) -> None:
        """Make the buffers, run everything once, capture it; reset it before use.

        Args:
            device: The GPU.
            engines: Of the graphs, in the order in which they are stepped.
            links: Links among them.
            calls: CUDA's runtime, to capture by; None: without CUDA graphs.

        Raises:
            RunnerError: The GPU has no memory for it, or TensorRT does not run.
        """
        self._device = device
        self._links = links
        self._lock = threading.Lock()
        self._closed = False
        self._seats: dict[str, Seat] = {}
        self._captured: dict[Launch, CapturedGraph] = {}
        with gpu_errors(engines[0].name), device.current():
            self._stream = device.new_stream()
            try:
                self._make(engines, calls)
            except BaseException:
                # Here, while the GPU is current: pycuda frees nothing later, and what
                # a device lacked memory for once would lack it for ever.
                self._free()
                raise

    def _make(self, engines: Sequence[Engine], calls: CudaRuntime | None) -> None:
        for engine in engines:
            places = self._places(engine)
            self._seats[engine.name] = Seat(engine, self._device, places)
        self._warm_up()
        if calls is not None:
            self._capture(calls)

    def _places(self, engine: Engine) -> dict[str, int]:
        """Return the inputs that links fill, and where their tensors lie."""
        return {
            link.input: self._seats[link.source].outputs.addresses[link.output]
            for link in self._links
            if link.sink == engine.name
        }

    def _warm_up(self) -> None:
        """Run every context once: what is captured must have run before."""
        for name, seat in self._seats.items():
            for arena in seat.arenas:
                arena.clear(self._stream)
            for before in range(len(seat.contexts)):
                self._enqueue(((name,), (before,)))
        self._stream.synchronize()

    def _launches(self) -> Iterator[Launch]:
        """Yield every graph by itself and all together, in every direction."""
        together = tuple(self._seats)
        for graphs in dict.fromkeys([*((name,) for name in together), together]):
            directions = [range(len(self._seats[name].contexts)) for name in graphs]
            for before in itertools.product(*directions):
                yield graphs, before

    def _capture(self, calls: CudaRuntime) -> None:
        try:
            with gpu_errors("CUDA graphs"):
                for launch in self._launches():
                    enqueue = partial(self._enqueue, launch)
                    captured = CapturedGraph(calls, self._stream, enqueue)
                    self._captured[launch] = captured
        except RunnerError as error:
            self._drop_captured()
            _LOG.warning("%s; runs without CUDA graphs, which is slower", error)

    def _enqueue(self, launch: Launch) -> None:
        for name, before in zip(*launch, strict=True):
            context = self._seats[name].contexts[before]
            if not context.execute_async_v3(self._stream.handle):
                raise RunnerError(f"{name}: TensorRT did not take the step")

    @property
    def has_graphs(self) -> bool:
        """Whether a step is one launch of a CUDA graph."""
        return bool(self._captured)

    def step(self, inputs: Mapping[str, Tensors]) -> dict[str, Stepped]:
        """Run graphs; their states stay as they were until ``commit``.

        Args:
            inputs: Graph → its inputs, those left out that a link fills.

        Raises:
            RunnerError: The GPU or TensorRT refused it, or the lane was closed.
        """
        with self._use(*inputs):
            for name, given in inputs.items():
                self._put(name, given)
            self._launch(tuple(inputs))
            for name in inputs:
                seat = self._seats[name]
                seat.outputs.download(self._stream)
                if seat.signature.state:
                    seat.next_state.download(self._stream)
            self._stream.synchronize()
            return {
                name: (seat.outputs.copies(), seat.next_state.copies())
                for name, seat in ((name, self._seats[name]) for name in inputs)
            }

    def _put(self, name: str, given: Tensors) -> None:
        seat = self._seats[name]
        for tensor, view in seat.inputs.views.items():
            view[...] = given[tensor]
        seat.inputs.upload(self._stream)
        for link in self._links:
            if link.sink == name and link.input in given:
                source = self._seats[link.source].outputs
                source.views[link.output][...] = given[link.input]
                source.upload_one(link.output, self._stream)

    def _launch(self, graphs: tuple[str, ...]) -> None:
        before = tuple(self._seats[name].direction for name in graphs)
        captured = self._captured.get((graphs, before))
        if captured is None:
            self._enqueue((graphs, before))
        else:
            captured.launch(self._stream)

    def commit(self, name: str) -> None:
        """Make what the last step wrote the state of graph ``name``."""
        seat = self._seats[name]
        seat.current = 1 - seat.current

    def keep_warm(self) -> None:
        """Run everything once on what is there and throw the results away.

        The next states go where a step would put them, which no state is in.
        """
        with self._use(*self._seats):
            self._launch(tuple(self._seats))
            self._stream.synchronize()

    def reset(self, name: str) -> None:
        """Make graph ``name`` forget; done before whatever is stepped next."""
        with self._use(name):
            self._clear(name)

    def reset_all(self) -> None:
        """Make every graph forget."""
        for name in self._seats:
            self.reset(name)

    def _clear(self, name: str) -> None:
        seat = self._seats[name]
        seat.state[seat.current].clear(self._stream)

    def export(self, name: str) -> dict[str, NDArray[np.float32]]:
        """Return a copy of what graph ``name`` remembers."""
        with self._use(name):
            state = self._seats[name].state[self._seats[name].current]
            state.download(self._stream)
            self._stream.synchronize()
            return state.copies()

    def close(self) -> None:
        """Free everything once no step runs; idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            with at_ease("the GPU"), self._device.current():
                self._free()

    def _free(self) -> None:
        """Let go of all that pycuda can free only while the GPU is current.

        What cannot be freed is left behind: a GPU that failed refuses everything.
        """
        with at_ease("the stream"):
            self._stream.synchronize()
        self._drop_captured()
        for name, seat in self._seats.items():
            with at_ease(name):
                seat.free()
        self._seats = {}
        del self._stream

    def _drop_captured(self) -> None:
        for captured in self._captured.values():
            with at_ease("a CUDA graph"):
                captured.destroy()
        self._captured = {}

    @contextlib.contextmanager
    def _use(self, *graphs: str) -> Iterator[None]:
        """Have the GPU to this thread; nobody else waits but who closes the runner."""
        with self._lock:
            if self._closed:
                raise RunnerError(f"{graphs[0]}: {CLOSED}")
            with gpu_errors(graphs[0]), self._device.current():
                yield
