"""DeLong's test against the data of its own paper, a literal slow version, and the bootstrap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import chdtrc

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.delong import delong_covariance, delong_interval, delong_test

# The 43 complete cases of DeLong, DeLong and Clarke-Pearson (1988): albumin, total protein, K-G score, outcome.
OVARIAN_CANCER = """
3.0 5.8 10 0  3.2 6.3  5 1  3.9 6.8  3 1  2.8 4.8  6 0  3.2 5.8  3 1  0.9 4.0  5 0  2.5 5.7  8 0  1.6 5.6  5 1
3.8 5.7  5 1  3.7 6.7  6 1  3.2 5.4  4 1  3.8 6.6  6 1  4.1 6.6  5 1  3.6 5.7  5 1  4.3 7.0  4 1  3.6 6.7  4 0
2.3 4.4  6 1  4.2 7.6  4 0  4.0 6.6  6 0  3.5 5.8  6 1  3.8 6.8  7 1  3.0 4.7  8 0  4.5 7.4  5 1  3.7 7.4  5 1
3.1 6.6  6 1  4.1 8.2  6 1  4.3 7.0  5 1  4.3 6.5  4 1  3.2 5.1  5 1  2.6 4.7  6 1  3.3 6.8  6 0  1.7 4.0  7 0
3.7 6.1  5 1  3.3 6.3  7 1  4.2 7.7  6 1  3.5 6.2  5 1  2.9 5.7  9 0  2.1 4.8  7 1  2.8 6.2  8 0  4.0 7.0  7 1
3.3 5.7  6 1  3.7 6.9  5 1  3.6 6.6  5 1
"""


def published() -> tuple[np.ndarray, np.ndarray]:
    table = np.array(OVARIAN_CANCER.split(), float).reshape(-1, 4)
    scores = np.stack((table[:, 0], table[:, 1], 10 - table[:, 2]))
    return scores, table[:, 3].astype(int)


def test_published_areas_errors_and_tests() -> None:
    scores, labels = published()
    aucs, covariance = delong_covariance(scores, labels)
    assert aucs == pytest.approx([0.7366, 0.6478, 0.7258], abs=5e-5)
    assert np.sqrt(np.diag(covariance)) == pytest.approx([0.0927, 0.1000, 0.1028], abs=5e-5)
    for first, second, chi_square, p in ((0, 2, 0.0127, 0.9102), (1, 2, 0.5554, 0.4561), (0, 1, 2.5282, 0.1118)):
        test = delong_test(scores[first], scores[second], labels)
        assert test.z**2 == pytest.approx(chi_square, abs=5e-5)
        assert test.p_value == pytest.approx(p, abs=5e-5)
    contrast = np.array([[1, -1, 0], [1, 0, -1]])
    gap = contrast @ aucs
    joint = float(gap @ np.linalg.solve(contrast @ covariance @ contrast.T, gap))
    assert (joint, chdtrc(2, joint)) == pytest.approx((2.5340, 0.2817), abs=5e-5), "all three at once"


def slow_covariance(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    fakes, reals = scores[:, labels == 1], scores[:, labels == 0]
    wins = (fakes[:, :, None] > reals[:, None, :]) + 0.5 * (fakes[:, :, None] == reals[:, None, :])
    by_fake, by_real = wins.mean(axis=2), wins.mean(axis=1)
    return np.cov(by_fake) / fakes.shape[1] + np.cov(by_real) / reals.shape[1]


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_midranks_give_the_literal_covariance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.array([0, 0, 1, 1, *rng.integers(0, 2, 20)])
    scores = np.round(rng.normal(size=(3, 24)) + labels, 1)
    np.testing.assert_allclose(delong_covariance(scores, labels)[1], slow_covariance(scores, labels), atol=1e-14)


def test_identical_and_ordered_alike_detectors_do_not_differ() -> None:
    scores, labels = published()
    for other in (scores[0], np.exp(scores[0])):
        test = delong_test(scores[0], other, labels)
        assert (test.difference, test.z, test.p_value) == (0.0, 0.0, 1.0)


def test_interval_covers_the_area_and_is_none_at_the_bounds() -> None:
    scores, labels = published()
    area, low, high = delong_interval(scores[0], labels)
    assert 0.5 < low < area < high < 1
    se = 0.09269435 / (area * (1 - area))
    assert math.log(high / (1 - high)) - math.log(area / (1 - area)) == pytest.approx(1.959964 * se, rel=1e-5)
    assert delong_interval([1, 2, 3, 4], [0, 0, 1, 1]) == (1.0, 1.0, 1.0)


def test_too_few_rows_are_an_error() -> None:
    with pytest.raises(UndefinedMetricError, match="two rows of each class, got 1 real"):
        delong_covariance([1.0, 2.0, 3.0], [0, 1, 1])
    with pytest.raises(ValueError, match="same rows"):
        delong_test([1.0], [1.0, 2.0], [0, 1])
