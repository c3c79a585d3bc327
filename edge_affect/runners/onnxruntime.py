"""Run graphs by ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edge_affect.errors import RunnerError
from edge_affect.runners.base import (
    GraphFile,
    Link,
    Runner,
    Signature,
    Stepped,
    StreamState,
    Tensors,
    next_name,
    signature_of,
)

if TYPE_CHECKING:
    import onnxruntime

PROVIDER = "CPUExecutionProvider"
_FLOAT32 = "tensor(float)"
_SILENT = 4
"""Log severity "fatal": what fails is raised, so ONNX Runtime need not print it."""


class OnnxRunner(Runner):
    """Graphs as ONNX Runtime sessions; their state stays in host memory.

    Safe to step from several threads as long as each uses its own ``StreamState``.
    """

    def __init__(
        self, graphs: list[GraphFile], threads: int = 1, links: Sequence[Link] = ()
    ) -> None:
        """Load ``graphs``, each run by ``threads`` threads.

        Raises:
            RunnerError: A graph cannot be loaded, another provider than the CPU's
                would run it, or it breaks the contract: float32 tensors of fixed
                shape, every ``state_…`` with its ``next_state_…``.
        """
        names = [graph.name for graph in graphs]
        if not names or len(set(names)) != len(names) or threads < 1:
            raise RunnerError(
                f"onnxruntime: got the graphs {names} and {threads} threads, expected "
                "different graphs and at least one thread"
            )
        sessions = {graph.name: open_session(graph, threads) for graph in graphs}
        signatures = {n: _signature(n, session) for n, session in sessions.items()}
        super().__init__(signatures, links)
        self._sessions = sessions
        self._running: dict[int, onnxruntime.RunOptions] = {}
        """Options of each run that goes on now, by its stream's state."""
        self._results = {
            name: (*signature.outputs, *map(next_name, signature.state))
            for name, signature in signatures.items()
        }

    @property
    def backend(self) -> str:
        """Name of the backend."""
        return "onnxruntime"

    @property
    def provider(self) -> str:
        """The provider that really runs the graphs; checked at the start."""
        return PROVIDER

    def interrupt(self, state: StreamState) -> None:
        """Make the graph that runs on ``state`` now fail before its next node."""
        running = self._running.get(id(state))
        if running is not None:
            running.terminate = True

    def close(self) -> None:
        """Release the graphs; idempotent."""
        self._sessions = {}

    def _step(self, state: StreamState, which: str, inputs: Tensors) -> Stepped:
        session = self._sessions.get(which)
        if session is None:
            raise RunnerError(f"{which}: the runner was closed; make a new one")
        names = self._results[which]
        feed = {**inputs, **state.tensors[which]}
        options = self._running[id(state)] = _run_options()
        try:
            values = session.run(names, feed, options)
        except Exception as error:
            # ONNX Runtime's errors share no base class.
            raise RunnerError(f"{which}: {one_line(error)}") from error
        finally:
            del self._running[id(state)]
        results = dict(zip(names, values, strict=True))
        next_state = {
            name: results.pop(next_name(name)) for name in self._signatures[which].state
        }
        return results, next_state


def open_session(graph: GraphFile, threads: int) -> onnxruntime.InferenceSession:
    """Load ``graph`` for ``threads`` threads of the CPU.

    Raises:
        RunnerError: It cannot be loaded, or something else than the CPU would run it.
    """
    import onnxruntime as ort

    ort.set_default_logger_severity(_SILENT)
    options = ort.SessionOptions()
    options.log_severity_level = _SILENT
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Bytes that were scanned as ONNX must not be read as ORT's own format.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    if threads > 1:
        # Spinning burns the cores that a paced stream leaves idle between frames.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(graph.content, options, providers=[PROVIDER])
    except Exception as error:
        # Damaged files raise anything, UnicodeDecodeError included.
        raise RunnerError(
            f"{graph.name}: ONNX Runtime cannot load the graph ({one_line(error)})"
        ) from error
    providers = session.get_providers()
    if providers != [PROVIDER]:
        raise RunnerError(
            f"{graph.name}: got the providers {', '.join(providers)}, "
            f"expected {PROVIDER} alone"
        )
    return session


def _run_options() -> onnxruntime.RunOptions:
    import onnxruntime as ort

    options = ort.RunOptions()
    options.log_severity_level = _SILENT
    return options


def _signature(graph: str, session: onnxruntime.InferenceSession) -> Signature:
    inputs = {arg.name: _shape(graph, arg) for arg in session.get_inputs()}
    outputs = {arg.name: _shape(graph, arg) for arg in session.get_outputs()}
    return signature_of(graph, inputs, outputs)


def _shape(graph: str, arg: Any) -> tuple[int, ...]:
    fixed = all(isinstance(size, int) and size > 0 for size in arg.shape)
    if arg.type != _FLOAT32 or not fixed:
        raise RunnerError(
            f"{graph}: tensor {arg.name!r}: got {arg.type} {arg.shape}, "
            f"expected {_FLOAT32} of fixed shape"
        )
    return tuple(arg.shape)


def one_line(error: Exception) -> str:
    """Return the first line of what ONNX Runtime says."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:300]
