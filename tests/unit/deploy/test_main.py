from __future__ import annotations

from pathlib import Path

import pytest

from deploy.__main__ import main

TINY = Path(__file__).resolve().parents[2] / "data" / "tiny_bundle"


def test_main_packs_and_checks(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What pack wrote, check describes."""
    out = str(tmp_path / "out")
    names = ["--name", "tiny", "--version", "0.1.0"]
    assert main(["pack", "--graphs", str(export), "--out", out, *names]) == 0
    packed = capsys.readouterr().out
    assert main(["check", out]) == 0
    assert capsys.readouterr().out == packed
    assert "tiny 0.1.0" in packed
    assert "face     cpu-fp32        6290 bytes" in packed


def test_main_says_what_is_wrong_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that holds no bundle is one line and exit code 1."""
    assert main(["check", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("deploy: manifest.json: cannot be read")
    assert err.count("\n") == 1


def test_main_refuses_wrong_usage() -> None:
    """A missing option is exit code 2."""
    with pytest.raises(SystemExit) as caught:
        main(["pack"])
    assert caught.value.code == 2


def test_main_ships_what_it_packed(
    export: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With --ship the bundle and its digest lie in the package as well."""
    package = tmp_path / "bundles"
    package.mkdir()
    monkeypatch.setattr("edge_affect.bundles.__path__", [str(package)])
    names = ["--name", "tiny", "--version", "0.1.0", "--ship"]
    out = str(tmp_path / "out")
    assert main(["pack", "--graphs", str(export), "--out", out, *names]) == 0
    assert f"shipped in {package / 'tiny'}" in capsys.readouterr().out
    assert '"tiny": ' in (package / "digests.py").read_text(encoding="utf-8")
