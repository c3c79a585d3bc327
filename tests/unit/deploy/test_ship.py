from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.pack import PackSettings, pack
from deploy.ship import digests_source, ship
from edge_affect import bundles
from edge_affect.bundles import digests
from edge_affect.model.bundle import load_bundle


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return an empty folder in place of ``edge_affect/bundles``."""
    folder = tmp_path / "bundles"
    folder.mkdir()
    return folder


def _packed(export: Path, tmp_path: Path, name: str) -> Path:
    pack(PackSettings(export, tmp_path / "packed", name, "0.1.0"))
    return tmp_path / "packed"


def test_ship_makes_the_bundle_trusted(
    export: Path, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shipped bundle loads by default, without leave."""
    ship(_packed(export, tmp_path, bundles.DEFAULT), package)
    written = runpy.run_path(str(package / "digests.py"))["DIGESTS"]
    monkeypatch.setattr("edge_affect.model.verified.DIGESTS", written)
    monkeypatch.setattr("edge_affect.bundles.__path__", [str(package)])
    assert load_bundle().manifest.name == bundles.DEFAULT


def test_ship_keeps_the_other_bundles_and_forgets_old_digests(
    export: Path, package: Path, tmp_path: Path
) -> None:
    """Each bundle has one digest: that of what lies there now."""
    ship(_packed(export, tmp_path, "first"), package)
    ship(_packed(export, tmp_path, "second-with-a-long-name"), package)
    before = runpy.run_path(str(package / "digests.py"))["DIGESTS"]
    (export / "voice.cpu-fp32.onnx").unlink()
    card = json.loads((export / "card.json").read_text(encoding="utf-8"))
    for head in ("voice_emotion", "speech"):
        del card["heads"][head]
    (export / "card.json").write_text(json.dumps(card), encoding="utf-8")
    ship(_packed(export, tmp_path, "first"), package)
    after = runpy.run_path(str(package / "digests.py"))["DIGESTS"]
    assert list(after) == ["first", "second-with-a-long-name"]
    assert after["first"] != before["first"]
    assert after["second-with-a-long-name"] == before["second-with-a-long-name"]
    assert not (package / "first" / "voice.cpu-fp32.onnx").exists()


def test_the_committed_digests_are_those_of_the_committed_bundles() -> None:
    """``digests.py`` is what shipping would write."""
    home = Path(next(iter(bundles.__path__)))
    source = Path(str(digests.__file__)).read_text(encoding="utf-8")
    assert source == digests_source(home)


def test_digests_are_written_as_ruff_formats_them(
    export: Path, package: Path, tmp_path: Path
) -> None:
    """The generated file passes the formatter, with short names and long ones."""
    for name in ("a", "b" * 13, "c" * 14, "d" * 60):
        ship(_packed(export, tmp_path, name), package)
    (package / "empty.py").write_text(digests_source(tmp_path), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", "--isolated", str(package)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
