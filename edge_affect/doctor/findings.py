"""``edge-affect doctor``: what is installed and runs, and what mends the rest."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import edge_affect
from edge_affect import __version__
from edge_affect.board import BoardState, read_board
from edge_affect.doctor.probes import PACKAGES, Package, look

_MENDS = {
    "gi": "apt-get install python3-gi gir1.2-gst-plugins-base-1.0, or in a venv: "
    "python -m pip install 'edge_affect[gstreamer]'",
    "pyaudio": "apt-get install portaudio19-dev, then "
    "python -m pip install 'edge_affect[audio]'",
    "tensorrt": "comes with JetPack on a Jetson, else from NVIDIA; not from pip",
}
_MARKS = {"ok": "ok", "missing": "--", "broken": "!!"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the doctor looked at."""

    topic: str
    """Section it belongs to: runtime, extras, devices or jetson."""
    name: str
    """What was looked at."""
    state: str
    """``ok``, ``missing`` or ``broken``."""
    detail: str
    """What was found, one line."""
    mend: str = ""
    """What installs or mends it; empty when there is nothing to do."""
    needed: bool = False
    """Whether the runtime does not work without it."""


def examine(
    root: Path = Path("/"), found: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Finding]:
    """Look at everything; never raises for what it finds.

    Args:
        root: Where the system's files lie.
        found: What the probes found; None runs them.
    """
    found = look() if found is None else found
    findings = [
        _python(),
        Finding(
            "runtime",
            "edge_affect",
            "ok",
            f"{__version__}, {_where(edge_affect.__file__)}",
        ),
        *(_package(package, found[package.module]) for package in PACKAGES),
        _graphs(found["graphs"]),
        _cameras(root),
        _microphones(found["pyaudio"]),
        _gpu(found["gpu"]),
        *_tensorrt(found),
    ]
    return [*findings, *_jetson(root, found)]


def works(findings: Sequence[Finding]) -> bool:
    """Return whether everything that the runtime needs is there and works."""
    return all(item.state == "ok" for item in findings if item.needed)


def _python() -> Finding:
    version = platform.python_version()
    detail = f"{version}, {sys.executable} on {platform.machine()}"
    return Finding("runtime", "python", "ok", detail, needed=True)


def _package(package: Package, found: Mapping[str, Any]) -> Finding:
    needed = not package.extra
    topic = "runtime" if needed else "extras"
    target = f"edge_affect[{package.extra}]" if package.extra else "edge_affect"
    mend = _MENDS.get(package.module, f"python -m pip install '{target}'")
    name = "cuda-python" if package.module == "cuda" else package.module
    if "absent" in found:
        detail = f"not installed; serves {package.serves}"
        return Finding(topic, name, "missing", detail, mend, needed=needed)
    if "error" in found:
        detail = f"installed, but: {found['error']}"
        return Finding(topic, name, "broken", detail, mend, needed=needed)
    parts = [str(found.get("version") or "?"), _where(str(found.get("file") or ""))]
    if package.module == "cv2":
        return _cv2(parts, found)
    if "providers" in found:
        parts.append(f"has {', '.join(found['providers'])}")
    if "csi" in found:
        parts.append(f"CSI cameras {'yes' if found['csi'] else 'no'}")
    if "portaudio" in found:
        parts.append(str(found["portaudio"]).split(",")[0])
    if "devices" in found:
        parts.append(f"{found['devices']} CUDA devices")
    return Finding(topic, name, "ok", ", ".join(filter(None, parts)), needed=needed)


def _cv2(parts: Sequence[str], found: Mapping[str, Any]) -> Finding:
    has = {
        "GStreamer": found["gstreamer"],
        "Haar cascades": found["haar"],
        "YuNet": found["yunet"],
    }
    texts = [f"{name} {'yes' if there else 'no'}" for name, there in has.items()]
    detail = ", ".join([*filter(None, parts), *texts])
    if found["haar"]:
        return Finding("runtime", "cv2", "ok", detail, needed=True)
    mend = "python -m pip install 'opencv-python-headless>=4.10,<5', or use --detector"
    return Finding("runtime", "cv2", "broken", detail, mend, needed=True)


def _where(file: str) -> str:
    """Tell where a module comes from: this environment, the system, or elsewhere."""
    if not file:
        return ""
    path = Path(file).parent
    inside = path.is_relative_to(sys.prefix) and sys.prefix != sys.base_prefix
    origin = "venv" if inside else "outside of the venv"
    if sys.prefix == sys.base_prefix:
        origin = "no venv"
    return f"{origin}: {path}"


def _graphs(found: Mapping[str, Any]) -> Finding:
    reason = found.get("error") or found.get("absent")
    if reason:
        mend = "mend what is broken above; then install edge_affect again"
        return Finding("runtime", "bundle", "broken", reason, mend, needed=True)
    steps = ", ".join(f"{name} {ms:.2f} ms" for name, ms in found["step_ms"].items())
    detail = (
        f"{found['bundle']}, {found['target']} ({found['reason']}) runs on "
        f"{found['provider']} ({found['backend']}): {steps}"
    )
    return Finding("runtime", "bundle", "ok", detail, needed=True)


