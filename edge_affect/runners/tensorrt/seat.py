"""One graph's place in a lane: fixed tensors, and its state in two buffers."""

from __future__ import annotations

from collections.abc import Mapping

from edge_affect.errors import RunnerError
from edge_affect.runners.base import next_name
from edge_affect.runners.tensorrt.calls import IExecutionContext
from edge_affect.runners.tensorrt.device import Arena, Device, at_ease
from edge_affect.runners.tensorrt.engine import Engine


class Seat:
    """A graph's tensors on the GPU, its state in two buffers, A and B."""

    def __init__(
        self, engine: Engine, device: Device, linked: Mapping[str, int]
    ) -> None:
        """Make the buffers and what runs on them.

        Args:
            engine: The graph's.
            device: The GPU; current.
            linked: Input that a link fills → address of the output that fills it.
        """
        signature = engine.signature
        own = {n: shape for n, shape in signature.inputs.items() if n not in linked}
        self.signature = signature
        self.arenas: list[Arena] = []
        """All of its memory."""
        try:
            for shapes in (own, signature.outputs, signature.state, signature.state):
                self.arenas.append(device.new_arena(shapes))
        except BaseException:
            self._free()
            raise
        self.inputs, self.outputs, *self.state = self.arenas
        self.current = 0
        """Which of the two buffers holds the state."""
        fixed = {**self.inputs.addresses, **self.outputs.addresses, **linked}
        # A context for each direction: no address changes after it was captured.
        self.contexts: list[IExecutionContext] = []
        try:
            for before in (0, 1) if signature.state else (0,):
                places = {**fixed, **self._ways(before)}
                self.contexts.append(_addressed(engine, places))
        except BaseException:
            self.free()
            raise

    def _ways(self, before: int) -> dict[str, int]:
        """Return where the state is read and written while ``before`` holds it."""
        after = self.state[1 - before].addresses
        written = {next_name(name): place for name, place in after.items()}
        return {**self.state[before].addresses, **written}

    @property
    def next_state(self) -> Arena:
        """The buffer that a step writes: nothing is lost when it is thrown away."""
        return self.state[1 - self.current]

    @property
    def direction(self) -> int:
        """Which of the contexts runs the next step."""
        return self.current if len(self.contexts) > 1 else 0

    def free(self) -> None:
        """Free the memory, once nothing runs on it."""
        self.contexts = []
        self._free()

    def _free(self) -> None:
        for arena in self.arenas:
            with at_ease("memory"):
                arena.free()


def _addressed(engine: Engine, places: Mapping[str, int]) -> IExecutionContext:
    context = engine.new_context()
    for name, place in places.items():
        if not context.set_tensor_address(name, place):
            raise RunnerError(f"{engine.name}: TensorRT refused the tensor {name!r}")
    return context
