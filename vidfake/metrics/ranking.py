"""Figures that depend on the order of the scores only: AUC, partial AUC, AP, EER, TPR at a fixed FPR.

All of them are read off one `Curve`, which is exact under ties and takes weights, so that a bootstrap evaluates the
same code with the multiplicities of its resample. Fakes are the positives; a score is higher = more likely fake.
Every figure that does not exist raises UndefinedMetricError.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.segments import Float64Array
from vidfake.types import FAKE, REAL

MIN_EXPECTED_FALSE_ALARMS = 5.0
"""TPR at an FPR is given only where that FPR means at least so many reals: 1 % needs 500 of them."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Cumulative counts while the threshold falls: (K,) arrays that start at 0 with the threshold +inf.

    `false_alarms` and `hits` count the reals and fakes whose score is at or above `thresholds`.
    """

    thresholds: Float64Array
    false_alarms: Float64Array
    hits: Float64Array

    @cached_property
    def num_real(self) -> float:
        """Weight of all reals."""
        return float(self.false_alarms[-1])

    @cached_property
    def num_fake(self) -> float:
        """Weight of all fakes."""
        return float(self.hits[-1])

    @cached_property
    def fpr(self) -> Float64Array:
        """(K,) share of reals at or above each threshold."""
        self._need_both()
        return self.false_alarms / self.num_real

    @cached_property
    def tpr(self) -> Float64Array:
        """(K,) share of fakes at or above each threshold."""
        self._need_both()
        return self.hits / self.num_fake

    def _need_both(self) -> None:
        if self.num_real <= 0 or self.num_fake <= 0:
            raise UndefinedMetricError(
                f"Undefined with {self.num_real:g} real and {self.num_fake:g} fake scored rows: both are needed. "
                "Check the labels, or choose a split that has both."
            )

    def auc(self) -> float:
        """Area under the ROC curve: P(fake > real) + P(fake = real) / 2."""
        self._need_both()
        height = (self.hits[1:] + self.hits[:-1]) / 2
        return float(np.dot(np.diff(self.false_alarms), height) / (self.num_real * self.num_fake))

    def partial_auc(self, max_fpr: float) -> float:
        """Area up to `max_fpr`, scaled so that chance is 0.5 and perfection 1 (McClish 1989).

        Raises ValueError unless 0 < max_fpr <= 1.
        """
        if not 0 < max_fpr <= 1:
            raise ValueError(f"max_fpr is {max_fpr}; it must lie in (0, 1]")
        fpr, tpr = self.fpr, self.tpr
        stop = int(np.searchsorted(fpr, max_fpr, side="right"))
        x, y = fpr[:stop], tpr[:stop]
        if stop < len(fpr) and x[-1] < max_fpr:
            share = (max_fpr - fpr[stop - 1]) / (fpr[stop] - fpr[stop - 1])
            x = np.append(x, max_fpr)
            y = np.append(y, tpr[stop - 1] + share * (tpr[stop] - tpr[stop - 1]))
        area = float(np.dot(np.diff(x), (y[1:] + y[:-1]) / 2))
        chance = max_fpr**2 / 2
        return 0.5 * (1 + (area - chance) / (max_fpr - chance))

    def average_precision(self) -> float:
        """Precision averaged over recall, without interpolation. It depends on the share of fakes: state that."""
        self._need_both()
        called = self.hits[1:] + self.false_alarms[1:]
        precision = np.divide(self.hits[1:], called, out=np.zeros_like(called), where=called > 0)
        return float(np.dot(np.diff(self.hits), precision) / self.num_fake)

    def eer(self) -> float:
        """Equal error rate: where the ROC, drawn with straight lines, meets FPR = 1 - TPR.

        Interpolated, so it is one number, and the same when the classes swap and the scores change sign.
        """
        fpr, tpr = self.fpr, self.tpr
        gap = fpr + tpr - 1  # ascends from -1 to 1
        after = int(np.argmax(gap >= 0))
        rise = gap[after] - gap[after - 1]
        share = -gap[after - 1] / rise
        return float(fpr[after - 1] + share * (fpr[after] - fpr[after - 1]))

    def tpr_at_fpr(self, max_fpr: float) -> float:
        """The largest TPR of any threshold whose FPR is at most `max_fpr` (a step, not interpolated)."""
        stop = int(np.searchsorted(self.fpr, max_fpr * (1 + 1e-12), side="right"))
        return float(self.tpr[stop - 1])

    def threshold_at_fpr(self, max_fpr: float) -> float:
        """The lowest threshold whose FPR is at most `max_fpr`; +inf where only "call nothing fake" is."""
        stop = int(np.searchsorted(self.fpr, max_fpr * (1 + 1e-12), side="right"))
        return float(self.thresholds[stop - 1])

    def tpr_on(self, grid: Float64Array) -> Float64Array:
        """TPR of the straight-line ROC at each FPR of `grid`, for drawing; the upper end of a vertical step."""
        fpr, tpr = self.fpr, self.tpr
        after = np.searchsorted(fpr, grid * (1 + 1e-12), side="right")  # the lower end of the next vertical step
        top, after = after - 1, np.minimum(after, len(fpr) - 1)
        run = fpr[after] - fpr[top]
        share = np.divide(np.maximum(grid - fpr[top], 0), run, out=np.zeros(len(grid)), where=run > 0)
        drawn: Float64Array = tpr[top] + share * (tpr[after] - tpr[top])
        return drawn


class RankedScores:
    """Scores sorted once; `curve(weights)` is then linear. (n,) `scores` and 0/1 `labels`.

    Raises ValueError for scores that are not finite or labels that are not 0 or 1.
    """

    def __init__(self, scores: npt.ArrayLike, labels: npt.ArrayLike) -> None:
        values, classes = checked(scores, labels)
        self._order = np.argsort(-values, kind="stable")
        ordered = values[self._order]
        self._is_fake = (classes[self._order] == FAKE).astype(np.int32)
        last = np.append(ordered[1:] != ordered[:-1], True) if len(ordered) else np.empty(0, bool)
        self._ends = np.flatnonzero(last)
        self._thresholds = np.concatenate(([np.inf], ordered[self._ends]))

    def curve(self, weights: npt.NDArray[Any] | None = None) -> Curve:
        """The curve of the rows, each counted `weights` (n,) times (once by default)."""
        w = np.ones(len(self._order), np.int32) if weights is None else weights.take(self._order)
        hits, called = np.cumsum(w * self._is_fake), np.cumsum(w)
        if len(self._ends) < len(hits):
            hits, called = hits[self._ends], called[self._ends]
        counts = np.zeros((2, len(hits) + 1))
        counts[0, 1:] = called - hits
        counts[1, 1:] = hits
        return Curve(self._thresholds, counts[0], counts[1])


def checked(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Float64Array, npt.NDArray[Any]]:
    """Float64 scores and labels of one length, or ValueError: no NaN, no infinity, labels 0 and 1 only."""
    values, classes = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.ndim != 1 or values.shape != classes.shape:
        raise ValueError(
            f"scores and labels must be two lists of one length, got {values.shape} and {classes.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError(
            f"{int((~np.isfinite(values)).sum())} of {len(values)} scores are not finite; leave them out"
        )
    if not np.isin(classes, (REAL, FAKE)).all():
        raise ValueError("labels must be 0 (real) or 1 (fake); leave out rows whose label is unknown")
    return values, classes


def curve(scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.NDArray[Any] | None = None) -> Curve:
    """The curve of (n,) `scores` and 0/1 `labels`."""
    return RankedScores(scores, labels).curve(weights)


def auc(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Area under the ROC curve, exact under ties. Raises UndefinedMetricError unless both classes are there."""
    return curve(scores, labels).auc()


