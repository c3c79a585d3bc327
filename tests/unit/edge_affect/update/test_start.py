from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_affect.affect_model import AffectModel
from edge_affect.errors import (
    BundleError,
    PurposeError,
    RunnerError,
    SourceError,
    UsageError,
)
from edge_affect.update.start import MOST_STARTS
from edge_affect.update.state import StoreState
from edge_affect.update.store import Store
from tests.unit.edge_affect.update.conftest import Install


def _load(purpose: str = "research", **settings: Any) -> AffectModel:
    return AffectModel.load(purpose=purpose, **settings)


def _damage(store: Store, digest: str, name: str = "face.cpu-fp32.onnx") -> None:
    (store.folder / digest / name).write_bytes(b"damaged")


def test_without_a_store_the_shipped_bundle_runs(store: Store, shipped: str) -> None:
    """Nothing is made, nothing is on trial."""
    model = _load()
    assert (model.bundle.digest, model.trial) == (shipped, None)
    assert not store.folder.exists()


def test_without_a_place_for_a_store_the_shipped_bundle_runs(
    shipped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user without a home has nothing installed."""
    monkeypatch.setattr("edge_affect.update.start.store_folder", lambda: None)
    assert _load().bundle.digest == shipped


def test_an_installed_bundle_runs_on_trial_and_then_stays(
    store: Store, install: Install, shipped: str
) -> None:
    """Whoever names no bundle gets it; whoever names one gets that."""
    digest = install().bundle.digest
    model = _load()
    assert model.bundle.digest == digest
    assert model.trial is not None
    store.change(StoreState.committed)
    model = _load()
    assert (model.bundle.digest, model.trial) == (digest, None)
    named = Path(store.folder.parent / "none")
    with pytest.raises(BundleError, match="cannot be read"):
        AffectModel.load(named, purpose="research")


def test_loading_on_trial_leaves_no_start_behind(
    store: Store, install: Install, shipped: str
) -> None:
    """A program that loads, reads a picture and ends was no crash."""
    install()
    for _ in range(MOST_STARTS + 2):
        _load().close()
    assert store.state().starts == 0


def test_a_start_is_counted_before_anything_is_run(
    store: Store, install: Install, shipped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph that crashes the process while it loads is seen at the next start."""
    install()
    starts: list[int | None] = []

    def watch(*_: object) -> None:
        starts.append(store.state().starts)

    monkeypatch.setattr("edge_affect.affect_model.check_golden", watch)
    _load()
    assert starts == [1]


def test_a_damaged_bundle_gives_way_to_the_one_before_it(
    store: Store, install: Install, shipped: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Then to the shipped one; one warning for each that was left out."""
    first = install("1.0.0").bundle.digest
    store.change(StoreState.committed)
    second = install("1.1.0").bundle.digest
    store.change(StoreState.committed)
    _damage(store, second)
    with caplog.at_level(logging.WARNING, "edge_affect"):
        assert _load().bundle.digest == first
    (warning,) = caplog.records
    assert "tiny 1.1.0 is left out" in warning.getMessage()
    _damage(store, first)
    assert _load().bundle.digest == shipped
    # Nothing was decided: a bundle that is mended runs again.
    install("1.1.0")
    assert _load().bundle.digest == second


def test_a_damaged_state_starts_the_shipped_bundle(
    store: Store, install: Install, shipped: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning says so."""
    install()
    (store.folder / "state.json").write_bytes(b"{")
    assert _load().bundle.digest == shipped
    (warning,) = caplog.records
    assert warning.getMessage().endswith("; the shipped bundle runs")


def test_a_bundle_on_trial_that_does_not_load_is_rolled_back(
    store: Store, install: Install, shipped: str
) -> None:
    """The one before it runs at once, and from then on."""
    first = install("1.0.0").bundle.digest
    store.change(StoreState.committed)
    second = install("1.1.0").bundle.digest
    _damage(store, second)
    model = _load()
    assert (model.bundle.digest, model.trial) == (first, None)
    state = store.state()
    assert not state.on_trial
    assert state.current is not None
    assert state.current.digest == first
    assert [refused.digest for refused in state.refused] == [second]
    assert "face.cpu-fp32.onnx" in state.refused[0].reason


def test_a_golden_mismatch_at_the_start_is_rolled_back(
    store: Store, install: Install, shipped: str
) -> None:
    """A runtime that changed since the update shows here."""
    install(wrong_by=0.1)
    assert _load().bundle.digest == shipped
    assert "golden inputs" in store.state().refused[0].reason


def test_a_start_that_fails_in_an_unforeseen_way_is_rolled_back(
    store: Store, install: Install, shipped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device must start, whatever the new bundle makes of our code."""
    install()

    def stumble(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr("edge_affect.affect_model.check_golden", stumble)
    assert _load().bundle.digest == shipped
    assert store.state().refused[0].reason == "KeyError"


def test_a_bundle_that_this_purpose_forbids_is_rolled_back_only_for_a_better_one(
    store: Store, install: Install, shipped: str
) -> None:
    """The shipped one tells of emotions too: the new bundle is not at fault."""
    install()
    with pytest.raises(PurposeError):
        _load("fleet")
    assert store.state().on_trial
    assert store.state().starts == 0


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"backend": "gpu"}, UsageError),
        ({"backend": "tensorrt"}, RunnerError),
        ({"target": "cpu-int8"}, BundleError),
        ({"detector": "/nowhere/face.onnx"}, SourceError),
    ],
)
def test_a_caller_s_mistake_is_no_fault_of_a_bundle(
    store: Store,
    install: Install,
    shipped: str,
    settings: dict[str, Any],
    error: type[Exception],
) -> None:
    """What no bundle could do rolls none back."""
    install()
    with pytest.raises(error):
        _load(**settings)
    assert store.state().on_trial


def test_a_bundle_that_kills_the_process_is_rolled_back(
    store: Store, install: Install, shipped: str
) -> None:
    """Three starts that never came to an end, such as by a crash in native code."""
    digest = install().bundle.digest
    for _ in range(MOST_STARTS):
        assert _load().bundle.digest == digest
        store.change(lambda s: s.started(store.boot))  # and the process died
    model = _load()
    assert (model.bundle.digest, model.trial) == (shipped, None)
    assert "starts came to no end" in store.state().refused[0].reason


def test_a_bundle_whose_starts_ended_with_the_power_stays(
    store: Store, install: Install
) -> None:
    """A car's power goes when the key is turned, and nobody had sat down yet."""
    digest = install().bundle.digest
    for drive in range(MOST_STARTS + 1):
        assert _load().bundle.digest == digest
        boot = f"boot {drive}"
        Store(store.folder, boot=boot).change(partial(StoreState.started, boot=boot))
    assert store.state().on_trial
    assert not store.state().refused


def test_a_store_that_cannot_be_written_still_starts(
    store: Store,
    install: Install,
    shipped: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A disk that went read-only keeps nothing, and stops nothing."""
    digest = install().bundle.digest

    def fail(store: Store, turn: object) -> StoreState:
        raise BundleError("read-only")

    monkeypatch.setattr(Store, "change", fail)
    assert _load().bundle.digest == digest
    assert "read-only" in caplog.text
    _damage(store, digest)
    assert _load().bundle.digest == shipped
    assert "this cannot be kept: read-only" in caplog.text
