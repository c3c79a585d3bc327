"""The calls of TensorRT that are used: those that all versions from 8.6 to 11 have.

Protocols are named as TensorRT's classes are. ``tests/data/tensorrt`` lists what each
version has, and a test holds these protocols against the lists. What only some have is
asked for with ``getattr`` and a default.
"""
# ruff: noqa: D102, FBT001, N802 - the names are TensorRT's, and so is what they do

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Dims(Protocol):
    """Sizes of a tensor."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> int: ...


class IHostMemory(Protocol):
    """Bytes that TensorRT owns; ``bytes`` copies them."""

    @property
    def nbytes(self) -> int: ...

    def __buffer__(self, flags: int, /) -> memoryview: ...


class ITimingCache(Protocol):
    """What was timed while engines were built."""

    def serialize(self) -> IHostMemory: ...


class INetworkDefinition(Protocol):
    """A graph as the parser read it."""

    @property
    def num_layers(self) -> int: ...


class ParserError(Protocol):
    """Why a graph was not read."""

    def desc(self) -> str: ...


class OnnxParser(Protocol):
    """Reads ONNX into a network."""

    @property
    def num_errors(self) -> int: ...

    def parse(self, model: bytes) -> bool: ...

    def get_error(self, index: int) -> ParserError: ...


class IBuilderConfig(Protocol):
    """How an engine is built."""

    max_aux_streams: int

    def set_flag(self, flag: object) -> None: ...

    def set_memory_pool_limit(self, pool: object, pool_size: int) -> None: ...

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache: ...

    def set_timing_cache(
        self, cache: ITimingCache, ignore_mismatch: bool, /
    ) -> bool: ...

    def get_timing_cache(self) -> ITimingCache | None: ...


class Builder(Protocol):
    """Builds engines; its constructor needs a GPU."""

    def create_network(self, flags: int) -> INetworkDefinition: ...

    def create_builder_config(self) -> IBuilderConfig: ...

    def build_serialized_network(
        self, network: INetworkDefinition, config: IBuilderConfig
    ) -> IHostMemory | None: ...


class IExecutionContext(Protocol):
    """Runs an engine on tensors at fixed addresses."""

    def set_tensor_address(self, name: str, memory: int) -> bool: ...

    def execute_async_v3(self, stream_handle: int) -> bool: ...


class ICudaEngine(Protocol):
    """A plan in device memory."""

    @property
    def num_io_tensors(self) -> int: ...

    def get_tensor_name(self, index: int) -> str: ...

    def get_tensor_mode(self, name: str) -> object: ...

    def get_tensor_shape(self, name: str) -> Dims: ...

    def get_tensor_dtype(self, name: str) -> object: ...

    def create_execution_context(self) -> IExecutionContext | None: ...


class Runtime(Protocol):
    """Loads engines; its constructor ends the process where there is no GPU."""

    def deserialize_cuda_engine(
        self, serialized_engine: bytes
    ) -> ICudaEngine | None: ...


class MemoryPoolType(Protocol):
    """Kinds of memory that a build may use."""

    @property
    def WORKSPACE(self) -> object: ...


class DataType(Protocol):
    """Types of a tensor's elements."""

    @property
    def FLOAT(self) -> object: ...


class TensorIOMode(Protocol):
    """Ways of a tensor."""

    @property
    def INPUT(self) -> object: ...


class NetworkDefinitionCreationFlag(Protocol):
    """How a network is read; which flags there are differs from version to version."""


class BuilderFlag(Protocol):
    """How an engine is built; which flags there are differs from version to version."""


class TensorRT(Protocol):
    """The module ``tensorrt``."""

    __version__: str

    def __hash__(self) -> int: ...

    @property
    def MemoryPoolType(self) -> MemoryPoolType: ...

    @property
    def DataType(self) -> DataType: ...

    @property
    def TensorIOMode(self) -> TensorIOMode: ...

    @property
    def NetworkDefinitionCreationFlag(self) -> NetworkDefinitionCreationFlag: ...

    @property
    def BuilderFlag(self) -> BuilderFlag: ...

    @property
    def ILogger(self) -> type: ...

    def Builder(self, logger: object) -> Builder: ...

    def OnnxParser(self, network: INetworkDefinition, logger: object) -> OnnxParser: ...

    def Runtime(self, logger: object) -> Runtime: ...


def shape_of(dims: Dims) -> tuple[int, ...]:
    """Return sizes as a tuple."""
    sizes: Sequence[int] = [dims[index] for index in range(len(dims))]
    return tuple(sizes)
