"""The public face: its names load, are typed, and cost nothing until used."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

import edge_affect as ea
from edge_affect.testing import FakeModel, ScriptedSource, camera_script

API = Path(__file__).parents[2] / "typing" / "api.py"


@pytest.mark.parametrize("name", ea.__all__)
def test_public_name_loads(name: str) -> None:
    """Every name of ``__all__`` is there."""
    assert getattr(ea, name) is not None


def test_public_names_are_listed_by_dir() -> None:
    """Completion in an editor shows the public names."""
    assert set(ea.__all__) <= set(dir(ea))


def test_public_name_that_is_unknown_is_an_attribute_error() -> None:
    """A misspelt name fails as Python users expect."""
    with pytest.raises(AttributeError, match="AffectSteam"):
        ea.AffectSteam  # noqa: B018 - the access is the test


def test_importing_the_package_loads_no_library() -> None:
    """``import edge_affect`` brings neither numpy nor OpenCV nor ONNX Runtime."""
    code = (
        "import sys, edge_affect; edge_affect.__version__; "
        "print(sorted({'numpy', 'cv2', 'onnxruntime'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not API.exists(), reason="user code is checked in a checkout only")
def test_every_public_name_stands_in_the_checked_user_code() -> None:
    """What mypy checks as user code covers the whole public face."""
    used = set(re.findall(r"\bea\.(\w+)", API.read_text(encoding="utf-8")))
    assert set(ea.__all__) <= used


def test_stream_can_be_read_from_asyncio() -> None:
    """The documented recipe: ``asyncio.to_thread`` around ``next``."""

    async def read() -> list[ea.Estimate]:
        source = ScriptedSource(camera_script(1))
        estimates = []
        with ea.AffectStream(source, purpose="research", model=FakeModel()) as stream:
            iterator = iter(stream)
            while (e := await asyncio.to_thread(next, iterator, None)) is not None:
                estimates.append(e)
        return estimates

    assert len(asyncio.run(read())) == 30
