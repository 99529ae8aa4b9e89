"""Figures as functions of how often each cluster was drawn: what the bootstrap evaluates thousands of times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.ranking import Curve, RankedScores, checked
from vidfake.metrics.segments import Float64Array, IntArray
from vidfake.types import FAKE

Multiplicity = npt.NDArray[np.int32]
CHUNK = 65_536  # rows; what one pass touches stays in the cache


class Statistic(Protocol):
    """`size` figures of one set of rows. Called with (C,) `counts`: how often each cluster is in the resample."""

    size: int

    def __call__(self, counts: Multiplicity) -> Float64Array: ...


class AucStatistic:
    """AUC of (n,) rows that belong to the (n,) `cluster`; after one sort, each call is linear in n.

    Counting in whole numbers, so equal rows give exactly equal figures. Raises UndefinedMetricError for one class.
    """

    size = 1

    def __init__(self, scores: npt.ArrayLike, labels: npt.ArrayLike, cluster: IntArray) -> None:
        values, classes = checked(scores, labels)
        fake = classes == FAKE
        if fake.all() or not fake.any():
            raise UndefinedMetricError(
                f"AUC of {int((~fake).sum())} real and {int(fake.sum())} fake rows is undefined: both are needed."
            )
        reals, self._real_cluster = _ascending(values[~fake], cluster[~fake])
        fakes, self._fake_cluster = _ascending(values[fake], cluster[fake])
        below = np.searchsorted(reals, fakes, side="left")
        tied = np.searchsorted(reals, fakes, side="right") - below
        self._pieces = _pieces(reals, fakes, below, tied)
        most_reals = max((last - first for first, last, *_ in self._pieces), default=0)
        most_fakes = max((stop - start for _, _, start, stop, *_ in self._pieces), default=0)
        # reused in every call: fresh memory for each piece would cost more than the arithmetic
        self._cumulative = np.zeros(most_reals + 1, dtype=np.int64)
        self._real_weight = np.empty(most_reals, dtype=np.int32)
        self._fake_weight = np.empty(most_fakes, dtype=np.int32)
        self._wins = np.empty(most_fakes, dtype=np.int64)

    def __call__(self, counts: Multiplicity) -> Float64Array:
        wins, num_real, num_fake = 0, 0, 0
        for first, last, start, stop, below, tied_fakes, tied_stop in self._pieces:
            cumulative, weight = self._cumulative[: last - first + 1], self._fake_weight[: stop - start]
            real_weight, below_each = self._real_weight[: last - first], self._wins[: stop - start]
            counts.take(self._real_cluster[first:last], mode="clip", out=real_weight)
            np.cumsum(real_weight, out=cumulative[1:])
            counts.take(self._fake_cluster[start:stop], mode="clip", out=weight)
            cumulative.take(below, mode="clip", out=below_each)
            local = int(np.dot(below_each, weight))
            drawn = int(weight.sum())
            wins += 2 * (num_real * drawn + local)
            if len(tied_fakes):
                equal = cumulative[tied_stop] - cumulative[below[tied_fakes]]
                wins += int(np.dot(equal, weight[tied_fakes]))
            num_real += int(cumulative[-1])
            num_fake += drawn
        if not num_real or not num_fake:
            raise UndefinedMetricError("A resample without one of the classes; resample by strata.")
        return np.array([wins / (2 * num_real * num_fake)])


def _ascending(values: Float64Array, cluster: IntArray) -> tuple[Float64Array, npt.NDArray[np.intp]]:
    order = np.argsort(values, kind="stable")
    return values[order], cluster[order].astype(np.intp)


def _pieces(
    reals: Float64Array, fakes: Float64Array, below: IntArray, tied: IntArray
) -> list[tuple[int, int, int, int, IntArray, IntArray, IntArray]]:
    """The sorted rows cut into pieces that no group of tied scores crosses: reals `first:last` with the fakes
    `start:stop` that lie among them, `below` and the ends of ties counted from the piece's first real."""
    pieces = []
    first = start = 0
    while start < len(fakes) or first < len(reals):
        last = min(first + CHUNK, len(reals))
        if 0 < last < len(reals):
            last = int(np.searchsorted(reals, reals[last - 1], side="right"))
        stop = len(fakes) if last == len(reals) else int(np.searchsorted(fakes, reals[last - 1], side="right"))
        local = below[start:stop] - first
        tied_fakes = np.flatnonzero(tied[start:stop])
        tied_stop = local[tied_fakes] + tied[start:stop][tied_fakes]
        pieces.append((first, last, start, stop, local, tied_fakes, tied_stop))
        first, start = last, stop
    return pieces


class CurveStatistic:
    """Any figures that are read off the weighted ROC curve of (n,) rows, such as ``Curve.eer``."""

    def __init__(
        self,
        scores: npt.ArrayLike,
        labels: npt.ArrayLike,
        cluster: IntArray,
        figures: Sequence[Callable[[Curve], float | Float64Array]],
    ) -> None:
        self._ranked = RankedScores(scores, labels)
        self._cluster = cluster.astype(np.intp)
        self._figures = list(figures)
        self.size = len(self(np.ones(int(cluster.max(initial=0)) + 1, dtype=np.int32)))

    def __call__(self, counts: Multiplicity) -> Float64Array:
        points = self._ranked.curve(counts.take(self._cluster))
        return np.concatenate([np.atleast_1d(figure(points)) for figure in self._figures])


class MeanStatistic:
    """Class-balanced mean of a per-row value, such as a log-loss: half the reals' mean plus half the fakes'."""

    size = 1

    def __init__(self, values: npt.ArrayLike, labels: npt.ArrayLike, cluster: IntArray) -> None:
        self._values, classes = checked(values, labels)
        self._fake = (classes == FAKE).astype(np.float64)
        self._cluster = cluster.astype(np.intp)

    def __call__(self, counts: Multiplicity) -> Float64Array:
        weight = counts[self._cluster].astype(np.float64)
        fake = weight * self._fake
        real = weight - fake
        if not real.any() or not fake.any():
            raise UndefinedMetricError("A class-balanced mean needs rows of both classes.")
        means = [np.dot(w, self._values) / w.sum() for w in (real, fake)]
        return np.array([(means[0] + means[1]) / 2])


class ShareStatistic:
    """Mean of a per-row value, such as 1 for a pair that was told apart."""

    size = 1

    def __init__(self, values: npt.ArrayLike, cluster: IntArray) -> None:
        self._values = np.asarray(values, dtype=np.float64)
        self._cluster = cluster.astype(np.intp)

    def __call__(self, counts: Multiplicity) -> Float64Array:
        weight = counts[self._cluster]
        return np.array([np.dot(weight, self._values) / weight.sum()])
