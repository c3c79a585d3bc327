"""Import every module of the runtime, and say what that should not have done.

Needs nothing but the runtime itself: ``tests/wheel_matrix.py`` runs it before any test
tool is installed.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import sys
import threading

FORBIDDEN = (
    # The workshop and its libraries.
    *("benchmarks", "brevitas", "deploy", "onnx", "onnxoptimizer", "onnxscript"),
    *("quantize", "safetensors", "soundfile", "torch", "tqdm", "training"),
    # Optional packages: each is imported where it is opened.
    *("aiohttp", "av", "cryptography", "cuda", "fpsample", "paho"),
    "prometheus_client",
    *("pyaudio", "pycuda", "scipy", "soxr", "tensorrt"),
)


def import_all() -> list[str]:
    """Import every module of edge_affect; return their names."""
    package = importlib.import_module("edge_affect")
    found = pkgutil.walk_packages(package.__path__, "edge_affect.")
    names = [module.name for module in found if not module.name.endswith(".__main__")]
    for name in names:
        importlib.import_module(name)
    return names


def complaints(handlers_before: int) -> list[str]:
    """Return what importing did besides importing."""
    found = [f"{name} was imported" for name in FORBIDDEN if name in sys.modules]
    if threading.active_count() > 1:
        found.append(f"{threading.active_count() - 1} threads were started")
    if len(logging.getLogger().handlers) != handlers_before:
        found.append("a handler was added to the root logger")
    return found


def main() -> int:
    """Import everything; return 1 after naming each complaint on stderr."""
    handlers_before = len(logging.getLogger().handlers)
    names = import_all()
    found = complaints(handlers_before)
    for line in found:
        sys.stderr.write(f"importing the {len(names)} runtime modules: {line}\n")
    return 1 if found or not names else 0


if __name__ == "__main__":
    sys.exit(main())
