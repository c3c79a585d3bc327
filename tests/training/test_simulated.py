"""Filmed drives of the simulated driver."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")  # the face network's module says what it sees

from edge_affect.labels import EXPRESSIONS
from training.composed.simulated import SEEDS, film

pytestmark = pytest.mark.torch


def test_film_gives_a_face_a_truth_and_sound_for_each_cell() -> None:
    """Half a second is 15 cells and 8,000 samples, and filming repeats to the bit."""
    first, again = (film(SEEDS["test"], 0.5) for _ in range(2))
    assert first["luma"].shape == (15, 56, 56)
    assert first["luma"].dtype == np.uint8
    assert first["shown"].mean() > 0.9
    assert first["luma"][first["shown"]].std() > 10
    assert first["sound"].shape == (8_000,)
    assert np.abs(first["affect"]).max() <= 1
    assert first["expression"].max() < len(EXPRESSIONS)
    for name, value in first.items():
        assert np.array_equal(value, again[name]), name


def test_parts_are_far_apart() -> None:
    """No number of drives that anyone films makes two parts share a person."""
    firsts = sorted(SEEDS.values())
    assert np.diff(firsts).min() >= 10_000
