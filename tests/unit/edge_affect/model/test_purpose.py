from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_affect.errors import PurposeError
from edge_affect.labels import PURPOSES
from edge_affect.model.bundle import check_purpose, is_emotion_free
from edge_affect.model.manifest import Head, Manifest, parse_manifest

TINY = Path(__file__).resolve().parents[3] / "data" / "tiny_bundle"


@pytest.fixture
def manifest() -> Manifest:
    """Return a manifest with every emotion head."""
    return parse_manifest((TINY / "manifest.json").read_bytes())


@pytest.mark.parametrize("head", ["expression", "valence", "arousal", "voice_emotion"])
def test_fleet_refuses_each_emotion_head(manifest: Manifest, head: str) -> None:
    """One emotion head is enough for fleet to refuse the bundle, in one line."""
    single = replace(manifest, heads={head: Head("x"), "speech": Head("x")})
    assert not is_emotion_free(single)
    with pytest.raises(
        PurposeError, match=f"'fleet': the bundle tiny .*{head}"
    ) as caught:
        check_purpose("fleet", single)
    assert "\n" not in str(caught.value)


def test_fleet_runs_a_bundle_of_signals(manifest: Manifest) -> None:
    """Action units, driver signals and speech infer no emotion."""
    heads = {name: Head("x") for name in ("action_units", "driver", "speech")}
    signals = replace(manifest, heads=heads)
    assert is_emotion_free(signals)
    check_purpose("fleet", signals)


def test_other_purposes_run_any_bundle(manifest: Manifest) -> None:
    """Everything but fleet may have emotion heads."""
    for purpose in set(PURPOSES) - {"fleet"}:
        check_purpose(purpose, manifest)


def test_an_unknown_purpose_is_refused(manifest: Manifest) -> None:
    """A purpose that is not declared is refused with those that are."""
    with pytest.raises(PurposeError, match="expected one of private_vehicle"):
        check_purpose("taxi", manifest)
