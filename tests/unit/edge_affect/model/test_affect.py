from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from edge_affect.model.affect import AffectGraphs, Evidence, FaceReading
from edge_affect.model.bundle import LINKS, Bundle, load_bundle
from edge_affect.runners.onnxruntime import OnnxRunner
from tests.fakes.bundles import TINY


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """Return the tiny bundle."""
    return load_bundle(TINY, allow_unsigned=True)


@pytest.fixture
def graphs(bundle: Bundle) -> AffectGraphs:
    """Return its graphs on ONNX Runtime."""
    runner = OnnxRunner(bundle.graphs_for("cpu-fp32"), links=bundle.links)
    return AffectGraphs(runner, bundle.manifest)


def test_face_and_affect_is_face_and_then_affect(graphs: AffectGraphs) -> None:
    """In one go or one after the other: readings and states are the same bits."""
    random = np.random.default_rng(5)
    together, apart = graphs.new_state(), graphs.new_state()
    for number in range(5):
        image = random.integers(0, 256, (112, 112, 3), np.uint8)
        hop = random.normal(size=(1, 32)).astype(np.float32)
        voice = hop if number % 2 else None
        evidence = Evidence(None, 0.01 * number, voice, 0.2 * number)
        both = graphs.face_and_affect(together, image, evidence)
        face = graphs.face(apart, image)
        affect = graphs.affect(apart, replace(evidence, face=face.embedding))
        assert np.array_equal(both[0].embedding, face.embedding)
        assert _without_embedding(both[0]) == _without_embedding(face)
        assert both[1] == affect


def _without_embedding(reading: FaceReading) -> dict[str, Any]:
    """Return what can be compared as a whole: arrays cannot."""
    return {k: v for k, v in asdict(reading).items() if k != "embedding"}


def test_bundle_links_the_face_to_the_affect_graph(bundle: Bundle) -> None:
    """The link is there where both graphs are."""
    assert bundle.links == LINKS
    without = {name: files for name, files in bundle.graphs.items() if name != "face"}
    assert replace(bundle, graphs=without).links == ()
