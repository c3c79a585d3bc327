"""The module ``tensorrt`` over the fake GPU, in any of the recorded versions.

It has what the version's list in ``tests/data/tensorrt`` has, and refuses the rest. An
engine of it is the graph itself, run by ONNX Runtime on the memory behind addresses.
"""

from __future__ import annotations

import enum
import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime

from tests.fakes.nvidia.gpu import GPU, Crash

LISTS = Path(__file__).resolve().parents[2] / "data" / "tensorrt"
VERSIONS = ("8.6", "10.3", "10.13", "11.4")
VERSION_VARIABLE = "FAKE_TENSORRT"
"""Version that a child's ``import tensorrt`` gives."""
BUILD_VARIABLE = "FAKE_TENSORRT_BUILD"
"""What goes wrong with builds: none, crash, hang, unloadable, wrong or a target."""
_MAGIC = b"fake plan\n"


def api_list(version: str) -> dict[str, Any]:
    """Return what was recorded of a version."""
    names: dict[str, Any] = json.loads((LISTS / f"{version}.json").read_text())
    return names


class Gated:
    """Refuses to be given what the version lacks; what it has of it was taken away."""

    _names: frozenset[str] = frozenset()

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and name not in self._names:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        object.__setattr__(self, name, value)


class Dims:
    def __init__(self, sizes: list[int]) -> None:
        self._sizes = sizes

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, index: int) -> int:
        return self._sizes[index]


def _members(found: type, names: list[str]) -> dict[str, Any]:
    """Return a class body that has of ``found`` what ``names`` lists."""
    members = {k: v for k, v in vars(found).items() if k not in _NOT_COPIED}
    public = {k for k in members if not k.startswith("_")}
    return {
        **{k: v for k, v in members.items() if k not in public - set(names)},
        "_names": frozenset(names),
    }


_NOT_COPIED = ("__dict__", "__weakref__")


def make_tensorrt(version: str) -> ModuleType:
    """Return a module ``tensorrt`` of ``version``, one of ``VERSIONS``."""
    recorded = api_list(version)
    module = ModuleType("tensorrt")
    module.__version__ = recorded["version"]  # type: ignore[attr-defined]
    for name, members in recorded["enums"].items():
        if "." not in name:
            setattr(module, name, enum.IntEnum(name, members))
    for found in _classes(module):
        names = recorded["classes"].get(found.__name__)
        if names is not None:
            made = type(found.__name__, (Gated,), _members(found, names))
            setattr(module, found.__name__, made)
    return module


