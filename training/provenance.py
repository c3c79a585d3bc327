"""What a figure was measured on: source, machine and versions; never names or paths."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
"""Folder of the source."""
_PACKAGES = (
    *("edge_affect", "brevitas", "numpy", "onnxruntime", "opencv-python-headless"),
    "torch",
)


def machine_info(root: Path = Path("/")) -> dict[str, object]:
    """Return processor, memory, system, versions and power mode.

    Args:
        root: Where ``proc``, ``sys`` and ``var`` lie; another one in tests.
    """
    known: dict[str, object] = {
        "cpu": _cpu(root),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": _memory_bytes(root),
        "board": _first_line(root / "proc/device-tree/model"),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": _versions(),
        "governor": _first_line(
            root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
        ),
        "power_mode": _first_line(root / "var/lib/nvpmodel/status"),
        "gpu_driver": _first_line(root / "proc/driver/nvidia/version"),
    }
    return {key: value for key, value in known.items() if value is not None}


def source_commit(checkout: Path = CHECKOUT) -> str | None:
    """Return the commit of the source, ``-dirty`` when it was changed since.

    None where ``checkout`` is no git checkout.
    """
    commit = _git(checkout, "rev-parse", "HEAD")
    if commit is None:
        return None
    # What commands write, result files and pages, is no change of the source.
    sources = ("--", ":(top)", ":(top,exclude)benchmarks/results", ":(top,exclude)docs")
    changed = _git(checkout, "status", "--porcelain", "--untracked-files=no", *sources)
    return f"{commit}-dirty" if changed else commit


def _git(checkout: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(checkout), *arguments],  # noqa: S607 - the user's git
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu(root: Path) -> str:
    text = _read(root / "proc/cpuinfo") or ""
    found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _memory_bytes(root: Path) -> int | None:
    found = re.search(r"MemTotal:\s*(\d+) kB", _read(root / "proc/meminfo") or "")
    return int(found[1]) * 1024 if found else None


def _versions() -> dict[str, str]:
    installed = {
        distribution.metadata["Name"]: distribution.version
        for distribution in metadata.distributions()
    }
    return {name: installed[name] for name in _PACKAGES if name in installed}


def _first_line(path: Path) -> str | None:
    text = (_read(path) or "").replace("\0", "")
    return text.splitlines()[0].strip() if text.strip() else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
