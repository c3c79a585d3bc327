from __future__ import annotations

from pathlib import Path

import pytest

from edge_affect import bundles
from edge_affect.cli import main
from edge_affect.commands import demo as module
from edge_affect.commands.demo import next_steps, program_name
from edge_affect.model.bundle import shipped_folder
from edge_affect.realtime.stream import AffectStream
from edge_affect.sinks.jsonl import read_record
from edge_affect.testing import FakeModel, ScriptedSource, camera_script


@pytest.mark.skipif(
    not shipped_folder(bundles.DEFAULT).is_dir(), reason="no bundle is shipped yet"
)
def test_demo_streams_the_shipped_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A record and a page are written, and the next steps named."""
    assert main(["demo", "--fast", "--seconds", "2", "--out-dir", str(tmp_path)]) == 0
    header, records = read_record(tmp_path / "edge_affect-demo.jsonl")
    assert header.purpose == "research"
    assert len(records) == 60
    face_ok = [record["health"]["face"] == "ok" for record in records]
    assert sum(face_ok) >= 0.95 * len(face_ok)
    assert (tmp_path / "edge_affect-demo.html").stat().st_size > 10_000
    err = capsys.readouterr().err
    assert "   1.0 s  valence" in err
    assert "run 0 --audio default --purpose private_vehicle" in err


def test_demo_paces_the_driver_unless_told_not_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds, seed and pace reach the simulated driver; the purpose is research."""
    asked: list[dict[str, object]] = []

    def source(**settings: object) -> ScriptedSource:
        asked.append(settings)
        return ScriptedSource(camera_script(0.5))

    def with_fake_model(*arguments: object, **settings: object) -> object:
        assert settings["purpose"] == "research"
        return AffectStream(*arguments, **settings, model=FakeModel())  # type: ignore[arg-type]

    monkeypatch.setattr(module, "SimulatedSource", source)
    monkeypatch.setattr(module, "AffectStream", with_fake_model)
    folder = ["--out-dir", str(tmp_path)]
    assert main(["demo", "--seconds", "3", "--seed", "7", *folder]) == 0
    assert main(["demo", "--fast", *folder]) == 0
    assert asked == [
        {"seed": 7, "duration_s": 3.0, "live": True},
        {"seed": 0, "duration_s": 20.0, "live": False},
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--seconds", value] for value in ("0", "nan", "inf", "-1")),
        ["--seed", "-1"],
    ],
)
def test_demo_refuses_a_drive_that_cannot_be(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong usage is one line."""
    assert main(["demo", *arguments, "--out-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_demo_needs_a_folder_that_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is not made silently."""
    assert main(["demo", "--out-dir", str(tmp_path / "none")]) == 1
    assert "there is no directory" in capsys.readouterr().err


def test_next_steps_name_what_the_user_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the command on the path, the examples still run as they stand."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.argv", ["/x/edge_affect/__main__.py"])
    assert program_name().endswith("python -m edge_affect")
    monkeypatch.setattr("sys.argv", [".venv/bin/edge-affect"])
    assert program_name() == ".venv/bin/edge-affect"
    assert any("--purpose" in line for line in next_steps("edge-affect"))
