from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_affect import __version__, cli
from edge_affect.cli import main
from edge_affect.commands.terminal import Terminal
from edge_affect.errors import BundleError, SourceError
from edge_affect.labels import PURPOSES

HEAVY = ("numpy", "cv2", "onnxruntime", "edge_affect.types")


def _raises(error: BaseException) -> Callable[[object, Terminal], int]:
    def command(options: object, terminal: Terminal) -> int:
        raise error

    return command


def _replace(
    monkeypatch: pytest.MonkeyPatch, command: Callable[[object, Terminal], int]
) -> None:
    monkeypatch.setitem(cli._COMMANDS, "doctor", command)


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_cli_answers_at_once(flag: str) -> None:
    """The version and the help wait for no heavy import."""
    code = (
        "import sys\nfrom edge_affect.cli import main\n"
        f"try:\n    main([{flag!r}])\nexcept SystemExit as end:\n"
        f"    print([m for m in {HEAVY!r} if m in sys.modules], end.code)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout.endswith("[] 0\n")
    assert not run.stderr


def test_cli_prints_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The version goes to the standard output."""
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"edge-affect {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["run", "x", "--budget-ms", "fast"],
        ["run", "x", "--backend", "gpu"],
        ["run", "x", "--unknown"],
        ["report", "x"],
    ],
)
def test_cli_calls_wrong_usage_by_exit_code_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on the error output says what was wrong."""
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    captured = capsys.readouterr()
    assert captured.err.startswith("edge-affect: ")
    assert captured.err.count("\n") == 1
    assert not captured.out


def test_run_without_a_purpose_names_all_four(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, and one line for each purpose on what it means."""
    assert main(["run", "clip.mp4"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("edge-affect: --purpose: is missing")
    assert [line.split()[0] for line in lines[1:]] == list(PURPOSES)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (SourceError("camera 0: is gone\n> details"), 1, "camera 0: is gone > details"),
        (BundleError("use allow_unsigned=True"), 1, "use --allow-unsigned"),
        (
            ModuleNotFoundError("No module named 'cv2'"),
            1,
            "doctor says what to install",
        ),
        (KeyError("x"), 1, "KeyError: 'x'; this should not happen"),
        (MemoryError(), 1, "MemoryError"),
    ],
)
def test_cli_tells_a_fault_in_one_line(
    error: Exception,
    code: int,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither ours nor unexpected errors show a traceback."""
    _replace(monkeypatch, _raises(error))
    assert main(["doctor"]) == code
    err = capsys.readouterr().err
    assert text in err
    assert err.startswith("edge-affect: ")
    assert err.count("\n") == 1


def test_cli_shows_where_a_fault_came_from_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """EDGE_AFFECT_DEBUG=1 adds the traceback."""
    monkeypatch.setenv("EDGE_AFFECT_DEBUG", "1")
    _replace(monkeypatch, _raises(KeyError("x")))
    assert main(["doctor"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (BrokenPipeError(), 0)]
)
def test_cli_is_quiet_when_the_user_leaves(
    error: BaseException,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C and a closed pipe are no faults."""
    _replace(monkeypatch, _raises(error))
    assert main(["doctor"]) == code
    assert not capsys.readouterr().err


def test_cli_shows_the_sdk_s_warnings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warning is one line while the command runs; no handler stays behind."""

    def warn(options: object, terminal: Terminal) -> int:
        logging.getLogger("edge_affect.x").info("not this")
        logging.getLogger("edge_affect.x").warning("camera %d: slow", 3)
        return 0

    before = list(logging.getLogger("edge_affect").handlers)
    _replace(monkeypatch, warn)
    assert main(["doctor"]) == 0
    assert capsys.readouterr().err == "edge-affect: warning: camera 3: slow\n"
    assert logging.getLogger("edge_affect").handlers == before


def test_cli_leaves_a_broken_stdout_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be flushed is forgotten, so Python's end is silent too."""

    class Broken(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Broken())
    _replace(monkeypatch, lambda options, terminal: 0)
    assert main(["doctor"]) == 0


def test_module_is_the_command() -> None:
    """``python -m edge_affect`` does what ``edge-affect`` does."""
    run = subprocess.run(
        [sys.executable, "-m", "edge_affect", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=Path(cli.__file__).parent.parent,
    )
    assert run.stdout == f"edge-affect {__version__}\n"
