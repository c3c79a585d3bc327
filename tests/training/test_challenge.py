"""Challenge figures against hand-computed values and other libraries."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from training.challenge import (
    Estimates,
    Labels,
    au_f1s,
    challenge_figures,
    mean_over_batches,
    mean_over_clips,
    p_expr,
    p_va,
    va_cccs,
)


def _labels(n: int = 200) -> Labels:
    random = np.random.default_rng(1)
    return Labels(
        random.uniform(-1, 1, (n, 2)),
        random.integers(0, 8, n),
        (random.random((n, 12)) < 0.3).astype(np.float64),
    )


def _estimates(truth: Labels) -> Estimates:
    random = np.random.default_rng(2)
    n = len(truth.expression)
    return Estimates(
        truth.valence_arousal * 0.5 + random.normal(0, 0.2, (n, 2)),
        np.eye(8)[truth.expression] + random.random((n, 8)),
        np.clip(truth.action_units * 0.4 + random.random((n, 12)) * 0.6, 0, 1),
    )


def test_p_va_of_a_shifted_line_is_what_the_formula_gives() -> None:
    """2·cov / (var + var + shift²) by hand: truth 0, 1, 2 and 1, 2, 3 give 4/7."""
    truth = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    shifted = truth + 1
    # cov = var = 2/3, shift = 1: (4/3) / (4/3 + 1) = 4/7.
    assert p_va(truth, shifted) == pytest.approx(4 / 7)


def test_p_va_leaves_out_frames_without_a_label() -> None:
    """NaN rows change nothing."""
    truth, estimate = _labels().valence_arousal, _estimates(_labels()).valence_arousal
    assert estimate is not None
    more = np.concatenate([truth, [[np.nan, 0.0]]])
    assert p_va(more, np.concatenate([estimate, [[9, 9]]])) == p_va(truth, estimate)


def test_figures_agree_with_scikit_learn_and_torchmetrics() -> None:
    """F1s as scikit-learn's with zero_division 0, CCC as torchmetrics'."""
    sklearn = pytest.importorskip("sklearn.metrics")
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional")
    truth = _labels()
    said = _estimates(truth)
    assert said.expression is not None
    assert said.action_units is not None
    assert said.valence_arousal is not None
    f1 = sklearn.f1_score(
        truth.expression,
        said.expression.argmax(1),
        average="macro",
        labels=range(8),
        zero_division=0,
    )
    assert p_expr(truth.expression, said.expression) == pytest.approx(f1)
    units = sklearn.f1_score(
        truth.action_units, said.action_units >= 0.5, average=None, zero_division=0
    )
    assert au_f1s(truth.action_units, said.action_units) == pytest.approx(units)
    cccs = va_cccs(truth.valence_arousal, said.valence_arousal)
    # torchmetrics divides by n - 1, the lab's code by n.
    n = len(truth.expression)
    for axis, ours in enumerate(cccs):
        a = torch.tensor(truth.valence_arousal[:, axis])
        b = torch.tensor(said.valence_arousal[:, axis])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = float(functional.concordance_corrcoef(b, a))
        shift = float((a.mean() - b.mean()) ** 2)
        spread = float(a.var(correction=0) + b.var(correction=0))
        unbiased = spread * n / (n - 1)
        assert ours == pytest.approx(
            theirs * (unbiased + shift) / (spread + shift) * (n - 1) / n, abs=1e-9
        )


def test_challenge_figures_sum_up_to_p_mtl() -> None:
    """P_MTL is the sum of the three, and is absent when a head is."""
    truth = _labels()
    said = _estimates(truth)
    figures = challenge_figures(truth, said)
    parts = figures["p_va"] + figures["p_expr"] + figures["p_au"]
    assert figures["p_mtl"] == pytest.approx(parts)
    alone = Estimates(valence_arousal=said.valence_arousal)
    assert "p_mtl" not in challenge_figures(truth, alone)


def test_mean_over_batches_lifts_rare_classes() -> None:
    """A class that is never said costs only the batches it occurs in."""
    n = 40
    affect = np.random.default_rng(0).uniform(-1, 1, (n, 2))
    truth = Labels(affect, np.repeat([0, 1], [36, 4]), np.zeros((n, 12)))
    said = Estimates(affect, np.eye(8)[np.zeros(n, np.int64)], np.zeros((n, 12)))
    # All frames: F1 of class 0 is 72/76, of the others 0; no unit is ever shown: 0.
    strict = challenge_figures(truth, said)["p_mtl"]
    assert strict == pytest.approx(1 + 72 / 76 / 8)
    # Nine batches are perfect; in the last both classes have F1 0, six count as 1.
    lenient = mean_over_batches(truth, said, 4)
    assert lenient == pytest.approx((9 * 3 + 1 + 6 / 8 + 1) / 10)


def test_mean_over_batches_of_one_batch_by_hand() -> None:
    """Perfect estimates give 3 by both definitions when all classes occur."""
    truth = _labels()
    perfect = Estimates(
        truth.valence_arousal, np.eye(8)[truth.expression], truth.action_units
    )
    assert mean_over_batches(truth, perfect, 200) == pytest.approx(3)
    assert challenge_figures(truth, perfect)["p_mtl"] == pytest.approx(3)


def test_mean_over_clips_weighs_clips_alike() -> None:
    """One perfect long clip and one useless short clip give a half."""
    truth = np.concatenate([np.linspace(-1, 1, 90), np.linspace(-1, 1, 10)])
    estimate = truth.copy()
    estimate[90:] = 0
    both = np.stack([truth, truth], axis=1), np.stack([estimate, estimate], axis=1)
    clips = np.repeat([0, 1], [90, 10])
    assert mean_over_clips(*both, clips) == pytest.approx(0.5)
