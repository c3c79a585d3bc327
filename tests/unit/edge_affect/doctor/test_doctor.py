from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_affect.cli import main
from edge_affect.doctor import findings as module
from edge_affect.doctor.findings import Finding, doctor_text, examine, works
from edge_affect.doctor.graphs import time_graphs
from edge_affect.doctor.probes import PACKAGES, Package, look, run_probe
from edge_affect.model.bundle import load_bundle

TINY = Path(__file__).resolve().parents[3] / "data" / "tiny_bundle"


def _found(**changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what the probes find on a machine where all is well."""
    found: dict[str, dict[str, Any]] = {
        package.module: {"version": "1.2", "file": f"/lib/{package.module}/x.py"}
        for package in PACKAGES
    }
    found["cv2"] |= {"gstreamer": True, "haar": True, "yunet": True}
    found["onnxruntime"]["providers"] = ["CPUExecutionProvider"]
    found["gi"]["csi"] = True
    found["pyaudio"] |= {
        "portaudio": "PortAudio V19.6.0, revision 1",
        "microphones": [{"index": 2, "name": "USB", "channels": 1, "rate_hz": 48_000}],
    }
    found["cuda"]["devices"] = 1
    found["gpu"] = {"devices": ["Orin"], "cuda": 12_060}
    found["graphs"] = {
        "bundle": "thin 0.1.0",
        "digest": "ab",
        "backend": "onnxruntime",
        "provider": "CPUExecutionProvider",
        "target": "cpu-fp32",
        "reason": "the bundle's default",
        "step_ms": {"face": 1.234, "voice": 0.5},
    }
    return {**found, **changes}


def _named(findings: list[Finding], name: str) -> Finding:
    return next(finding for finding in findings if finding.name == name)


def test_doctor_says_what_runs(tmp_path: Path) -> None:
    """On a sound machine the provider, the times and the devices are named."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "video0").touch()
    name = tmp_path / "sys/class/video4linux/video0/name"
    name.parent.mkdir(parents=True)
    name.write_text("HD Webcam\n")
    findings = examine(tmp_path, _found())
    assert works(findings)
    text = doctor_text(findings)
    for part in (
        *("face 1.23 ms", "CPUExecutionProvider", "/dev/video0 (HD Webcam)"),
        *("CSI cameras yes",),
        *("2 USB", "Orin; driver for CUDA 12.6", "GStreamer yes", "PortAudio V19.6.0"),
    ):
        assert part in text
    assert "->" not in text
    assert text.endswith("the runtime works")


def test_doctor_names_the_line_that_installs_what_is_missing(tmp_path: Path) -> None:
    """An absent extra is no fault, and each has its line."""
    absent = {"absent": "No module named 'x'"}
    findings = examine(
        tmp_path,
        _found(av=absent, gi=absent, pyaudio=absent, tensorrt=absent, pycuda=absent),
    )
    assert works(findings)
    assert _named(findings, "av").mend == "python -m pip install 'edge_affect[media]'"
    assert "gir1.2-gst-plugins-base-1.0" in _named(findings, "gi").mend
    assert "portaudio19-dev" in _named(findings, "pyaudio").mend
    assert "JetPack" in _named(findings, "tensorrt").mend
    assert _named(findings, "microphones").detail == "unknown without pyaudio"
    assert "no /dev/video*" in doctor_text(findings)


@pytest.mark.parametrize(
    ("changes", "state", "detail"),
    [
        ({}, "ok", "runs bundles with graphs for trt-int8 or trt-fp16: edge-affect"),
        ({"cuda": {"absent": "no"}}, "ok", "trt-fp16; without CUDA graphs"),
        ({"tensorrt": {"error": "libnvinfer"}}, "missing", "lacks tensorrt"),
        (
            {"tensorrt": {"absent": "no"}, "pycuda": {"error": "no libcuda"}},
            "missing",
            "the GPU is idle: lacks tensorrt and pycuda",
        ),
    ],
)
def test_doctor_says_whether_a_gpu_can_run_engines(
    tmp_path: Path, changes: dict[str, Any], state: str, detail: str
) -> None:
    """With a GPU, what its backend lacks is named."""
    finding = _named(examine(tmp_path, _found(**changes)), "TensorRT")
    assert finding.state == state
    assert detail in finding.detail


def test_doctor_asks_nothing_of_tensorrt_without_a_gpu(tmp_path: Path) -> None:
    """Most machines have none, and lack nothing."""
    findings = examine(tmp_path, _found(gpu={"devices": []}))
    assert "TensorRT" not in {finding.name for finding in findings}


@pytest.mark.parametrize(
    "change",
    [
        {"numpy": {"absent": "No module named 'numpy'"}},
        {"cv2": {"error": "ImportError: libGL.so.1: cannot open shared object file"}},
        {"cv2": {"gstreamer": False, "haar": False, "yunet": True}},
        {"graphs": {"error": "the process ended with signal 11"}},
    ],
)
def test_doctor_fails_when_the_runtime_cannot_work(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    """Whatever the SDK needs is missed, with the reason and what mends it."""
    findings = examine(tmp_path, _found(**change))
    assert not works(findings)
    broken = next(item for item in findings if item.needed and item.state != "ok")
    assert broken.mend
    assert doctor_text(findings).endswith("the runtime does not work")


def test_doctor_says_which_packages_won_on_a_jetson(tmp_path: Path) -> None:
    """With JetPack's packages in the way the file of each is named."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text("# R36 (release), REVISION: 4.3\n")
    without = {"gstreamer": False, "haar": True, "yunet": True, "version": "4.14"}
    absent = {"absent": "no"}
    findings = examine(tmp_path, _found(cv2=without, gi=absent, tensorrt=absent))
    jetson = {item.name: item for item in findings if item.topic == "jetson"}
    assert jetson["L4T"].detail == "R36 (release), REVISION: 4.3"
    assert "/lib/numpy" in jetson["numpy"].detail
    assert jetson["cv2"].state == "ok"  # cameras need no GStreamer of OpenCV's
    assert "python3-gi" in jetson["gi"].mend
    assert jetson["tensorrt"].state == "missing"
    assert works(findings)


def test_doctor_tells_heat_throttling_and_power_mode_of_a_jetson(
    tmp_path: Path,
) -> None:
    """What the board tells is shown; in a container that hides it, what mends that."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text("# R36 (release), REVISION: 4.3\n")
    hidden = _named(examine(tmp_path, _found()), "board")
    assert (hidden.state, hidden.detail) == ("missing", "tells nothing")
    assert "/var/lib/nvpmodel" in hidden.mend
    for name, text in {
        "sys/class/thermal/thermal_zone0/temp": "51250",
        "sys/class/hwmon/hwmon0/name": "soctherm_oc",
        "sys/class/hwmon/hwmon0/oc1_event_cnt": "0",
        "var/lib/nvpmodel/status": "pmode:0001",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    board = _named(examine(tmp_path, _found()), "board")
    assert board.state == "ok"
    assert board.detail.startswith("power mode 1, hottest zone 51.25 °C, throttled 0 ")


def test_doctor_answers_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Programs read the same findings; the exit code is the verdict."""
    monkeypatch.setattr(module, "look", lambda: _found(graphs={"error": "no bundle"}))
    assert main(["doctor", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["works"] is False
    assert {"topic", "name", "state", "detail", "mend", "needed"} == set(
        answer["findings"][0]
    )
    monkeypatch.setattr(module, "look", _found)
    assert main(["doctor"]) == 0
    assert "the runtime works" in capsys.readouterr().out


def test_time_graphs_steps_every_graph() -> None:
    """Each graph ran, and what really runs it is named."""
    found = time_graphs(load_bundle(TINY, allow_unsigned=True))
    assert found["provider"] == "CPUExecutionProvider"
    assert found["step_ms"].keys() == {"face", "voice", "affect"}
    assert all(ms > 0 for ms in found["step_ms"].values())


def test_probe_of_a_package_says_where_it_is() -> None:
    """A package that imports gives its version and file."""
    found = look([Package("json", "", "tests", "found['more'] = 1")])
    assert found["json"]["file"].endswith("__init__.py")
    assert found["json"]["more"] == 1
    assert {"gpu", "graphs"} < found.keys()


def test_probe_of_an_absent_package_says_so() -> None:
    """What is not installed is absent, not broken."""
    found = run_probe("import not_a_package_of_anyone")
    assert found == {"absent": "No module named 'not_a_package_of_anyone'"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise OSError('broken\\nlines')", "OSError: broken"),
        ("import os; os.abort()", "the process ended with signal 6"),
        ("import os; os._exit(3)", "the process ended with no answer"),
    ],
)
def test_probe_that_fails_is_a_finding(body: str, reason: str) -> None:
    """Neither an exception nor a crash of the child reaches the doctor."""
    assert run_probe(body) == {"error": reason}


def test_probe_without_an_interpreter_is_a_finding() -> None:
    """Even a missing Python is reported, not raised."""
    assert "No such file" in run_probe("pass", "/nowhere/python")["error"]
    assert run_probe("return {'a': 1}", sys.executable) == {"a": 1}
