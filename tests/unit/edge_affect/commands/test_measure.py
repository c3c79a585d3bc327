from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from edge_affect.cli import main
from edge_affect.clock import NS_PER_MS, SimClock
from edge_affect.commands import measure as module
from edge_affect.commands.measure import (
    Measured,
    _Progress,
    measure_bundle,
    measured_text,
)
from edge_affect.commands.terminal import Terminal
from edge_affect.doctor import findings
from edge_affect.doctor import measure as timing
from edge_affect.doctor.findings import Finding
from edge_affect.doctor.measure import Comparison, Measurement, Ratio
from edge_affect.errors import RunnerError
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.runners.base import Runner
from edge_affect.runners.choices import Choice, choice_key
from edge_affect.runners.select import make_runner
from tests.fakes.bundles import TINY, two_target_bundle

BOTH = ["cpu-fp32", "cpu-int8"]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Return a bundle of two targets."""
    return str(two_target_bundle(tmp_path / "two"))


@pytest.fixture(autouse=True)
def _sound_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the doctor find nothing wrong, and few rounds be enough."""
    sound = [Finding("runtime", "bundle", "ok", "runs", needed=True)]
    monkeypatch.setattr(findings, "examine", lambda: sound)
    monkeypatch.setattr(timing, "FEWEST_ROUNDS", 2)
    monkeypatch.setattr(timing, "MOST_ROUNDS", 3)


def _terminal() -> Terminal:
    return Terminal(io.StringIO(), {})


