"""What this machine's processor is, and which targets it computes rightly."""

from __future__ import annotations

import platform
from pathlib import Path

_MODEL_KEYS = (
    *("vendor_id", "cpu family", "model", "model name", "stepping"),
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision"),
)
"""Keys of ``/proc/cpuinfo`` that tell one model of processor from another."""
_X86 = ("x86_64", "AMD64")
_DOT_PRODUCT = "vnni"
"""Part of the flag of every x86 instruction set with int8 dot products."""


def cpu_model(root: Path = Path("/")) -> str:
    """Return what tells this model of processor from others.

    Args:
        root: Where ``proc`` lies; another one in tests.
    """
    pairs = (line.partition(":")[::2] for line in _cpuinfo(root).splitlines())
    told = (f"{k.strip()} {v.strip()}" for k, v in pairs if k.strip() in _MODEL_KEYS)
    # Each kind of core once: some processors have fast ones and frugal ones.
    return ", ".join([platform.machine(), *dict.fromkeys(told)])


def why_unfit(target: str, root: Path = Path("/")) -> str | None:
    """Return why a target must not be chosen for this processor; None where it may.

    On x86 without int8 dot products ONNX Runtime adds pairs of products of a byte and a
    signed byte in 16 bits, which can saturate: results may be others, not only slower.

    Args:
        target: One of ``labels.TARGETS``.
        root: Where ``proc`` lies; another one in tests.
    """
    if target != "cpu-int8" or platform.machine() not in _X86:
        return None
    flags = [
        line.partition(":")[2]
        for line in _cpuinfo(root).splitlines()
        if line.startswith("flags")
    ]
    if not flags or all(_DOT_PRODUCT in line for line in flags):
        return None
    return "this processor has no int8 dot products (VNNI): sums may saturate"


def _cpuinfo(root: Path) -> str:
    try:
        return (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
