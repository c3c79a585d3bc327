from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from edge_affect.cli import main
from edge_affect.clock import NS_PER_S, SimClock
from edge_affect.commands.terminal import Terminal
from edge_affect.commands.update import _Progress
from edge_affect.update.state import StoreState
from edge_affect.update.store import Store, store_folder
from tests.fakes.bundles import TINY, golden_bundle, zipped
from tests.fakes.web import sends, serving

LEAVE = "--allow-unsigned"


def _store() -> Store:
    folder = store_folder()
    assert folder is not None
    return Store(folder)


def test_update_installs_and_says_what_comes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a server: progress to the error output, the answer to the other one."""
    archive = zipped(golden_bundle(tmp_path / "new"), tmp_path / "new.zip")
    with serving(sends(archive.read_bytes())) as address:
        assert main(["update", f"{address}/new.zip", LEAVE]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("tiny 1.0.0 is installed and on trial")
    assert captured.err == "fetching 0.5 MiB\n"
    assert main(["update", str(archive), LEAVE]) == 0
    assert capsys.readouterr().out == "tiny 1.0.0 is installed already\n"


def test_update_replays_the_golden_inputs_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bundle that computes otherwise here, or has none, is not installed."""
    wrong = golden_bundle(tmp_path / "new", wrong_by=0.1)
    assert main(["update", str(wrong), LEAVE]) == 1
    assert "golden inputs: face." in capsys.readouterr().err
    assert main(["update", str(TINY), LEAVE]) == 1
    assert "has no golden inputs for cpu-fp32" in capsys.readouterr().err
    assert _store().state() == StoreState()


def test_update_needs_leave_or_a_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The flags are named in the error."""
    folder = golden_bundle(tmp_path / "new")
    assert main(["update", str(folder)]) == 1
    captured = capsys.readouterr()
    assert "--allow-unsigned" in captured.err
    assert "--key" in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [[], ["--status", "x"], ["--status", LEAVE], ["ftp://x/y.zip", LEAVE]],
)
def test_update_wrong_usage_is_exit_code_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One line each."""
    assert main(["update", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_update_status_tells_what_runs_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any update, on trial, after it and after a failure."""

    def lines() -> dict[str, str]:
        assert main(["update", "--status"]) == 0
        out = capsys.readouterr().out.splitlines()
        return {line.split()[0]: line[10:] for line in out}

    assert lines()["runs"].endswith("(shipped with edge_affect)")
    main(["update", str(golden_bundle(tmp_path / "one")), LEAVE])
    capsys.readouterr()
    assert "tiny 1.0.0" in lines()["runs"]
    assert "on trial" in lines()["runs"]
    _store().change(StoreState.committed)
    assert "on trial" not in lines()["runs"]
    assert lines()["floor"] == "1.0.0"
    main(["update", str(golden_bundle(tmp_path / "two", "1.1.0")), LEAVE])
    capsys.readouterr()
    assert lines()["before"] == "tiny 1.0.0"
    _store().change(lambda state: state.rolled_back("too slow"))
    assert "tiny 1.0.0" in lines()["runs"]
    assert lines()["refused"].endswith(": too slow")


def test_update_without_a_home_says_which_variable_helps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service without a home names a folder."""
    monkeypatch.setattr("edge_affect.commands.update.store_folder", lambda: None)
    assert main(["update", "--status"]) == 1
    assert "EDGE_AFFECT_BUNDLES" in capsys.readouterr().err


def test_progress_is_drawn_in_place_on_a_terminal() -> None:
    """Not more often than eyes can follow, and it goes in the end."""

    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    out, clock = Tty(), SimClock()
    progress = _Progress(Terminal(out, {"TERM": "xterm"}), clock)
    progress.tell(1024 * 1024, 2 * 1024 * 1024)
    progress.tell(1024 * 1024 + 1, 2 * 1024 * 1024)
    clock.advance_to(NS_PER_S)
    progress.tell(2 * 1024 * 1024, None)
    progress.end()
    assert out.getvalue().count("fetching: 1.0 of 2.0 MiB") == 1
    assert out.getvalue().count("fetching: 2.0 MiB") == 1


def _sign(folder: Path, key: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    private = ed25519.Ed25519PrivateKey.generate()
    signature = private.sign((folder / "manifest.json").read_bytes())
    (folder / "manifest.sig").write_bytes(signature)
    key.write_bytes(
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def test_a_key_opens_every_command_to_a_signed_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """verify, update and run take what the key's holder signed, without leave."""
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    folder, key = golden_bundle(tmp_path / "new"), tmp_path / "key.pub"
    _sign(folder, key)
    assert main(["verify", str(folder), "--key", str(key), "--golden"]) == 0
    out = capsys.readouterr().out
    assert "signed by the key" in out
    assert "golden inputs, cpu-fp32 on CPUExecutionProvider" in out
    run = ("run", "simulated", "--purpose", "research", "--max-seconds", "0.2")
    assert main([*run, "--bundle", str(folder), "--key", str(key)]) == 0
    assert main([*run, "--bundle", str(folder)]) == 1
    assert main(["update", str(folder), "--key", str(key)]) == 0
    capsys.readouterr()
    assert main([*run]) == 0
    assert "tiny 1.0.0" in capsys.readouterr().err


def test_inspect_says_that_a_signature_wants_a_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A signature alone is nothing to trust."""
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    folder = golden_bundle(tmp_path / "new")
    _sign(folder, tmp_path / "key.pub")
    assert main(["inspect", str(folder), "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert "checked with --key" in card["trust"]
    assert card["golden"]["tolerances"] == {"cpu-fp32": 0.001}
    assert main(["inspect", str(folder)]) == 0
    assert "golden   cpu-fp32 within 0.001\n" in capsys.readouterr().out


def test_run_takes_the_key_from_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As every other setting."""
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    folder, key = golden_bundle(tmp_path / "new"), tmp_path / "key.pub"
    _sign(folder, key)
    values = {
        "source": "simulated",
        "purpose": "research",
        "bundle": str(folder),
        "key": str(key),
        "max_seconds": 0.2,
    }
    config = tmp_path / "run.json"
    config.write_text(json.dumps(values), encoding="utf-8")
    assert main(["run", "--config", str(config)]) == 0
    assert main(["run", "--config", str(config), "--out", str(key)]) == 2
    assert "would be written over" in capsys.readouterr().err
