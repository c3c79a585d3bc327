from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
SKIPPING = """
import pytest

@pytest.mark.jetson
def test_marked():
    pytest.skip("no such thing here")

def test_free():
    pytest.skip("whatever")

def test_data(data_root):
    pass
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout with three tests that skip on any machine without data."""
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  jetson\n  data\n")
    (tmp_path / "test_skipping.py").write_text(SKIPPING)
    return tmp_path


def _pytest(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {name: text for name, text in os.environ.items() if "EDGE_AFFECT" not in name}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=checkout,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_require_absent_leaves_skips_alone(checkout: Path) -> None:
    """Without the option a capability that is missing only skips."""
    run = _pytest(checkout)
    assert run.returncode == 0
    assert "3 skipped" in run.stdout


def test_require_turns_skips_into_failures(checkout: Path) -> None:
    """A required marker's skips fail, with their reason; all others go on skipping."""
    run = _pytest(checkout, "--require=jetson,data")
    assert run.returncode == 1
    assert "2 failed, 1 skipped" in run.stdout or "1 skipped, 2" in run.stdout
    assert "EDGE_AFFECT_DATA does not name a folder" in run.stdout


def test_require_refuses_unknown_markers(checkout: Path) -> None:
    """A misspelt marker cannot make a run pass empty."""
    run = _pytest(checkout, "--require=gqu")
    assert run.returncode != 0
    assert "got gqu, expected some of" in run.stderr