def _classes(trt: Any) -> Iterator[type]:  # noqa: C901 - one per class
    """Yield every class, with all that any version has; they find each other in trt."""

    class ILogger:
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

        def log(self, severity: int, msg: str) -> None:
            raise NotImplementedError

    yield ILogger

    class IHostMemory:
        def __init__(self, content: bytes) -> None:
            self._content = content

        def __bytes__(self) -> bytes:
            return self._content

    yield IHostMemory

    class ITimingCache:
        def __init__(self, content: bytes) -> None:
            self._content = content

        def serialize(self) -> Any:
            return trt.IHostMemory(self._content + b"timed ")

    yield ITimingCache

    class INetworkDefinition:
        def __init__(self, flags: int) -> None:
            self._flags = flags
            self._graph = b""

    yield INetworkDefinition

    class ParserError:
        def __init__(self, text: str) -> None:
            self._text = text

        def desc(self) -> str:
            return self._text

    yield ParserError

    class OnnxParser:
        def __init__(self, network: Any, logger: Any) -> None:
            self._network = network
            self._errors: list[str] = []

        @property
        def num_errors(self) -> int:
            return len(self._errors)

        def get_error(self, index: int) -> Any:
            return trt.ParserError(self._errors[index])

        def parse(self, model: bytes) -> bool:
            flags = trt.NetworkDefinitionCreationFlag
            needed: Any = getattr(flags, "STRONGLY_TYPED", None)
            if needed is None:
                needed = flags.EXPLICIT_BATCH
            if not self._network._flags >> int(needed) & 1:
                self._errors.append(f"expected a network with {needed.name}")
                return False
            try:
                _session(model)
            except Exception as error:  # noqa: BLE001 - damaged files raise anything
                self._errors.append(f"ModelImporter.cpp: {error}")
                return False
            self._network._graph = model
            return True

    yield OnnxParser

    class IBuilderConfig:
        max_aux_streams = 7

        def __init__(self) -> None:
            self._flags: set[str] = set()
            self._workspace = 0
            self._timing: Any = None

        def set_flag(self, flag: Any) -> None:
            self._flags.add(flag.name)

        def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
            assert pool is trt.MemoryPoolType.WORKSPACE
            self._workspace = pool_size

        def create_timing_cache(self, serialized_timing_cache: bytes) -> Any:
            return trt.ITimingCache(bytes(serialized_timing_cache))

        def set_timing_cache(self, cache: Any, ignore_mismatch: Any) -> bool:
            self._timing = cache
            return not cache._content.startswith(b"foreign")

        def get_timing_cache(self) -> Any:
            return self._timing

    yield IBuilderConfig

    class Builder:
        def __init__(self, logger: Any) -> None:
            self._logger = logger

        def create_network(self, flags: int) -> Any:
            known = [int(f) for f in trt.NetworkDefinitionCreationFlag]
            if flags & ~sum(1 << bit for bit in known):
                raise TypeError(f"create_network: unknown flags {flags:#x}")
            return trt.INetworkDefinition(flags)

        def create_builder_config(self) -> Any:
            return trt.IBuilderConfig()

        def build_serialized_network(self, network: Any, config: Any) -> Any:
            wrong = os.environ.get(BUILD_VARIABLE, "")
            if wrong == "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            if wrong == "hang":
                time.sleep(120)
            if wrong == "none" or (wrong and wrong in config._flags):
                self._logger.log(
                    trt.ILogger.ERROR, "Could not find any\nimplementation"
                )
                return None
            head = {
                "version": trt.__version__,
                "gpu": GPU.name,
                "flags": sorted(config._flags),
                "workspace": config._workspace,
                "streams": config.max_aux_streams,
                "timing": config._timing._content.decode(),
                "loadable": wrong != "unloadable",
                "wrong": wrong == "wrong",
                "sha256": hashlib.sha256(network._graph).hexdigest(),
            }
            line = json.dumps(head).encode()
            return trt.IHostMemory(_MAGIC + line + b"\n" + network._graph)

    yield Builder

    class IExecutionContext:
        def __init__(self, engine: Any) -> None:
            self._engine = engine
            self._addresses: dict[str, int] = {}
            self._has_run = False

        def set_tensor_address(self, name: str, memory: int) -> bool:
            if memory % 256 or GPU.refused == "address":
                return False
            self._addresses[name] = memory
            return name in self._engine._tensors

        def execute_async_v3(self, stream_handle: int) -> bool:
            stream = GPU.stream(stream_handle)
            if self._addresses.keys() != self._engine._tensors.keys():
                return False
            if GPU.refused == "step":
                return False
            if GPU.refused == "capture" and stream.captured is not None:
                raise RuntimeError("enqueueV3 failed in capture")
            if stream.captured is not None and not self._has_run:
                stream.broken = "captured before it ever ran"
            self._has_run = True
            GPU.executions += 1
            addresses, engine = dict(self._addresses), self._engine
            stream.give(lambda: engine._run(addresses))
            return True

    yield IExecutionContext

    class ICudaEngine:
        def __init__(self, graph: bytes, *, wrong: bool) -> None:
            self._session = _session(graph)
            self._wrong = wrong
            inputs = {t.name: t for t in self._session.get_inputs()}
            outputs = {t.name: t for t in self._session.get_outputs()}
            self._inputs = frozenset(inputs)
            self._tensors = {**inputs, **outputs}

        @property
        def num_io_tensors(self) -> int:
            return len(self._tensors)

        def get_tensor_name(self, index: int) -> str:
            return str(list(self._tensors)[index])

        def get_tensor_mode(self, name: str) -> Any:
            return trt.TensorIOMode["INPUT" if name in self._inputs else "OUTPUT"]

        def get_tensor_shape(self, name: str) -> Any:
            sizes = self._tensors[name].shape
            return Dims([n if isinstance(n, int) else -1 for n in sizes])

        def get_tensor_dtype(self, name: str) -> Any:
            of_float = self._tensors[name].type == "tensor(float)"
            return trt.DataType["FLOAT" if of_float else "HALF"]

        def create_execution_context(self) -> Any:
            return None if GPU.refused == "context" else trt.IExecutionContext(self)

        def _memory(self, name: str, address: int) -> Any:
            shape = self._tensors[name].shape
            memory = GPU.at(address, 4 * int(np.prod(shape)))
            return memory.view(np.float32).reshape(shape)

        def _run(self, addresses: dict[str, int]) -> None:
            feed = {n: self._memory(n, addresses[n]).copy() for n in self._inputs}
            names = [name for name in self._tensors if name not in self._inputs]
            for name, value in zip(names, self._session.run(names, feed), strict=True):
                self._memory(name, addresses[name])[...] = value + self._wrong

    yield ICudaEngine

    class Runtime:
        def __init__(self, logger: Any) -> None:
            if not GPU.present:
                raise Crash("segmentation fault in createInferRuntime")
            self._logger = logger

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> Any:
            head, graph = _opened(serialized_engine)
            if head.get("version") != trt.__version__ or not head["loadable"]:
                self._logger.log(
                    trt.ILogger.ERROR, "incompatible serialization version"
                )
                return None
            return trt.ICudaEngine(graph, wrong=head["wrong"])

    yield Runtime


def _session(graph: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        graph, options, providers=["CPUExecutionProvider"]
    )


def _opened(plan: bytes) -> tuple[dict[str, Any], bytes]:
    """Return head and graph of a plan; the head is empty where it is none."""
    line, _, graph = plan.removeprefix(_MAGIC).partition(b"\n")
    try:
        head: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}, b""
    whole = head["sha256"] == hashlib.sha256(graph).hexdigest()
    return (head, graph) if whole and plan.startswith(_MAGIC) else ({}, b"")


def head_of(plan: bytes) -> dict[str, Any]:
    """Return how an engine of the fake was built."""
    return _opened(plan)[0]
