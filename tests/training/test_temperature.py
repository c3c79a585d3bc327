"""The temperature against a made truth."""

from __future__ import annotations

import numpy as np
import pytest

from edge_affect.errors import DataError
from training.temperature import fit_temperature, nll, softmax


def test_fit_temperature_finds_how_far_logits_were_sharpened() -> None:
    """Labels drawn from logits are fitted at 1; three times the logits, at 3."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(20_000, 5)) * 2
    truth = (logits + random.gumbel(size=logits.shape)).argmax(axis=1)
    assert fit_temperature(logits, truth) == pytest.approx(1, abs=0.05)
    assert fit_temperature(3 * logits, truth) == pytest.approx(3, abs=0.15)


def test_nll_is_worked_out_by_hand() -> None:
    """Logits 0 and log 3 give 3/4 to the second class."""
    logits = np.array([[0.0, np.log(3)]])
    assert nll(logits, np.array([1]), 1.0) == pytest.approx(-np.log(0.75))
    assert softmax(logits, 1.0)[0].tolist() == pytest.approx([0.25, 0.75])


@pytest.mark.parametrize("logits", [np.empty((0, 3)), np.full((2, 3), np.nan)])
def test_fit_temperature_refuses_what_cannot_be_fitted(
    logits: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> None:
    """No rows, and rows that are not finite, are one clear error."""
    with pytest.raises(DataError, match="temperature"):
        fit_temperature(logits, np.zeros(len(logits), np.int64))
