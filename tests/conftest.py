"""What every test shares: the data root, and skips that a run can forbid."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import itertools
import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import hypothesis
import pytest

DATA_ROOT = "EDGE_AFFECT_DATA"

# The same examples in every run, however busy the machine is.
hypothesis.settings.register_profile("fixed", deadline=None, derandomize=True)
hypothesis.settings.load_profile("fixed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--require``."""
    parser.addoption(
        "--require",
        default="",
        metavar="MARKERS",
        help="fail instead of skipping the tests with these markers, comma-separated",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a ``--require`` that names no marker."""
    known = {line.split(":")[0] for line in config.getini("markers")}
    unknown = sorted(_required(config) - known)
    if unknown:
        raise pytest.UsageError(
            f"--require: got {', '.join(unknown)}, "
            f"expected some of {', '.join(sorted(CAPABILITIES))}"
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the data root."""
    for item in items:
        if "data_root" in getattr(item, "fixturenames", ()):
            item.add_marker("data")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose marker names something that this machine lacks."""
    for marker, missing in CAPABILITIES.items():
        if item.get_closest_marker(marker):
            reason = missing()
            if reason:
                pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a required test into a failure."""
    report = yield
    required = _required(item.config) & {mark.name for mark in item.iter_markers()}
    if report.skipped and required and not hasattr(report, "wasxfail"):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else "skipped"
        report.outcome = "failed"
        report.longrepr = f"--require={','.join(sorted(required))}: {why}"
    return report


_NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def _cache_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep what was measured and installed here, and by other tests, out of a test."""
    folder = tmp_path_factory.getbasetemp() / f"cache{next(_NUMBERS)}"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    monkeypatch.delenv("EDGE_AFFECT_BUNDLES", raising=False)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Return the folder of real data sets; skip where it is not named."""
    reason = _without_data()
    if reason:
        pytest.skip(reason)
    return Path(os.environ[DATA_ROOT])


def _required(config: pytest.Config) -> set[str]:
    return {name for name in config.getoption("--require").split(",") if name}


def _without_module(name: str) -> str | None:
    return None if importlib.util.find_spec(name) else f"{name} is not installed"


def _without_gpu() -> str | None:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver: libcuda.so.1 is missing"
    code = driver.cuInit(0)
    return None if code == 0 else f"no NVIDIA GPU: cuInit returned {code}"


def _without_jetson() -> str | None:
    release = Path("/etc/nv_tegra_release")
    return None if release.exists() else "not a Jetson: no /etc/nv_tegra_release"


def _without_gst() -> str | None:
    try:
        gi = importlib.import_module("gi")
        for namespace in ("Gst", "GstApp", "GstVideo"):
            gi.require_version(namespace, "1.0")
    except (ImportError, ValueError) as error:
        return f"no GStreamer: {error}; run: sudo make system, then make test"
    return None


def _without_mic() -> str | None:
    missing = _without_module("pyaudio")
    if not missing and not shutil.which("pulseaudio"):
        missing = "pulseaudio is not installed"
    return f"{missing}; run: sudo make system, then make test" if missing else None


def _without_data() -> str | None:
    root = os.environ.get(DATA_ROOT)
    if not root:
        return f"{DATA_ROOT} does not name a folder of data sets"
    return None if Path(root).is_dir() else f"{DATA_ROOT}={root}: no such folder"


CAPABILITIES: dict[str, Callable[[], str | None]] = {
    "torch": lambda: _without_module("torch"),
    "gpu": _without_gpu,
    "trt": lambda: _without_module("tensorrt") or _without_gpu(),
    "jetson": _without_jetson,
    "gst": _without_gst,
    "mic": _without_mic,
    "data": _without_data,
}
"""Marker → why its tests cannot run here, or None."""
