"""An engine in device memory, with the tensors that it reads and writes."""

from __future__ import annotations

from dataclasses import dataclass

from edge_affect.errors import RunnerError
from edge_affect.runners.base import Signature, signature_of
from edge_affect.runners.tensorrt.calls import (
    ICudaEngine,
    IExecutionContext,
    Runtime,
    TensorRT,
    shape_of,
)


class EngineRefusedError(RunnerError):
    """TensorRT does not take an engine: it was built for something else."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One graph, as TensorRT runs it; shared by streams."""

    name: str
    """The graph's."""
    plan: ICudaEngine
    """What TensorRT loaded."""
    signature: Signature
    """Its tensors."""

    def new_context(self) -> IExecutionContext:
        """Return what runs the engine, with memory of its own.

        Raises:
            RunnerError: There is no memory for it.
        """
        context = self.plan.create_execution_context()
        if context is None:
            raise RunnerError(
                f"{self.name}: TensorRT made no execution context; is the GPU's "
                "memory full?"
            )
        return context


def load_engine(
    tensorrt: TensorRT, runtime: Runtime, name: str, content: bytes
) -> Engine:
    """Load one engine.

    Args:
        tensorrt: The module.
        runtime: TensorRT's runtime, which must outlive the engine.
        name: The graph's.
        content: The engine; its tag was checked on these very bytes.

    Raises:
        EngineRefusedError: TensorRT does not take it.
        RunnerError: Its tensors break the graphs' contract.
    """
    plan = runtime.deserialize_cuda_engine(content)
    if plan is None:
        raise EngineRefusedError(
            f"{name}: TensorRT does not take the engine (deserialize_cuda_engine gave "
            "None); expected one that was built here, by this TensorRT"
        )
    return Engine(name, plan, _signature(tensorrt, name, plan))


def _signature(tensorrt: TensorRT, graph: str, plan: ICudaEngine) -> Signature:
    inputs: dict[str, tuple[int, ...]] = {}
    outputs: dict[str, tuple[int, ...]] = {}
    for index in range(plan.num_io_tensors):
        name = plan.get_tensor_name(index)
        is_input = plan.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT
        shape = shape_of(plan.get_tensor_shape(name))
        of_float = plan.get_tensor_dtype(name) == tensorrt.DataType.FLOAT
        if not of_float or any(size < 1 for size in shape):
            raise RunnerError(
                f"{graph}: tensor {name!r}: got {plan.get_tensor_dtype(name)} {shape}, "
                "expected float32 of fixed shape"
            )
        (inputs if is_input else outputs)[name] = shape
    return signature_of(graph, inputs, outputs)
