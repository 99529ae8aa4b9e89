"""Decisions at a threshold that was chosen on validation and carried over unchanged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.ranking import check_fpr_support, checked, curve
from vidfake.types import FAKE


@dataclass(frozen=True)
class Threshold:
    """A threshold, how it was chosen, and what it gave there. A score at or above it is called fake."""

    value: float
    rule: str
    fpr: float
    tpr: float
    num_real: int
    num_fake: int


@dataclass(frozen=True)
class AtThreshold:
    """What a threshold gives on other data. Balanced accuracy is the mean of TPR and 1 - FPR."""

    threshold: float
    balanced_accuracy: float
    tpr: float
    fpr: float
    accuracy: float


def choose_threshold(scores: npt.ArrayLike, labels: npt.ArrayLike, *, max_fpr: float | None = None) -> Threshold:
    """A threshold from validation scores: at an FPR of at most `max_fpr`, else at the best balanced accuracy.

    It lies half-way between two neighbouring scores. Raises UndefinedMetricError for one class, for too few reals
    to support `max_fpr`, and where no threshold inside the scores keeps to it.
    """
    points = curve(scores, labels)
    fpr, tpr = points.fpr, points.tpr
    if max_fpr is None:
        rule, best = "highest balanced accuracy", int(np.argmax(tpr - fpr))
        if best == 0:
            raise UndefinedMetricError(
                "No threshold does better than calling nothing fake: on validation the fakes never score higher. "
                "Check the orientation of the scores."
            )
    else:
        check_fpr_support(max_fpr, points.num_real)
        rule = f"FPR at most {100 * max_fpr:g} %"
        best = int(np.searchsorted(fpr, max_fpr * (1 + 1e-12), side="right")) - 1
        if best == 0:
            raise UndefinedMetricError(
                f"No threshold keeps the FPR at or below {100 * max_fpr:g} %: too many reals share the top score."
            )
    value = points.thresholds[best]
    if best + 1 < len(points.thresholds):
        value = value - (value - points.thresholds[best + 1]) / 2
    return Threshold(
        float(value), rule, float(fpr[best]), float(tpr[best]), int(points.num_real), int(points.num_fake)
    )


def at_threshold(scores: npt.ArrayLike, labels: npt.ArrayLike, threshold: float) -> AtThreshold:
    """Decide (n,) `scores` at a given threshold. Raises UndefinedMetricError unless both classes are there."""
    values, classes = checked(scores, labels)
    fake, called = classes == FAKE, values >= threshold
    if fake.all() or not fake.any():
        raise UndefinedMetricError(
            f"Balanced accuracy needs both classes, got {int((~fake).sum())} real and {int(fake.sum())} fake rows."
        )
    tpr, fpr = float(called[fake].mean()), float(called[~fake].mean())
    return AtThreshold(float(threshold), (tpr + 1 - fpr) / 2, tpr, fpr, float((called == fake).mean()))
