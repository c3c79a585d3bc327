from __future__ import annotations

from pathlib import Path

import pytest

from edge_affect.errors import BundleError, UsageError
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.runners.choices import (
    Choice,
    choice_file,
    choice_key,
    save_choice,
)
from edge_affect.runners.select import make_runner, rivals
from tests.fakes.bundles import two_target_bundle

TINY = Path(__file__).resolve().parents[3] / "data" / "tiny_bundle"


@pytest.fixture
def bundle() -> Bundle:
    """Return the tiny bundle."""
    return load_bundle(TINY, allow_unsigned=True)


@pytest.fixture
def two_targets(tmp_path: Path) -> Bundle:
    """Return a bundle whose default is cpu-fp32, with graphs for cpu-int8 too."""
    return load_bundle(two_target_bundle(tmp_path / "two"), allow_unsigned=True)


@pytest.mark.parametrize("backend", ["auto", "onnxruntime"])
def test_make_runner_runs_the_default_target(bundle: Bundle, backend: str) -> None:
    """Without a target the manifest's default runs, on ONNX Runtime."""
    runner, choice = make_runner(backend, bundle)
    assert (runner.backend, choice.target) == ("onnxruntime", "cpu-fp32")
    assert choice.reason == "the bundle's default"
    assert set(runner.signatures) == {"face", "voice", "affect"}


def test_make_runner_runs_the_target_asked_for(bundle: Bundle) -> None:
    """A target by name is the one that runs; one the bundle lacks is refused."""
    _, choice = make_runner("auto", bundle, "cpu-fp32", threads=2)
    assert choice == Choice("cpu-fp32", "asked for")
    with pytest.raises(BundleError, match="for the target 'cpu-int8'"):
        make_runner("auto", bundle, "cpu-int8")


def test_make_runner_prefers_what_was_measured_to_the_default(
    two_targets: Bundle,
) -> None:
    """A name goes over the measurement, the measurement over the bundle's default."""
    assert rivals(two_targets) == ("cpu-fp32", "cpu-int8")
    assert make_runner("auto", two_targets)[1].target == "cpu-fp32"
    measured = Choice("cpu-int8", "measured here: twice as fast")
    save_choice(choice_key(two_targets.digest), measured)
    assert make_runner("auto", two_targets)[1] == measured
    named = make_runner("auto", two_targets, "cpu-fp32")[1]
    assert named == Choice("cpu-fp32", "asked for")


def test_make_runner_believes_no_measurement_of_another_bundle(
    bundle: Bundle, two_targets: Bundle
) -> None:
    """Another digest's choice is not looked at, nor any where there is no choice."""
    measured = Choice("cpu-int8", "measured here")
    save_choice(choice_key("0" * 64), measured)
    save_choice(choice_key(bundle.digest), measured)
    for one in (bundle, two_targets):
        choice = make_runner("auto", one)[1]
        assert choice == Choice("cpu-fp32", "the bundle's default")


def test_make_runner_runs_the_default_when_the_measurement_is_damaged(
    two_targets: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning says what to do, and the default runs."""
    file = save_choice(choice_key(two_targets.digest), Choice("cpu-int8", "measured"))
    assert file == choice_file(choice_key(two_targets.digest))
    file.write_bytes(file.read_bytes()[:-9])
    assert make_runner("auto", two_targets)[1].target == "cpu-fp32"
    (record,) = caplog.records
    assert "edge-affect doctor --measure" in record.getMessage()


def test_make_runner_refuses_unknown_names(bundle: Bundle) -> None:
    """Backends and targets that do not exist are wrong usage."""
    with pytest.raises(UsageError, match="backend: got 'cuda', expected one of auto"):
        make_runner("cuda", bundle)
    with pytest.raises(UsageError, match="target: got 'gpu', expected one of cpu-fp32"):
        make_runner("auto", bundle, "gpu")
