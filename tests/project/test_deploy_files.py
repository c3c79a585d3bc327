"""What is installed on a device by hand: units, scripts, the container file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JETSON = ROOT / "deploy" / "jetson"
UNITS = sorted(JETSON.glob("*.service"))
SCRIPTS = sorted((ROOT / "deploy").rglob("*.sh"))
SECURITY = ROOT / "benchmarks" / "results" / "systemd-security.txt"
PROGRAM = Path("opt/edge_affect/bin/edge-affect")
SYSTEM_UNITS = Path("/lib/systemd/system")


def _tool(name: str) -> str:
    """Return where a tool is, beside this Python or on the path; skip without it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _machine(folder: Path) -> Path:
    """Make the files of a machine with our units and our program."""
    shutil.copytree(SYSTEM_UNITS, folder / "lib/systemd/system", symlinks=True)
    ours = folder / "etc/systemd/system"
    ours.mkdir(parents=True)
    for unit in UNITS:
        shutil.copy(unit, ours)
    for path in (PROGRAM, Path("bin/sh")):
        program = folder / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    return folder


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Make a machine's files, or skip where systemd has none to copy."""
    _tool("systemd-analyze")
    if not SYSTEM_UNITS.is_dir():
        pytest.skip(f"there is no {SYSTEM_UNITS}")
    return _machine(tmp_path)


def _verify(machine: Path) -> subprocess.CompletedProcess[str]:
    return _run(
        _tool("systemd-analyze"),
        "verify",
        f"--root={machine}",
        "--recursive-errors=no",
        *(unit.name for unit in UNITS),
    )


def test_units_pass_systemd_verify(machine: Path) -> None:
    """Every key is known, every value parses, and the program is where they say."""
    done = _verify(machine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("WatchdogSecs=5", "WatchdogSec=5"), ("Type=notified", "Type=notify")],
)
def test_units_that_are_wrong_do_not_pass(
    machine: Path, wrong: str, right: str
) -> None:
    """The check above can fail: a misspelt key or value is told."""
    unit = machine / "etc/systemd/system/edge-affect.service"
    text = unit.read_text()
    assert right in text
    unit.write_text(text.replace(right, wrong))
    assert "edge-affect.service" in _verify(machine).stderr


def test_units_are_as_safe_as_their_record_says() -> None:
    """The exposure that this systemd computes is the one that was written down."""
    analyze = _tool("systemd-analyze")
    version = _run(analyze, "--version").stdout.splitlines()[0].split()[1]
    record = SECURITY.read_text()
    recorded = re.search(r"systemd (\d+)", record)
    assert recorded
    if recorded[1] != version:
        pytest.skip(f"the record is of systemd {recorded[1]}, here is {version}")
    for unit in UNITS:
        told = _run(analyze, "security", "--offline=true", "--no-pager", unit).stdout
        level = re.search(r"exposure level for \S+: ([\d.]+)", told)
        assert level
        assert level[0] in record
        # The one that updates may fetch; the others have no network.
        assert float(level[1]) <= (1.7 if "update" in unit.name else 1.5)


@pytest.mark.parametrize(
    "script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_scripts_pass_shellcheck(script: Path) -> None:
    """No finding, of any severity."""
    done = _run(_tool("shellcheck"), "--severity=style", script)
    assert (done.returncode, done.stdout) == (0, "")
    assert os.access(script, os.X_OK)


def test_container_file_passes_hadolint() -> None:
    """No finding; what is ignored says why on the line above."""
    done = _run(_tool("hadolint"), JETSON / "Containerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_container_file_copies_what_there_is() -> None:
    """Each path that it takes from the checkout exists."""
    text = (JETSON / "Containerfile").read_text()
    copied = re.findall(r"^COPY ((?!--).+) \S+$", text, re.MULTILINE)
    paths = [path for line in copied for path in line.split()]
    assert paths
    assert all((ROOT / path).exists() for path in paths)


def test_units_name_what_the_code_knows() -> None:
    """The installed path, the settings' file and the key are those of install.sh."""
    script = (JETSON / "install.sh").read_text()
    assert "home=/opt/edge_affect settings=/etc/edge-affect" in script
    for unit in UNITS:
        text = unit.read_text()
        assert f"ExecStart=/{PROGRAM} " in text
        assert "edge-affect-engine-key:/etc/edge-affect/engine.key" in text
        assert unit.name in script
    assert "/etc/edge-affect/run.json" in (JETSON / "edge-affect.service").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [((), 1, "this is no Jetson"), (("a.whl", "b.whl"), 2, "got 2 arguments")],
)
def test_install_refuses_in_one_line(
    arguments: tuple[str, ...], code: int, told: str
) -> None:
    """Nothing is touched on a machine that is not meant."""
    if Path("/etc/nv_tegra_release").exists():
        pytest.skip("this is a Jetson: it would be installed on")
    done = _run("bash", JETSON / "install.sh", *arguments)
    assert done.returncode == code
    expected = told if code == 2 or os.geteuid() == 0 else "needs root"
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_units_share_user_folders_and_key() -> None:
    """What one builds or installs the other runs: same store, cache, seal and user."""
    folders = ("CacheDirectory", "StateDirectory", "Environment")
    shared = ("User", "Group", "UMask", *folders, "LoadCredential")
    told = {
        unit.name: [
            line
            for line in unit.read_text(encoding="utf-8").splitlines()
            if line.partition("=")[0] in shared
        ]
        for unit in UNITS
    }
    assert len(told) == 3
    assert len({tuple(lines) for lines in told.values()}) == 1, told
