"""DeLong's test for AUCs: a second opinion beside the cluster bootstrap.

It takes every row as independent. Videos that share a source are not, so on such data its intervals are too narrow
and its p-values too small: the bootstrap leads, this follows. O(n log n) by midranks (Sun and Xu 2014); the theory
is DeLong, DeLong and Clarke-Pearson (1988).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtr, ndtri

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.ranking import checked
from vidfake.metrics.segments import Float64Array
from vidfake.scores.ranks import midranks
from vidfake.types import FAKE


@dataclass(frozen=True)
class DeLongTest:
    """Two AUCs and the test that they are equal. `z` is 0 and `p_value` 1 for identical rankings."""

    auc_a: float
    auc_b: float
    difference: float
    standard_error: float
    z: float
    p_value: float


def delong_covariance(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Float64Array, Float64Array]:
    """AUCs (K,) of K detectors on the same n rows, and their (K, K) covariance.

    `scores` (K, n), 0/1 `labels` (n,). Raises UndefinedMetricError for fewer than two rows of a class.
    """
    rows = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    fake = checked(rows[0], labels)[1] == FAKE
    num_fake, num_real = int(fake.sum()), int((~fake).sum())
    if num_fake < 2 or num_real < 2:
        raise UndefinedMetricError(
            f"DeLong's variance needs two rows of each class, got {num_real} real and {num_fake} fake."
        )
    of_fakes, of_reals = np.empty((len(rows), num_fake)), np.empty((len(rows), num_real))
    for k, row in enumerate(rows):
        values, _ = checked(row, labels)
        together = midranks(values)
        of_fakes[k] = (together[fake] - midranks(values[fake])) / num_real  # share of reals below each fake
        of_reals[k] = 1 - (together[~fake] - midranks(values[~fake])) / num_fake  # share of fakes above each real
    covariance = np.atleast_2d(np.cov(of_fakes)) / num_fake + np.atleast_2d(np.cov(of_reals)) / num_real
    return of_fakes.mean(axis=1), covariance


def delong_interval(
    scores: npt.ArrayLike, labels: npt.ArrayLike, *, confidence: float = 0.95
) -> tuple[float, float, float]:
    """AUC, and the ends of its interval, computed on the logit scale (the AUC itself at 0 or 1)."""
    aucs, covariance = delong_covariance(scores, labels)
    auc, spread = float(aucs[0]), math.sqrt(max(covariance[0, 0], 0.0))
    if not 0 < auc < 1:
        return auc, auc, auc
    reach = float(ndtri(0.5 + confidence / 2)) * spread / (auc * (1 - auc))
    return auc, float(expit(logit(auc) - reach)), float(expit(logit(auc) + reach))


def delong_test(scores_a: npt.ArrayLike, scores_b: npt.ArrayLike, labels: npt.ArrayLike) -> DeLongTest:
    """Test that two detectors have the same AUC on the same (n,) rows."""
    a, b = np.asarray(scores_a, dtype=np.float64), np.asarray(scores_b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"both detectors must score the same rows, got {a.shape} and {b.shape}")
    aucs, covariance = delong_covariance(np.stack((a, b)), labels)
    difference = float(aucs[0] - aucs[1])
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    error = math.sqrt(max(variance, 0.0))
    if error < 1e-12:
        same = abs(difference) < 1e-12
        return DeLongTest(
            float(aucs[0]), float(aucs[1]), difference, 0.0, 0.0 if same else math.inf, 1.0 if same else 0.0
        )
    z = difference / error
    return DeLongTest(float(aucs[0]), float(aucs[1]), difference, error, z, float(2 * ndtr(-abs(z))))
