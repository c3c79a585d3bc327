"""What the doctor looks at, each in its own process: a crash there is a finding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_affect.runners.interpreter import child_environment

_LIMIT_S = 60
_WORKERS = 2

_FRAME = """
import importlib, json
def probe():
    {body}
try:
    found = probe()
except ModuleNotFoundError as error:
    found = {{"absent": str(error)}}
except Exception as error:
    ours = type(error).__module__.startswith("edge_affect")
    kind = "" if ours else f"{{type(error).__name__}}: "
    found = {{"error": f"{{kind}}{{error}}".split(chr(10))[0][:200]}}
print()
print(json.dumps(found))
"""

_IMPORT = """
    module = importlib.import_module({module!r})
    found = {{"version": getattr(module, "__version__", ""), "file": module.__file__}}
    {more}
    return found
"""

_CV2 = """
    import os
    build = module.getBuildInformation()
    lines = [line for line in build.splitlines() if "GStreamer:" in line]
    found["gstreamer"] = bool(lines) and "YES" in lines[0]
    data = getattr(getattr(module, "data", None), "haarcascades", "")
    file = os.path.join(data, "haarcascade_frontalface_default.xml")
    classifier = hasattr(module, "CascadeClassifier")
    found["haar"] = classifier and bool(data) and os.path.exists(file)
    found["yunet"] = hasattr(module, "FaceDetectorYN")
"""

_ONNXRUNTIME = """
    found["providers"] = module.get_available_providers()
"""

_PYAUDIO = """
    audio = module.PyAudio()
    found["portaudio"] = module.get_portaudio_version_text()
    devices = map(audio.get_device_info_by_index, range(audio.get_device_count()))
    found["microphones"] = [
        {"index": device["index"], "name": device["name"],
         "channels": device["maxInputChannels"],
         "rate_hz": int(device["defaultSampleRate"])}
        for device in devices if device["maxInputChannels"] > 0
    ]
    audio.terminate()
"""

_GI = """
    for namespace in ("Gst", "GstApp", "GstVideo"):
        module.require_version(namespace, "1.0")
    from gi.repository import Gst
    Gst.init(None)
    found["csi"] = Gst.ElementFactory.find("nvarguscamerasrc") is not None
    found["version"] = f"{module.__version__} with {Gst.version_string()}"
"""

_PYCUDA = """
    found["version"] = module.VERSION_TEXT
    importlib.import_module("pycuda.driver")
"""

_CUDA = """
    runtime = importlib.import_module("cuda.bindings.runtime")
    error, count = runtime.cudaGetDeviceCount()
    found["devices"] = count or 0
    from importlib.metadata import version
    found["version"] = version("cuda-python")
"""

_GPU = """
    import ctypes
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return {"devices": []}
    count, version = ctypes.c_int(0), ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return {"devices": []}
    driver.cuDriverGetVersion(ctypes.byref(version))
    names = []
    for index in range(count.value):
        name = ctypes.create_string_buffer(128)
        driver.cuDeviceGetName(name, 128, index)
        names.append(name.value.decode("utf-8", "replace"))
    return {"devices": names, "cuda": version.value}
"""

_GRAPHS = """
    from edge_affect.doctor.graphs import time_graphs
    return time_graphs()
"""


@dataclass(frozen=True, slots=True)
class Package:
    """A package of others that the SDK uses."""

    module: str
    """Name to import."""
    extra: str
    """Extra that installs it; empty: it is a dependency of the SDK itself."""
    serves: str
    """What it is for."""
    more: str = "pass"
    """Python that looks closer, run after the import; fills ``found``."""


PACKAGES = (
    Package("numpy", "", "everything"),
    Package("cv2", "", "cameras, pictures, the built-in face locator", _CV2),
    Package("onnxruntime", "", "running the graphs", _ONNXRUNTIME),
    Package("av", "media", "files with their sound"),
    Package("gi", "gstreamer", "CSI cameras and GStreamer pipelines", _GI),
    Package("pyaudio", "audio", "microphones", _PYAUDIO),
    Package("soxr", "audio", "microphones at any rate"),
    # Its Runtime must not be made to look: without a driver that ends the process.
    Package("tensorrt", "tensorrt", "NVIDIA Jetson"),
    Package("pycuda", "jetson", "device memory on NVIDIA Jetson", _PYCUDA),
    Package("cuda", "jetson", "graph capture on NVIDIA Jetson", _CUDA),
)
"""Every package the doctor looks for, the SDK's own dependencies first."""


def look(packages: Sequence[Package] = PACKAGES) -> dict[str, dict[str, Any]]:
    """Return what was found of each package, of the GPU and of the shipped bundle.

    Returns:
        Module name, ``gpu`` or ``graphs`` → what its probe found: ``absent`` or
        ``error`` with a line of text, else its values.
    """
    codes = {package.module: _code(package) for package in packages}
    codes |= {"gpu": _GPU, "graphs": _GRAPHS}
    with ThreadPoolExecutor(_WORKERS) as pool:
        return dict(zip(codes, pool.map(run_probe, codes.values()), strict=True))


def _code(package: Package) -> str:
    if package.module == "cuda":  # a namespace without a file or a version
        return f"    found = {{'file': ''}}\n{_CUDA}\n    return found\n"
    return _IMPORT.format(module=package.module, more=package.more.strip())


def run_probe(body: str, python: str = sys.executable) -> dict[str, Any]:
    """Run the body of a function in another process; return what it returned.

    Args:
        body: Indented lines of Python that return plain values.
        python: The interpreter.
    """
    code = _FRAME.format(body=body.strip("\n").lstrip())
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, our own code
            [python, "-c", code],
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
            env=child_environment(os.environ),
            cwd=Path(sys.prefix),
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"did not answer within {_LIMIT_S} s"}
    except OSError as error:
        return {"error": f"{python}: {error.strerror or error}"}
    try:
        found = json.loads(done.stdout.decode("utf-8", "replace").splitlines()[-1])
    except (IndexError, ValueError):
        how = f"signal {-done.returncode}" if done.returncode < 0 else "no answer"
        return {"error": f"the process ended with {how}"}
    return found if isinstance(found, dict) else {"error": "no answer"}