def test_doctor_measures_the_targets_of_a_bundle(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names each target's times and the choice, which then runs."""
    assert main(["doctor", "--measure", folder, "--allow-unsigned"]) == 0
    out = capsys.readouterr().out
    assert "the runtime works\n\nframe step of tiny 0.0.1" in out
    assert all(f"\n  {target}" in out for target in BOTH)
    assert "at 30/s" in out
    bundle = load_bundle(Path(folder), allow_unsigned=True)
    _, choice = make_runner("auto", bundle)
    assert choice.reason.startswith("measured here: ")
    assert f"\nchoice: {choice.target} ({choice.reason}); kept in " in out


def test_doctor_measures_as_json(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Programs read the same, with what the measurement holds for."""
    given = ["doctor", "--measure", folder, "--allow-unsigned", "--json"]
    assert main(given) == 0
    answer = json.loads(capsys.readouterr().out)
    measured = answer["measured"]
    bundle = load_bundle(Path(folder), allow_unsigned=True)
    assert measured["bundle_digest"] == bundle.digest
    assert measured["cpu"] == choice_key("").cpu
    assert list(measured["paced"]["median_ms"]) == BOTH
    assert list(measured["back_to_back"]["ratio"]) == BOTH[1:]
    kept = json.loads(Path(measured["file"]).read_bytes())
    assert {k: kept[k] for k in ("target", "reason")} == measured["choice"]
    assert measured["fault"] is None
    assert main(["doctor", "--json"]) == 0
    assert "measured" not in json.loads(capsys.readouterr().out)


def test_doctor_tells_what_it_measured_even_if_it_cannot_keep_it(
    folder: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A cache that cannot be written is one line and exit code 1."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert main(["doctor", "--measure", folder, "--allow-unsigned"]) == 1
    captured = capsys.readouterr()
    assert "\nchoice: " in captured.out
    assert "kept in" not in captured.out
    assert captured.err.startswith(f"edge-affect: {tmp_path / 'file'}")
    assert captured.err.count("\n") == 1


def test_doctor_measures_anew_what_is_damaged(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A damaged file is replaced; until then one warning says what to do."""
    bundle = load_bundle(Path(folder), allow_unsigned=True)
    given = ["doctor", "--measure", folder, "--allow-unsigned", "--json"]
    assert main(given) == 0
    file = Path(json.loads(capsys.readouterr().out)["measured"]["file"])
    file.write_bytes(b"{")
    assert main(given) == 0
    assert not capsys.readouterr().err
    assert make_runner("auto", bundle)[1].reason.startswith("measured here: ")


def test_doctor_has_nothing_to_choose_from_one_target(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The one target is timed, and nothing is kept."""
    assert main(["doctor", "--measure", str(TINY), "--allow-unsigned"]) == 0
    out = capsys.readouterr().out
    assert "cpu-fp32 is the only target that runs here: nothing to choose" in out
    assert "kept in" not in out


def test_doctor_measures_the_shipped_bundle_by_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a directory it loads what an installation has."""
    asked: list[Path | None] = []

    def load(path: Path | None, *, allow_unsigned: bool) -> Bundle:
        asked.append(path)
        assert not allow_unsigned
        return load_bundle(TINY, allow_unsigned=True)

    monkeypatch.setattr(module, "load_bundle", load)
    assert main(["doctor", "--measure"]) == 0
    assert asked == [None]
    assert "frame step of tiny 0.0.1" in capsys.readouterr().out


def test_doctor_measures_no_bundle_without_leave(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bundle that was not shipped is run when the user says so, else not."""
    assert main(["doctor", "--measure", folder]) == 1
    assert "--allow-unsigned loads it" in capsys.readouterr().err
    assert main(["doctor", "--allow-unsigned"]) == 2
    assert "goes with --measure" in capsys.readouterr().err


def test_doctor_measures_nothing_when_the_runtime_is_broken(
    folder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The findings say what to mend first."""
    broken = Finding("runtime", "numpy", "broken", "x", "mend it", needed=True)
    monkeypatch.setattr(findings, "examine", lambda: [broken])
    assert main(["doctor", "--measure", folder, "--allow-unsigned"]) == 1
    assert capsys.readouterr().out.endswith("the runtime does not work\n")


def test_measure_leaves_out_a_target_that_does_not_run_here(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told why; the default must run."""

    def make(
        backend: str, bundle: Bundle, target: str | None = None
    ) -> tuple[Runner, Choice]:
        if target == refused:
            raise RunnerError("face: no such operator")
        return make_runner(backend, bundle, target)

    monkeypatch.setattr(module, "make_runner", make)
    refused = "cpu-int8"
    found = measure_bundle(Path(folder), _terminal(), allow_unsigned=True)
    assert found.file is None
    told = measured_text(found)
    assert "  cpu-int8 does not run here: face: no such operator" in told
    refused = "cpu-fp32"
    with pytest.raises(RunnerError, match="no such operator"):
        measure_bundle(Path(folder), _terminal(), allow_unsigned=True)


def test_measured_text_says_which_is_faster_and_by_how_much() -> None:
    """Medians, ratios with their intervals, and the choice stand in it."""
    rushed = Comparison(
        {"cpu-fp32": 2.0, "cpu-int8": 1.0}, {"cpu-int8": Ratio(0.5, 0.49, 0.52)}, 40
    )
    paced = Comparison(
        {"cpu-fp32": 3.0, "cpu-int8": 2.4}, {"cpu-int8": Ratio(0.8, 0.79, 0.81)}, 40
    )
    bundle = load_bundle(TINY, allow_unsigned=True)
    found = Measurement("cpu-fp32", 30.0, rushed, paced)
    file = Path("/cache/x.json")
    reason = (
        "measured here: 1.25 times as fast as cpu-fp32 at 30 per second, "
        "2.00 times back to back"
    )
    text = measured_text(Measured(bundle, choice_key(""), found, {}, file))
    assert text.splitlines()[1:] == [
        "  target    back to back  of cpu-fp32           at 30/s  of it",
        "  cpu-fp32      2.000 ms                       3.000 ms",
        "  cpu-int8      1.000 ms  0.50 (0.49 to 0.52)  2.400 ms  0.80 (0.79 to 0.81)",
        "",
        f"choice: cpu-int8 ({reason}); kept in /cache/x.json",
    ]


class _Screen(io.StringIO):
    encoding = "ascii"

    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_after_a_second() -> None:
    """What is quick shows nothing; then one line, five times a second at most."""
    clock, screen = SimClock(), _Screen()
    progress = _Progress(Terminal(screen, {"TERM": "xterm"}), clock, BOTH)
    for number in range(100):
        clock.advance_to(number * 20 * NS_PER_MS)
        progress.tell("paced", number)
        if number == 49:
            assert not screen.getvalue()
    progress.end()
    drawn = screen.getvalue()
    assert "cpu-fp32, cpu-int8, paced: round 51 of" in drawn
    assert drawn.count("round") == 5


def test_progress_off_a_terminal_is_one_line() -> None:
    """A log file gets one line, and only when it takes long."""
    clock, log = SimClock(), io.StringIO()
    progress = _Progress(Terminal(log, {}), clock, BOTH)
    progress.tell("paced", 0)
    assert not log.getvalue()
    for seconds in (1, 2, 3):
        clock.advance_to(seconds * 1000 * NS_PER_MS)
        progress.tell("paced", seconds)
    progress.end()
    assert log.getvalue().count("\n") == 1
    assert log.getvalue().startswith("measuring cpu-fp32, cpu-int8")


def test_a_target_that_the_processor_computes_wrongly_is_not_measured(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named with the reason; nothing is left to choose."""
    monkeypatch.setattr(
        module, "why_unfit", lambda target: "no VNNI" if "int8" in target else None
    )
    measured = measure_bundle(Path(folder), _terminal(), allow_unsigned=True)
    assert measured.refused == {"cpu-int8": "no VNNI"}
    assert measured.file is None
    assert "cpu-int8 does not run here: no VNNI" in measured_text(measured)
