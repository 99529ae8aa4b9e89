"""Calibration figures against scikit-learn, torchmetrics and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.isotonic import isotonic_fit
from vidfake.metrics.reliability import (
    brier,
    class_weights,
    cllr,
    cllr_min,
    expected_calibration_error,
    log_loss,
    log_losses,
    reliability_curve,
)


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = (rng.random(400) < 0.8).astype(int)
    return 1 / (1 + np.exp(-rng.normal(2 * labels - 1, 2))), labels


@pytest.mark.parametrize("balanced", [True, False])
def test_log_loss_and_brier_equal_scikit_learn(rows, balanced: bool) -> None:
    p, labels = rows
    weights = class_weights(labels, balanced=balanced)
    assert log_loss(p, labels, balanced=balanced) == pytest.approx(
        sklearn_log_loss(labels, p, sample_weight=weights)
    )
    assert brier(p, labels, balanced=balanced) == pytest.approx(brier_score_loss(labels, p, sample_weight=weights))


def test_calibration_error_equals_torchmetrics(rows) -> None:
    from torchmetrics.functional.classification import binary_calibration_error

    p, labels = rows
    theirs = binary_calibration_error(torch.tensor(p), torch.tensor(labels), n_bins=15, norm="l1")
    assert expected_calibration_error(p, labels, balanced=False) == pytest.approx(float(theirs), abs=1e-6)


def test_reliability_bins_account_for_every_row(rows) -> None:
    p, labels = rows
    bins = reliability_curve(p, labels)
    assert sum(b.num_rows for b in bins) == len(p)
    assert sum(b.weight for b in bins) == pytest.approx(1)
    assert all(0 <= b.share_fake <= 1 for b in bins)
    edge = reliability_curve([1.0, 0.0, 0.5], [1, 0, 1])
    assert [b.num_rows for b in edge] == [1, 1, 1]


def test_closed_forms() -> None:
    labels = np.array([0, 0, 0, 1])
    assert log_loss(np.full(4, 0.5), labels) == pytest.approx(math.log(2))
    assert brier(np.full(4, 0.5), labels) == pytest.approx(0.25)
    assert cllr(np.full(4, 0.5), labels) == pytest.approx(1.0)
    assert cllr(np.full(4, 0.2), labels, prior=0.2) == pytest.approx(1.0), "the prior says nothing either"
    assert cllr([0.0, 0.0, 0.0, 1.0], labels) == 0
    assert expected_calibration_error([0.0, 0.0, 0.0, 1.0], labels) == 0
    assert log_losses([1.0], [0])[0] == np.inf


def test_cllr_is_the_balanced_log_loss_in_bits(rows) -> None:
    p, labels = rows
    assert cllr(p, labels) == pytest.approx(log_loss(p, labels) / math.log(2))
    assert 0 < cllr_min(p, labels) <= cllr(p, labels)
    assert cllr_min(np.log(p / (1 - p)), labels) == pytest.approx(cllr_min(p, labels)), (
        "monotone maps change nothing"
    )
    assert cllr_min([1, 2, 3, 4], [0, 0, 1, 1]) == 0
    assert cllr_min([4, 3, 2, 1], [0, 0, 1, 1]) == pytest.approx(1)


def test_isotonic_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = np.round(rng.normal(size=60), 1)
        targets = (rng.random(60) < 1 / (1 + np.exp(-scores))).astype(float)
        weights = rng.random(60) + 0.1
        ours = isotonic_fit(scores, targets, weights)
        theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, targets, sample_weight=weights)
        grid = np.linspace(-3, 3, 61)
        np.testing.assert_allclose(np.interp(grid, ours.scores, ours.values), theirs.predict(grid), atol=1e-9)


def test_what_is_undefined_is_an_error() -> None:
    with pytest.raises(UndefinedMetricError, match="0 real and 2 fake"):
        log_loss([0.5, 0.5], [1, 1])
    with pytest.raises(UndefinedMetricError):
        brier([], [], balanced=False)
    with pytest.raises(ValueError, match="calibrate raw scores first"):
        brier([1.5, 0.5], [0, 1])
    with pytest.raises(ValueError, match="prior is 0"):
        cllr([0.5, 0.5], [0, 1], prior=0)
