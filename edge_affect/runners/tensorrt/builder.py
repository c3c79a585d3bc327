"""Build an engine from a graph; called in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_affect.errors import RunnerError
from edge_affect.runners.tensorrt.calls import IBuilderConfig, Runtime, TensorRT
from edge_affect.runners.tensorrt.engine import load_engine
from edge_affect.runners.tensorrt.libraries import messages_of

WORKSPACE_BYTES = 256 << 20
"""Most device memory that a layer may scratch on: a Jetson shares it with all else."""
_PRECISIONS = {"trt-int8": "INT8", "trt-fp16": "FP16"}
"""Target → flag without which a version that types weakly builds it in float32."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a version of TensorRT builds a target."""

    network_flags: int
    """Bits for ``create_network``."""
    allowed: str | None
    """Builder flag that allows a precision; None where the graph alone decides."""

    @property
    def text(self) -> str:
        """What of it makes an engine another one."""
        typed = "strong" if self.allowed is None else f"weak {self.allowed}"
        return f"{typed}, workspace {WORKSPACE_BYTES}, auxiliary streams 0"


def recipe_for(tensorrt: TensorRT, target: str) -> Recipe:
    """Return how this TensorRT builds ``target``: asked of it, not of its version.

    Types are the graph's own where that can be asked for (from 10 on; 11 knows nothing
    else): int8 by its quantizers, float16 by its casts. Before, the same graphs need
    their precision allowed.

    Raises:
        RunnerError: The target is none of TensorRT's.
    """
    if target not in _PRECISIONS:
        raise RunnerError(
            f"target: got {target!r}, expected one of {', '.join(_PRECISIONS)}"
        )
    flags = tensorrt.NetworkDefinitionCreationFlag
    strong = getattr(flags, "STRONGLY_TYPED", None)
    if strong is not None:
        return Recipe(1 << int(strong), None)
    explicit = getattr(flags, "EXPLICIT_BATCH", None)
    bits = 0 if explicit is None else 1 << int(explicit)
    return Recipe(bits, _PRECISIONS[target])


@dataclass(frozen=True, slots=True)
class Build:
    """What came of a build."""

    engine: bytes
    """The plan; TensorRT has loaded it once already."""
    timing: bytes
    """The timing cache, which makes the next build of the like shorter."""


def build_engine(tensorrt: TensorRT, graph: bytes, target: str, timing: bytes) -> Build:
    """Build an engine and load it once.

    Args:
        tensorrt: The module.
        graph: ONNX with its quantizers and casts in place.
        target: ``trt-int8`` or ``trt-fp16``.
        timing: What an earlier build left; empty for none.

    Raises:
        RunnerError: TensorRT cannot read or build the graph, or load what it built.
    """
    messages = messages_of(tensorrt)
    logger, errors = messages.logger, messages.errors
    recipe = recipe_for(tensorrt, target)
    builder = tensorrt.Builder(logger)
    network = builder.create_network(recipe.network_flags)
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(graph):
        found = [parser.get_error(i).desc() for i in range(parser.num_errors)]
        raise RunnerError(f"TensorRT cannot read the graph ({_last(found or errors)})")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    # One stream: small graphs lose more by waiting for each other than they gain.
    config.max_aux_streams = 0
    if recipe.allowed is not None:
        flag = getattr(tensorrt.BuilderFlag, recipe.allowed, None)
        if flag is None:
            raise RunnerError(
                f"this TensorRT neither types graphs strongly nor has the builder flag "
                f"{recipe.allowed}; expected 8.6 or later"
            )
        config.set_flag(flag)
    _use_timing(config, timing)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise RunnerError(f"TensorRT built no engine ({_last(errors)})")
    engine = bytes(plan)
    runtime: Runtime = tensorrt.Runtime(logger)
    load_engine(tensorrt, runtime, "the graph", engine).new_context()
    kept = config.get_timing_cache()
    return Build(engine, b"" if kept is None else bytes(kept.serialize()))


def _use_timing(config: IBuilderConfig, timing: bytes) -> None:
    cache = config.create_timing_cache(timing)
    if not config.set_timing_cache(cache, False):
        # It was of another device or version: begin anew.
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _last(messages: Sequence[str]) -> str:
    line = messages[-1] if messages else "it gives no reason"
    return " ".join(line.split())[:300]
