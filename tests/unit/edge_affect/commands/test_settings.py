from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_affect.commands import settings as module
from edge_affect.commands.settings import read_config, run_settings
from edge_affect.errors import ConfigError, PurposeError, UsageError
from edge_affect.labels import PURPOSES

FLAGS: dict[str, Any] = {"source": "clip.mp4", "purpose": "research"}


def _config(folder: Path, **values: Any) -> Path:
    path = folder / "run.json"
    path.write_text(json.dumps(values))
    return path


def test_run_settings_put_flags_over_the_file_over_defaults(tmp_path: Path) -> None:
    """What was not given comes from the file, what it lacks from the defaults."""
    config = _config(tmp_path, budget_ms=20, backend="onnxruntime", out="a.jsonl")
    settings = run_settings({**FLAGS, "out": "b.jsonl", "backend": None}, config)
    assert (settings.out, settings.backend) == ("b.jsonl", "onnxruntime")
    assert (settings.budget_ms, settings.max_seconds) == (20, None)


def test_run_settings_may_all_come_from_the_file(tmp_path: Path) -> None:
    """A unit file needs no flag but --config."""
    config = _config(
        tmp_path,
        source=0,
        purpose="private_vehicle",
        audio=2,
        allow_unsigned=True,
        mount={"rotate": 180, "driver_roi": [0, 0, 0.5, 1]},
    )
    settings = run_settings({}, config)
    assert (settings.source, settings.audio) == ("0", 2)
    assert settings.mount.rotate == 180


@pytest.mark.parametrize(
    ("audio", "meant"),
    [(None, None), ("none", "none"), ("default", "default"), ("3", 3), ("USB", "USB")],
)
def test_run_settings_read_the_microphone(audio: str | None, meant: object) -> None:
    """Digits are a device's number, all else a name."""
    assert run_settings({**FLAGS, "audio": audio}, None).audio == meant


@pytest.mark.parametrize("purpose", [None, "fun", ""])
def test_run_settings_without_a_purpose_name_all_four(purpose: str | None) -> None:
    """Each purpose is named with what it means, and the exit code is that of usage."""
    with pytest.raises(PurposeError) as caught:
        run_settings({"source": "clip.mp4", "purpose": purpose}, None)
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(PURPOSES)
    assert all(len(line) < 88 for line in lines)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"source": ""}, "SOURCE: is missing"),
        ({"max_seconds": 0}, "max_seconds"),
        ({"max_seconds": float("nan")}, "max_seconds"),
        ({"max_seconds": float("inf")}, "max_seconds"),
        ({"max_seconds": 10**400}, "max_seconds"),
        ({"max_seconds": -(10**400)}, "max_seconds"),
        ({"max_seconds": 10**9 + 1}, "max_seconds"),
        ({"out": "x", "report": "x"}, "report"),
        ({"out": "x", "report": "x.part"}, "report"),
        ({"out": "x.part", "report": "x"}, "report"),
    ],
)
def test_run_settings_refuse_what_cannot_work(
    flags: dict[str, Any], message: str
) -> None:
    """Each wrong setting is named."""
    with pytest.raises(ConfigError, match=message):
        run_settings({**FLAGS, **flags}, None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"budget": 20}, "budget: unknown key, expected one of source, purpose"),
        ({"budget_ms": "20"}, "budget_ms: got '20', expected a number of ms"),
        ({"allow_unsigned": 1}, "allow_unsigned: got 1, expected true or false"),
        ({"audio": True}, "audio: got True"),
        ({"source": False}, "source: got False"),
        ({"mount": {"yaw": 3}}, "mount.yaw: unknown key"),
        ({"mount": 3}, "mount: got 3"),
        ({"mount": {"rotate": 45}}, "mount.rotate: got 45"),
        ({"mount": {"driver_roi": ["a", 0, 1, 1]}}, "mount.driver_roi: got .*'a'"),
        ({"mount": {"driver_roi": [True, 0, 1, 1]}}, "mount.driver_roi: got .*True"),
        ({"mount": {"driver_roi": [0, 0, 1]}}, "mount.driver_roi: got 3 numbers"),
        ({"mount": {"driver_roi": [0.9] * 4}}, "mount.driver_roi: got .*0.9, .*part"),
        ({"mount": {"driver_roi": [0, 0, 0, 1]}}, "mount.driver_roi: got .*part"),
    ],
)
def test_read_config_names_the_wrong_key(
    tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    """An unknown key or a value of another kind is refused by the key."""
    with pytest.raises(ConfigError, match=message):
        read_config(_config(tmp_path, **values))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "got no JSON"),
        (b"[]", "got list"),
        (b"\xff", "not text"),
        (b"[" * 99_999, "got no JSON"),
    ],
    ids=["cut", "list", "bytes", "deep"],
)
def test_read_config_refuses_another_kind_of_file(
    tmp_path: Path, content: bytes, message: str
) -> None:
    """What is no JSON object gives one line."""
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_config(path)
    with pytest.raises(ConfigError, match=r"none\.json: No such file"):
        read_config(tmp_path / "none.json")


