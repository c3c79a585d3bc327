from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
SETTINGS: dict[str, Any] = tomli.loads((ROOT / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = SETTINGS["project"]["optional-dependencies"]
ON_THE_DEVICE = {"jetson", "tensorrt"}
"""Extras that only a machine with an NVIDIA GPU can install or use."""


def _followed(extra: str) -> set[str]:
    """Return ``extra`` and every extra that it includes."""
    found = {extra}
    for line in EXTRAS[extra]:
        requirement = Requirement(line)
        if requirement.name == "edge_affect":
            found |= {name for other in requirement.extras for name in _followed(other)}
    return found


def test_wheel_lists_every_package_of_the_runtime() -> None:
    """A folder of edge_affect that is missing in pyproject would miss in the wheel."""
    folders = {path.parent for path in (ROOT / "edge_affect").rglob("__init__.py")}
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert packages == set(SETTINGS["tool"]["setuptools"]["packages"])


def test_dev_extra_holds_all_but_the_devices() -> None:
    """Installing dev brings every extra that installs on any machine."""
    assert _followed("dev") == set(EXTRAS) - ON_THE_DEVICE


def test_dev_without_audio_differs_by_what_is_compiled_alone() -> None:
    """Where headers are missing nothing else is but PyAudio and PyGObject."""
    assert _followed("dev") - _followed("dev-no-audio") == {"audio", "dev", "gstreamer"}
    assert set(EXTRAS["audio"]) - set(EXTRAS["dev-no-audio"]) == {"pyaudio==0.2.14"}


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - ON_THE_DEVICE))
def test_extras_never_ask_for_tensorrt_or_a_second_opencv(extra: str) -> None:
    """No extra brings TensorRT's stubs, or a package that overwrites cv2."""
    names = {Requirement(line).name for line in EXTRAS[extra]}
    assert not {name for name in names if name.startswith(("tensorrt", "opencv"))}
