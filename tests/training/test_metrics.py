"""Figures against values worked out by hand, and against scikit-learn where it is."""

from __future__ import annotations

import numpy as np
import pytest

from edge_affect.errors import DataError
from training.metrics import (
    accuracy,
    balanced_accuracy,
    bootstrap,
    brier_scores,
    ccc,
    confusion,
    correlation,
    cross_entropies,
    ece,
    macro_f1,
    uar,
)

TRUTH = np.array([0, 0, 0, 1, 1, 2])
ESTIMATE = np.array([0, 0, 1, 1, 0, 2])


def test_confusion_counts_truth_along_the_rows() -> None:
    """Two of three zeros are right, one became a one."""
    expected = [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert confusion(TRUTH, ESTIMATE, 3).tolist() == expected


def test_accuracy_is_the_share_of_right_ones() -> None:
    """Four of six are right."""
    assert accuracy(TRUTH, ESTIMATE, 3) == pytest.approx(4 / 6)


def test_balanced_accuracy_is_the_mean_recall_of_true_classes() -> None:
    """Recalls 2/3, 1/2 and 1; a class that never occurs does not count."""
    assert balanced_accuracy(TRUTH, ESTIMATE, 5) == pytest.approx((2 / 3 + 0.5 + 1) / 3)
    assert uar(TRUTH, ESTIMATE, 3) == balanced_accuracy(TRUTH, ESTIMATE, 3)


def test_macro_f1_is_the_mean_over_classes_that_occur() -> None:
    """F1 4/6, 2/4 and 1; an estimated class without truth counts as 0."""
    assert macro_f1(TRUTH, ESTIMATE, 3) == pytest.approx((4 / 6 + 2 / 4 + 1) / 3)
    strays = np.array([0, 0, 1, 1, 0, 3])
    assert macro_f1(TRUTH, strays, 4) == pytest.approx((4 / 6 + 2 / 4) / 4)


def test_figures_agree_with_scikit_learn() -> None:
    """Random labels give scikit-learn's figures."""
    sklearn = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(0)
    truth, estimate = random.integers(0, 7, (2, 200))
    assert macro_f1(truth, estimate, 7) == pytest.approx(
        sklearn.f1_score(truth, estimate, average="macro")
    )
    assert balanced_accuracy(truth, estimate, 7) == pytest.approx(
        sklearn.balanced_accuracy_score(truth, estimate)
    )


def test_ccc_of_a_shifted_copy_is_worked_out_by_hand() -> None:
    """Variance 1 each, covariance 1, means 1 apart: 2 / (1 + 1 + 1)."""
    truth = np.array([-1.0, 1.0])
    assert ccc(truth, truth + 1) == pytest.approx(2 / 3)
    assert ccc(truth, truth) == pytest.approx(1)
    assert ccc(truth, -truth) == pytest.approx(-1)


def test_ccc_of_constants_is_defined() -> None:
    """Equal constants agree, a constant against a signal does not."""
    flat = np.zeros(4)
    assert ccc(flat, flat) == 1
    assert ccc(np.array([-1.0, 1.0, -1.0, 1.0]), flat) == 0


def test_ece_is_worked_out_by_hand() -> None:
    """Two bins: 0.6 sure and half right, 0.9 sure and all right."""
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.9, 0.1], [0.9, 0.1]])
    truth = np.array([0, 1, 0, 0])
    expected = 0.5 * abs(0.5 - 0.6) + 0.5 * abs(1 - 0.9)
    assert ece(truth, probabilities, bins=2) == pytest.approx(expected)


def test_bootstrap_interval_covers_the_mean_and_repeats() -> None:
    """The same seed gives the same interval, about 1.96 standard errors wide."""
    values = np.random.default_rng(0).normal(size=400)
    found = bootstrap(lambda rows: float(values[rows].mean()), 400, seed=3)
    again = bootstrap(lambda rows: float(values[rows].mean()), 400, seed=3)
    error = values.std() / 20
    assert found == again
    assert found.value == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


@pytest.mark.parametrize(
    ("truth", "estimate"), [([], []), ([0, 1], [0]), ([0, 9], [0, 1]), ([-1], [0])]
)
def test_figures_refuse_labels_that_do_not_fit(
    truth: list[int], estimate: list[int]
) -> None:
    """Nothing, unequal lengths and unknown classes are one clear error."""
    with pytest.raises(DataError, match="labels"):
        accuracy(np.array(truth, np.int64), np.array(estimate, np.int64), 3)


def test_correlation_is_numpys_and_0_for_what_does_not_vary() -> None:
    """A constant has no correlation; a figure must still be a number."""
    random = np.random.default_rng(0)
    truth = random.normal(size=50)
    estimate = truth + random.normal(size=50)
    expected = float(np.corrcoef(truth, estimate)[0, 1])
    assert correlation(truth, estimate) == pytest.approx(expected)
    assert correlation(truth, np.ones(50)) == 0


def test_brier_and_cross_entropy_by_hand() -> None:
    """Two rows: one sure and right, one even between two classes."""
    shares = np.array([[1.0, 0.0], [0.5, 0.5]])
    truth = np.array([0, 1])
    assert brier_scores(truth, shares) == pytest.approx([0.0, 0.5])
    target = np.array([[1.0, 0.0], [0.25, 0.75]])
    assert cross_entropies(target, shares) == pytest.approx([0.0, np.log(2)])
    # A class that was ruled out and is the true one costs much, not infinity.
    assert cross_entropies(target[:1], shares[:1, ::-1])[0] == pytest.approx(
        -np.log(1e-12)
    )
