"""Run graphs by TensorRT, their state on the GPU."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import RunnerError
from edge_affect.runners.base import Link, Runner, Stepped, StreamState, Tensors
from edge_affect.runners.tensorrt.device import at_ease, gpu_errors, open_device
from edge_affect.runners.tensorrt.engine import Engine, load_engine
from edge_affect.runners.tensorrt.lane import CLOSED, Lane
from edge_affect.runners.tensorrt.libraries import Libraries, messages_of


@dataclass
class TensorRtState(StreamState):
    """The state of one stream: lanes on the GPU, taken when they are first needed."""

    lanes: dict[str, Lane] = field(default_factory=dict)
    """Graph → the lane that it is in."""


class TensorRtRunner(Runner):
    """Graphs as TensorRT engines; linked graphs are launched together.

    Safe to step from several threads as long as each uses its own ``StreamState``.
    What a stream had on the GPU goes to the next stream once its state is gone, so
    that only more streams at a time than ever before make a step allocate.
    """

    def __init__(
        self,
        engines: Mapping[str, bytes],
        libraries: Libraries,
        links: Sequence[Link] = (),
    ) -> None:
        """Load ``engines``.

        Args:
            engines: Graph → its engine, whose tag was checked on these very bytes, in
                the order in which the graphs are stepped.
            libraries: TensorRT and what goes with it; opened, so there is a GPU.
            links: Which outputs go from graph to graph without the host.

        Raises:
            EngineRefusedError: TensorRT does not take an engine.
            RunnerError: An engine breaks the graphs' contract.
        """
        if not engines:
            raise RunnerError("tensorrt: got no engines, expected at least one")
        tensorrt = libraries.tensorrt
        with gpu_errors("tensorrt"):
            self._device = open_device(libraries.driver)
            with self._device.current():
                runtime = tensorrt.Runtime(messages_of(tensorrt).logger)
                loaded = {
                    name: load_engine(tensorrt, runtime, name, content)
                    for name, content in engines.items()
                }
        super().__init__({n: e.signature for n, e in loaded.items()}, links)
        self._runtime = runtime
        self._engines = loaded
        self._libraries = libraries
        self._groups = _groups(list(loaded), self._links)
        self._lock = threading.Lock()
        self._lanes: list[Lane] = []
        self._idle: dict[tuple[str, ...], list[Lane]] = {}
        self._closed = False

    @property
    def backend(self) -> str:
        """Name of the backend."""
        return "tensorrt"

    @property
    def provider(self) -> str:
        """The provider that really runs the graphs, and whether by CUDA graphs."""
        found = self._libraries
        why = found.why_no_graphs
        if any(not lane.has_graphs for lane in self._lanes):
            why = why or "CUDA refused to capture"
        graphs = f"without CUDA graphs: {why}" if why else "with CUDA graphs"
        return f"TensorRT {found.tensorrt.__version__} on {found.gpu.name}, {graphs}"

    @property
    def launches_links(self) -> bool:
        """Whether there are linked graphs: they are one launch."""
        return bool(self._links)

    def new_state(self) -> TensorRtState:
        """Return the state of a stream that has seen nothing."""
        state = TensorRtState()
        # It may be let go of in any thread: then its lanes are only put aside.
        weakref.finalize(state, self._put_aside, state.lanes)
        return state

    def reset(self, state: StreamState, which: str) -> None:
        """Make graph ``which`` forget what it saw in ``state``."""
        if (lane := _lanes(state).get(which)) is not None:
            lane.reset(which)

    def export_state(
        self, state: StreamState, which: str
    ) -> dict[str, NDArray[np.float32]]:
        """Return a copy of what graph ``which`` remembers, by its ``state_…`` names."""
        return self._lane(state, which).export(which)

    def keep_warm(self, state: StreamState) -> None:
        """Run what ``state`` has on the GPU once; the results go to scratch memory."""
        for lane in dict.fromkeys(_lanes(state).values()):
            lane.keep_warm()

    def close(self) -> None:
        """Release the engines and all memory on the GPU; idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            lanes, self._lanes, self._idle = self._lanes, [], {}
        for lane in lanes:
            lane.close()
        with at_ease("the engines"), self._device.current():
            self._engines = {}
            del self._runtime

    def _step(self, state: StreamState, which: str, inputs: Tensors) -> Stepped:
        return self._steps(state, {which: inputs})[which]

    def _steps(
        self, state: StreamState, inputs: Mapping[str, Tensors]
    ) -> dict[str, Stepped]:
        done: dict[str, Stepped] = {}
        for group in self._groups:
            given = {name: inputs[name] for name in group if name in inputs}
            if given:
                done |= self._lane(state, next(iter(given))).step(given)
        return done

    def _commit(
        self, state: StreamState, which: str, next_state: dict[str, NDArray[np.float32]]
    ) -> None:
        del next_state  # it lies where the lane's last step wrote it
        _lanes(state)[which].commit(which)

    def _lane(self, state: StreamState, which: str) -> Lane:
        lanes = _lanes(state)
        if which not in lanes:
            group = next(group for group in self._groups if which in group)
            lane = self._take(group, which)
            lanes |= dict.fromkeys(group, lane)
        return lanes[which]

    def _take(self, group: tuple[str, ...], which: str) -> Lane:
        """Return a lane that no state has, with nothing remembered."""
        with self._lock:
            if self._closed:
                raise RunnerError(f"{which}: {CLOSED}")
            idle = self._idle.get(group)
            lane = idle.pop() if idle else None
            if lane is None:
                lane = self._new_lane(group)
                self._lanes.append(lane)
        lane.reset_all()
        return lane

    def _new_lane(self, group: tuple[str, ...]) -> Lane:
        engines: list[Engine] = [self._engines[name] for name in group]
        links = [link for link in self._links if link.sink in group]
        return Lane(self._device, engines, links, self._libraries.graphs)

    def _put_aside(self, lanes: dict[str, Lane]) -> None:
        for group in self._groups:
            if (lane := lanes.get(group[0])) is not None:
                self._idle.setdefault(group, []).append(lane)


def _lanes(state: StreamState) -> dict[str, Lane]:
    if not isinstance(state, TensorRtState):
        raise RunnerError(
            f"state: got one of {type(state).__name__}, expected one that this "
            "runner's new_state made"
        )
    return state.lanes


def _groups(graphs: Sequence[str], links: Sequence[Link]) -> list[tuple[str, ...]]:
    """Return the graphs that links connect, in their order; each graph is in one."""
    groups = {name: {name} for name in graphs}
    for link in links:
        joined = groups[link.source] | groups[link.sink]
        groups |= dict.fromkeys(joined, joined)
    ordered = (tuple(n for n in graphs if n in groups[name]) for name in graphs)
    return list(dict.fromkeys(ordered))
