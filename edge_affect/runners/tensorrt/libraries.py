"""Open TensorRT, pycuda and cuda-python where there is a GPU; say what is missing."""

from __future__ import annotations

import functools
import importlib
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from edge_affect.errors import MissingDependencyError, RunnerError
from edge_affect.runners.tensorrt.calls import TensorRT
from edge_affect.runners.tensorrt.cuda_calls import CudaRuntime, Driver
from edge_affect.runners.tensorrt.probe import Gpu, probe_gpu

_TENSORRT_LOG = logging.getLogger("edge_affect.runners.tensorrt.messages")
_ERRORS_KEPT = 20
_BINDINGS, _OLD_BINDINGS = "cuda.bindings.runtime", "cuda.cudart"
"""Where cuda-python keeps the CUDA runtime's calls: from 12.6 on, and before."""


@dataclass(frozen=True, slots=True)
class Libraries:
    """What a TensorRT runner works with."""

    gpu: Gpu
    """The GPU that everything runs on."""
    tensorrt: TensorRT
    """The module ``tensorrt``."""
    driver: Driver
    """The module ``pycuda.driver``."""
    graphs: CudaRuntime | None
    """CUDA's runtime by cuda-python, for CUDA graphs; None: without graphs."""
    why_no_graphs: str = ""
    """Why ``graphs`` is None, a phrase."""


def open_libraries() -> Libraries:
    """Probe for a GPU, then import what runs engines on it.

    Raises:
        RunnerError: There is no GPU.
        MissingDependencyError: A package is missing or cannot be imported here.
    """
    gpu = probe_gpu()
    tensorrt = _import("tensorrt", "on a Jetson it comes with JetPack, not from pip")
    driver = _import(
        "pycuda.driver",
        "install it with: python -m pip install 'edge_affect[jetson]'",
    )
    graphs, why = _graph_calls(gpu)
    return Libraries(
        gpu, cast("TensorRT", tensorrt), cast("Driver", driver), graphs, why
    )


@dataclass(frozen=True, slots=True)
class Messages:
    """TensorRT's logger, and what it said last of errors."""

    logger: object
    """Given to whatever of TensorRT wants one; prints nothing."""
    errors: deque[str]
    """The newest messages of errors; the last one often says what was wrong."""


@functools.cache
def messages_of(tensorrt: TensorRT) -> Messages:
    """Return the logger of this process.

    There is one, and it lives as long as the process: TensorRT goes on using the first
    one that it was given, also when whatever it was given for is gone.
    """
    base: Any = tensorrt.ILogger
    severe = {base.ERROR, base.INTERNAL_ERROR}
    errors: deque[str] = deque(maxlen=_ERRORS_KEPT)

    class Logger(base):  # type: ignore[misc]  # the class is known at run time alone
        def __init__(self) -> None:
            base.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            _TENSORRT_LOG.debug("%s", msg)
            if severity in severe:
                errors.append(" ".join(msg.split())[:300])

    return Messages(Logger(), errors)


def _import(name: str, mend: str) -> Any:
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise MissingDependencyError(_broken(package, error)) from error
        raise MissingDependencyError(
            f"no Python package {package!r} was found ({mend})"
        ) from error
    except ImportError as error:
        raise MissingDependencyError(_broken(package, error)) from error


def _broken(package: str, error: ImportError) -> str:
    line = " ".join(str(error).split())[:200]
    return f"the Python package {package!r} cannot be imported ({line})"


def _graph_calls(gpu: Gpu) -> tuple[CudaRuntime | None, str]:
    """Return cuda-python's runtime, or why graphs are not to be had."""
    try:
        module = importlib.import_module(_BINDINGS)
    except ImportError:
        try:
            module = importlib.import_module(_OLD_BINDINGS)
        except ImportError:
            return None, "cuda-python is not installed"
    calls = cast("CudaRuntime", module)
    try:
        version = cuda_value("cudaRuntimeGetVersion", calls.cudaRuntimeGetVersion())
    except RunnerError as error:
        return None, str(error)
    major, of_driver = version // 1000, gpu.driver // 1000
    if major > of_driver:
        return None, (
            f"cuda-python is for CUDA {major}, the driver for {of_driver}; install "
            f"'cuda-python=={of_driver}.*'"
        )
    return calls, ""


def cuda_value(what: str, answer: Sequence[Any]) -> Any:
    """Return the last value of an answer of the CUDA runtime.

    Args:
        what: The call.
        answer: Its error code, then its values.

    Raises:
        RunnerError: The code is not success.
    """
    error = answer[0]
    if int(error):
        raise RunnerError(f"{what}: CUDA returned {getattr(error, 'name', error)}")
    return answer[-1]
