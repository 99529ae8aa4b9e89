"""Holm, equivalence, Friedman and critical differences against scipy and published constants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.bootstrap import Interval
from vidfake.metrics.multiplicity import critical_difference, equivalence, friedman, holm, indistinguishable_groups


def test_holm_worked_by_hand() -> None:
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert adjusted == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(adjusted) == ["a", "b", "c", "d"]
    assert holm({}) == {}
    assert holm({"only": 0.7}) == {"only": 0.7}
    assert holm({"a": 0.6, "b": 0.9}) == {"a": 1.0, "b": 1.0}
    with pytest.raises(ValueError, match="p-value of a is 1.2"):
        holm({"a": 1.2})


def test_holm_keeps_the_family_error() -> None:
    rng = np.random.default_rng(0)
    false_claims = sum(
        min(holm({str(i): p for i, p in enumerate(rng.random(10))}).values()) < 0.05 for _ in range(2000)
    )
    assert false_claims / 2000 == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize(("low", "high", "verdict"), [
    (-0.004, 0.006, "equivalent"), (0.001, 0.006, "different but within the margin"), (0.002, 0.03, "better"),
    (-0.03, -0.002, "worse"), (-0.004, 0.02, "undecided"),
])  # fmt: skip
def test_equivalence_by_interval(low: float, high: float, verdict: str) -> None:
    assert equivalence(Interval(low, high, 0.9, 70, 2000), margin=0.01) == verdict


def test_a_margin_is_needed() -> None:
    with pytest.raises(ValueError, match="before looking"):
        equivalence(Interval(0, 0, 0.9, 70, 2000), margin=0)


def test_friedman_equals_scipy_with_and_without_ties() -> None:
    rng = np.random.default_rng(0)
    for figures in (rng.random((7, 4)), np.round(rng.random((9, 5)), 1)):
        ours = friedman(figures)
        expected = friedmanchisquare(*figures.T)
        assert (ours.chi_square, ours.p_value) == pytest.approx((expected.statistic, expected.pvalue))
        n, k = figures.shape
        assert ours.f_statistic == pytest.approx((n - 1) * ours.chi_square / (n * (k - 1) - ours.chi_square))
        assert sum(ours.mean_ranks) == pytest.approx(k * (k + 1) / 2)


def test_demsar_example() -> None:
    """Demšar (2006), table 6, where one tie is printed with ranks 2 and 3: his mean ranks and statistic."""
    figures = np.array([
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975, 0.9749], [0.957, 0.978, 0.946, 0.970],
    ])  # fmt: skip
    result = friedman(figures)
    assert result.mean_ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    n, k = figures.shape
    without_ties = 12 * n / (k * (k + 1)) * (sum(r**2 for r in result.mean_ranks) - k * (k + 1) ** 2 / 4)
    assert without_ties == pytest.approx(9.28, abs=0.01), "he does not correct for ties; we do"
    assert result.chi_square > without_ties
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


@pytest.mark.parametrize(("detectors", "blocks", "expected"), [
    (12, 6, 6.8), (12, 10, 5.3), (12, 20, 3.7), (20, 6, 12.1), (20, 10, 9.4), (20, 20, 6.6),
])  # fmt: skip
def test_critical_differences(detectors: int, blocks: int, expected: float) -> None:
    assert critical_difference(detectors, blocks) == pytest.approx(expected, abs=0.05)


def test_what_is_undefined_is_an_error() -> None:
    with pytest.raises(UndefinedMetricError, match="at least 2 test sets"):
        friedman([[0.1, 0.2, 0.3]])
    with pytest.raises(UndefinedMetricError, match="all detectors tie"):
        friedman(np.ones((3, 3)))
    with pytest.raises(UndefinedMetricError):
        critical_difference(1, 5)
    assert friedman([[1, 2, 3], [1, 2, 3]]).f_statistic == math.inf, "complete agreement"


def test_groups_of_the_diagram() -> None:
    ranks = {"d": 3.9, "a": 1.2, "b": 2.0, "c": 2.9, "e": 6.0}
    assert indistinguishable_groups(ranks, 1.8) == [["a", "b", "c"], ["c", "d"]]
    assert indistinguishable_groups(ranks, 2.0) == [["a", "b", "c"], ["b", "c", "d"]]
    assert indistinguishable_groups(ranks, 0.5) == []
    assert indistinguishable_groups(ranks, 9) == [["a", "b", "c", "d", "e"]]
