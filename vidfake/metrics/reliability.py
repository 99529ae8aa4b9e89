"""How far probabilities can be taken at their word: log-loss, Brier score, calibration error, Cllr.

Unless told otherwise the classes weigh equally (`balanced`), so that a figure does not depend on how many fakes a
data set happens to hold, and matches the calibrators here, whose probabilities are for even odds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.isotonic import isotonic_fit
from vidfake.metrics.ranking import checked
from vidfake.metrics.segments import Float64Array
from vidfake.types import FAKE

NUM_BINS = 15


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows whose probability lies in one bin: mean probability, share of fakes (both weighted), weight, rows."""

    mean_probability: float
    share_fake: float
    weight: float
    num_rows: int


def class_weights(labels: npt.ArrayLike, *, balanced: bool = True) -> Float64Array:
    """(n,) weights that sum to 1; each class to one half if `balanced`.

    Raises UndefinedMetricError for no rows, or for one class when `balanced`.
    """
    fake = np.asarray(labels) == FAKE
    num_fake, num_real = int(fake.sum()), int((~fake).sum())
    if not len(fake) or (balanced and not (num_fake and num_real)):
        raise UndefinedMetricError(
            f"A class-balanced figure needs rows of both classes, got {num_real} real and {num_fake} fake."
        )
    if not balanced:
        return np.full(len(fake), 1 / len(fake))
    return np.where(fake, 0.5 / num_fake, 0.5 / num_real)


def _probabilities(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike
) -> tuple[Float64Array, npt.NDArray[np.bool_]]:
    p, classes = checked(probabilities, labels)
    if ((p < 0) | (p > 1)).any():
        raise ValueError("probabilities must lie in [0, 1]; calibrate raw scores first")
    return p, classes == FAKE


def log_losses(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> Float64Array:
    """(n,) minus the natural log of the probability given to the truth. Infinite for a certain error."""
    p, fake = _probabilities(probabilities, labels)
    with np.errstate(divide="ignore"):
        losses: Float64Array = -np.log(np.where(fake, p, 1 - p))
    return losses


def log_loss(probabilities: npt.ArrayLike, labels: npt.ArrayLike, *, balanced: bool = True) -> float:
    """Mean log-loss in nats; ln 2 for a detector that always says one half."""
    return float(np.dot(class_weights(labels, balanced=balanced), log_losses(probabilities, labels)))


def brier(probabilities: npt.ArrayLike, labels: npt.ArrayLike, *, balanced: bool = True) -> float:
    """Mean squared error of the probability (Brier 1950); 0.25 for always one half."""
    p, fake = _probabilities(probabilities, labels)
    return float(np.dot(class_weights(labels, balanced=balanced), (p - fake) ** 2))


def reliability_curve(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, *, num_bins: int = NUM_BINS, balanced: bool = True
) -> list[ReliabilityBin]:
    """Bins of equal width over [0, 1], the lower edge inside; empty bins are left out."""
    p, fake = _probabilities(probabilities, labels)
    weights = class_weights(labels, balanced=balanced)
    index = np.minimum((p * num_bins).astype(np.int64), num_bins - 1)
    weight, rows = np.bincount(index, weights, num_bins), np.bincount(index, minlength=num_bins)
    mean, share = np.bincount(index, weights * p, num_bins), np.bincount(index, weights * fake, num_bins)
    return [
        ReliabilityBin(float(mean[b] / weight[b]), float(share[b] / weight[b]), float(weight[b]), int(rows[b]))
        for b in np.flatnonzero(rows)
    ]


def expected_calibration_error(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, *, num_bins: int = NUM_BINS, balanced: bool = True
) -> float:
    """Weighted mean distance between probability and share of fakes over equal bins (Guo et al. 2017).

    It is biased upwards for few rows, and blind inside a bin: read it beside the reliability curve.
    """
    bins = reliability_curve(probabilities, labels, num_bins=num_bins, balanced=balanced)
    return float(sum(b.weight * abs(b.mean_probability - b.share_fake) for b in bins))


def cllr(probabilities: npt.ArrayLike, labels: npt.ArrayLike, *, prior: float = 0.5) -> float:
    """Cost of the log-likelihood ratio, in bits (Brümmer and du Preez 2006): 0 perfect, 1 says nothing.

    `prior` is the share of fakes that the probabilities were made for; it is divided out.
    """
    p, fake = _probabilities(probabilities, labels)
    if not 0 < prior < 1:
        raise ValueError(f"prior is {prior}; it must lie in (0, 1)")
    weights = class_weights(labels)
    with np.errstate(divide="ignore"):
        ratio = np.log(p) - np.log1p(-p) - (np.log(prior) - np.log1p(-prior))
    return float(np.dot(weights, np.logaddexp(0, np.where(fake, -ratio, ratio))) / np.log(2))


def cllr_min(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The Cllr that the best monotone calibration of these very rows would have: what ranking alone costs."""
    values, classes = checked(scores, labels)
    fake = (classes == FAKE).astype(np.float64)
    best = isotonic_fit(values, fake, class_weights(classes))
    return cllr(np.interp(values, best.scores, best.values), classes)
