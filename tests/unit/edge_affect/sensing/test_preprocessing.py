from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_affect.errors import BundleError
from edge_affect.model.manifest import Manifest, parse_manifest
from edge_affect.sensing.preprocessing import check_preprocessing

TINY = Path(__file__).resolve().parents[3] / "data" / "tiny_bundle"


@pytest.fixture
def manifest() -> Manifest:
    """Return a manifest that expects what sensing gives."""
    return parse_manifest((TINY / "manifest.json").read_bytes())


def test_check_preprocessing_takes_what_sensing_gives(manifest: Manifest) -> None:
    """The test bundle fits; if not: python tests/data/regenerate.py."""
    check_preprocessing(manifest)


def test_check_preprocessing_refuses_another_normalisation(manifest: Manifest) -> None:
    """Log-mels normalised otherwise would give wrong estimates without an error."""
    expected = manifest.preprocessing
    other = replace(expected, voice=replace(expected.voice, mean=-6.0))
    with pytest.raises(BundleError, match=r"\.preprocessing\.voice\.mean: .* -6\.0"):
        check_preprocessing(replace(manifest, preprocessing=other))


def test_check_preprocessing_refuses_another_template(manifest: Manifest) -> None:
    """Faces aligned otherwise are refused."""
    expected = manifest.preprocessing
    other = replace(expected, face=replace(expected.face, template=((0.0, 0.0),) * 5))
    with pytest.raises(BundleError, match=r"\.preprocessing\.face\.template"):
        check_preprocessing(replace(manifest, preprocessing=other))


def test_check_preprocessing_refuses_another_hop(manifest: Manifest) -> None:
    """The voice graph's hop is the log-mel block's length."""
    timing = replace(manifest.timing, voice_hop_ms=50)
    with pytest.raises(BundleError, match=r"\.timing\.voice_hop_ms: .*50.*100"):
        check_preprocessing(replace(manifest, timing=timing))