def _cameras(root: Path) -> Finding:
    devices = sorted((root / "dev").glob("video*"))
    if devices:
        names = ", ".join(_camera_name(root, device.name) for device in devices)
        return Finding("devices", "cameras", "ok", names)
    mend = "plug one in; in a container, pass --device /dev/video0"
    return Finding("devices", "cameras", "missing", "no /dev/video*", mend)


def _camera_name(root: Path, device: str) -> str:
    try:
        name = (root / "sys/class/video4linux" / device / "name").read_text()
    except OSError:
        return f"/dev/{device}"
    return f"/dev/{device} ({name.strip()})"


def _microphones(found: Mapping[str, Any]) -> Finding:
    devices = found.get("microphones")
    if devices is None:
        return Finding("devices", "microphones", "missing", "unknown without pyaudio")
    if not devices:
        mend = "plug one in, and see that the sound server runs"
        return Finding("devices", "microphones", "missing", "PortAudio has none", mend)
    names = ", ".join(f"{item['index']} {item['name']}" for item in devices)
    return Finding("devices", "microphones", "ok", names)


def _gpu(found: Mapping[str, Any]) -> Finding:
    names = found.get("devices")
    if not names:
        detail = str(found.get("error") or "no CUDA device; the CPU runs everything")
        return Finding("devices", "GPU", "missing", detail)
    cuda = int(found["cuda"])
    driver = f"driver for CUDA {cuda // 1000}.{cuda % 1000 // 10}"
    return Finding("devices", "GPU", "ok", f"{', '.join(names)}; {driver}")


def _tensorrt(found: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Tell whether the GPU, where there is one, can run engines."""
    if not found["gpu"].get("devices"):
        return []
    lacks = [name for name in ("tensorrt", "pycuda") if not _imports(found[name])]
    if lacks:
        detail = f"the GPU is idle: lacks {' and '.join(lacks)}"
        mend = "mend what is missing above"
        return [Finding("devices", "TensorRT", "missing", detail, mend)]
    graphs = "" if _imports(found["cuda"]) else "; without CUDA graphs"
    detail = f"runs bundles with graphs for trt-int8 or trt-fp16{graphs}"
    return [Finding("devices", "TensorRT", "ok", f"{detail}: edge-affect build BUNDLE")]


def _imports(found: Mapping[str, Any]) -> bool:
    return not {"absent", "error"} & found.keys()


def _jetson(root: Path, found: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    try:
        release = (root / "etc/nv_tegra_release").read_text().splitlines()[0]
    except (OSError, IndexError, ValueError):
        return []
    return [
        Finding("jetson", "L4T", "ok", release.lstrip("# ").strip()),
        Finding("jetson", "JetPack", "ok", _jetpack()),
        _board(read_board(root)),
        *(
            _winner(module, found[module])
            for module in ("cv2", "gi", "numpy", "tensorrt")
        ),
    ]


def _board(state: BoardState) -> Finding:
    told = {
        "power mode": state.power_mode,
        "hottest zone": state.temperature_c and f"{state.temperature_c:g} °C",
        "throttled": state.throttle_events is not None
        and f"{state.throttle_events} times since it was switched on",
    }
    detail = ", ".join(f"{what} {value}" for what, value in told.items() if value)
    if state.power_mode and state.throttle_events is not None:
        return Finding("jetson", "board", "ok", detail)
    mend = "in a container, mount /var/lib/nvpmodel and /etc/nvpmodel.conf read-only"
    return Finding("jetson", "board", "missing", detail or "tells nothing", mend)


def _jetpack() -> str:
    try:
        done = subprocess.run(
            ["dpkg-query", "-W", "-f=${Version}", "nvidia-jetpack"],  # noqa: S607
            capture_output=True,
            timeout=10,
            check=False,
            text=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "the package nvidia-jetpack is not installed"


def _winner(module: str, found: Mapping[str, Any]) -> Finding:
    reason = found.get("absent") or found.get("error")
    if reason:
        mend = _MENDS.get(module, "")
        return Finding("jetson", module, "missing", str(reason), mend)
    detail = f"{found.get('version')} won, {_where(str(found.get('file')))}"
    return Finding("jetson", module, "ok", detail)


def doctor_text(findings: Sequence[Finding]) -> str:
    """Return the findings for people, one per line, with what mends them."""
    lines = []
    wide = max(len(item.name) for item in findings)
    for topic in dict.fromkeys(item.topic for item in findings):
        lines.append(topic)
        for item in (item for item in findings if item.topic == topic):
            lines.append(f"  {_MARKS[item.state]} {item.name:<{wide}}  {item.detail}")
            if item.mend and item.state != "ok":
                lines.append(f"     {'':<{wide}}  -> {item.mend}")
    verdict = "the runtime works" if works(findings) else "the runtime does not work"
    return "\n".join([*lines, "", verdict])