def average_precision(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Average precision with fakes positive."""
    return curve(scores, labels).average_precision()


def eer(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Interpolated equal error rate."""
    return curve(scores, labels).eer()


def tpr_at_fpr(
    scores: npt.ArrayLike, labels: npt.ArrayLike, max_fpr: float, *, num_independent_real: int | None = None
) -> float:
    """TPR at an FPR of at most `max_fpr`, if the reals support it (MIN_EXPECTED_FALSE_ALARMS).

    `num_independent_real` is the number of real *videos* where the rows are their frames or clips.
    Raises UndefinedMetricError where there are too few reals, with the number that would do.
    """
    points = curve(scores, labels)
    check_fpr_support(max_fpr, points.num_real if num_independent_real is None else num_independent_real)
    return points.tpr_at_fpr(max_fpr)


def check_fpr_support(max_fpr: float, num_real: float) -> float:
    """How many reals an FPR of `max_fpr` means; UndefinedMetricError where they are too few to speak of it."""
    if num_real * max_fpr < MIN_EXPECTED_FALSE_ALARMS - 1e-9:
        needed = int(np.ceil(MIN_EXPECTED_FALSE_ALARMS / max_fpr - 1e-9))
        raise UndefinedMetricError(
            f"TPR at FPR {100 * max_fpr:g} % needs {needed} real videos, there are {num_real:g}: "
            f"that FPR would be {num_real * max_fpr:.1f} false alarms. Use a larger FPR or more reals."
        )
    return num_real * max_fpr