def test_read_config_reads_toml_where_python_does(tmp_path: Path) -> None:
    """TOML has the same keys."""
    pytest.importorskip("tomllib", reason="Python 3.10 reads no TOML")
    path = tmp_path / "run.toml"
    path.write_text('purpose = "research"\n[mount]\nyaw_deg = -20\n')
    values = read_config(path)
    assert values["purpose"] == "research"
    assert values["mount"].yaw_deg == -20
    path.write_text("purpose = ")
    with pytest.raises(ConfigError, match="got no TOML"):
        read_config(path)


def test_read_config_says_when_python_reads_no_toml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Python 3.10 the way out is JSON."""

    class Without:
        @staticmethod
        def import_module(name: str) -> object:
            raise ModuleNotFoundError(name)

    monkeypatch.setattr(module, "importlib", Without)
    path = tmp_path / "run.toml"
    path.write_text("")
    with pytest.raises(
        ConfigError, match=r"needs Python 3\.11 or newer; write the same"
    ):
        read_config(path)


@pytest.mark.parametrize("key", ["out", "report"])
@pytest.mark.parametrize("target", ["run.json", "clip.mp4", "yunet.onnx", "b/x.jsonl"])
def test_run_settings_keep_outputs_apart_from_inputs(
    tmp_path: Path, key: str, target: str
) -> None:
    """No output is the config, the clip, the detector or lies in the bundle."""
    config = _config(tmp_path, purpose="research")
    (tmp_path / "b").mkdir()
    for name in ("clip.mp4", "yunet.onnx"):
        (tmp_path / name).touch()
    flags = {
        "source": f"file://{tmp_path / 'clip.mp4'}",
        "detector": str(tmp_path / "yunet.onnx"),
        "bundle": str(tmp_path / "b"),
        key: str(tmp_path / target),
    }
    with pytest.raises(UsageError, match="would be written over"):
        run_settings(flags, config)


@pytest.mark.parametrize("key", ["out", "report"])
def test_run_settings_keep_growing_outputs_apart_from_inputs(
    tmp_path: Path, key: str
) -> None:
    """The name under which an output grows is no input's either."""
    (tmp_path / "clip.part").touch()
    flags = {"source": str(tmp_path / "clip.part"), key: str(tmp_path / "clip")}
    with pytest.raises(UsageError, match="would be written over"):
        run_settings({**FLAGS, **flags}, None)


@pytest.mark.parametrize("length", [300, 5_000])
def test_run_settings_take_an_address_too_long_for_a_file(length: int) -> None:
    """A stream's address is no path, whatever it looks like."""
    address = f"rtsp://camera/{'x' * length}"
    settings = run_settings({**FLAGS, "source": address, "out": "x"}, None)
    assert settings.source == address


def test_run_settings_leave_names_too_long_to_who_opens_them(tmp_path: Path) -> None:
    """Neither an input nor an output of such a name is a fault of ours."""
    long = str(tmp_path / ("x" * 300))
    flags = {"detector": long, "bundle": long, "out": "x", "report": long + "y"}
    assert run_settings({**FLAGS, **flags}, None).out == "x"


def test_run_settings_refuse_an_output_that_names_no_file(tmp_path: Path) -> None:
    """A name that no file can have is wrong usage and not a traceback."""
    with pytest.raises(UsageError, match="names no file"):
        run_settings({**FLAGS, "out": f"{tmp_path}/a\0b", "bundle": "."}, None)
