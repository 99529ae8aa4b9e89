"""Cluster bootstrap: how much a figure would move had other people been filmed.

Videos that share a source (a real video and all fakes made from it) stand or fall together, so whole sources are
drawn, never videos, clips or frames. FaceForensics++'s test set has 70 such clusters, whatever its number of
frames. Sources are drawn within strata (only reals, only fakes, both), so that every resample has both classes.
All figures are evaluated on the same resamples, so their differences are paired.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, stdtr, stdtrit

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.segments import Float64Array, IntArray
from vidfake.metrics.statistics import Multiplicity, Statistic
from vidfake.seeding import generator
from vidfake.types import FAKE, REAL

BLOCK = 16  # resamples drawn at a time; part of the definition of a seed
DEFAULT_RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A confidence interval, and what it rests on."""

    low: float
    high: float
    confidence: float
    num_clusters: int
    num_resamples: int

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def inside(self, margin: float) -> bool:
        """True where the whole interval lies within plus or minus `margin`."""
        return -margin < self.low and self.high < margin


@dataclass(frozen=True, eq=False)
class Clusters:
    """`of_video` (V,) is the cluster of each video, 0..`number` - 1; `strata` partition the clusters.

    `fewest` is the number of clusters with videos of the rarer class: what a figure of two classes rests on.
    """

    of_video: IntArray
    number: int
    strata: tuple[IntArray, ...]
    fewest: int

    @staticmethod
    def of(source_ids: npt.ArrayLike, labels: npt.ArrayLike) -> Clusters:
        """Clusters by `source_ids` (V,), in strata by which of the 0/1 `labels` (V,) each contains.

        Raises UndefinedMetricError where a class comes from one source only: nothing is known about other people.
        """
        names, index = np.unique(np.asarray(source_ids), return_inverse=True)
        classes = np.asarray(labels)
        has = {
            word: np.bincount(index[classes == label], minlength=len(names)) > 0
            for word, label in (("real", REAL), ("fake", FAKE))
        }
        number_of = {word: int(found.sum()) for word, found in has.items() if found.any()}
        for word, number in number_of.items():
            if number < 2:
                raise UndefinedMetricError(
                    f"No interval: all {word} videos come from 1 source, and at least 2 are needed. "
                    "Check `source_id` in the manifest."
                )
        kind = has["real"] + 2 * has["fake"]
        strata = tuple(np.flatnonzero(kind == k) for k in range(1, 4))
        fewest = min(number_of.values(), default=0)
        return Clusters(index.astype(np.int64), len(names), tuple(s for s in strata if len(s)), fewest)

    def draw(self, block: int, seed: int) -> Multiplicity:
        """(BLOCK, number) how often each cluster is in each resample of one block; the same for the same seed."""
        rng = generator("bootstrap", seed, block)
        counts = np.zeros((BLOCK, self.number), dtype=np.int32)
        for row in counts:
            for stratum in self.strata:
                picks = rng.integers(0, len(stratum), len(stratum))
                row[stratum] = np.bincount(picks, minlength=len(stratum))
        return counts


def bootstrap(
    statistics: Sequence[Statistic], clusters: Clusters, *, num_resamples: int = DEFAULT_RESAMPLES, seed: int = 0
) -> list[Float64Array]:
    """Each statistic on the same resamples of whole clusters: one (num_resamples, size) array per statistic."""
    if num_resamples < 1:
        raise ValueError(f"num_resamples is {num_resamples}; it must be at least 1")
    results = [np.empty((num_resamples, statistic.size)) for statistic in statistics]
    for start in range(0, num_resamples, BLOCK):
        counts = clusters.draw(start // BLOCK, seed)
        for row in range(min(BLOCK, num_resamples - start)):
            for statistic, result in zip(statistics, results, strict=True):
                result[start + row] = statistic(counts[row])
    return results


def interval(
    point: float,
    samples: Float64Array,
    *,
    num_clusters: int,
    scale: Literal["logit", "difference"] = "logit",
    confidence: float = 0.95,
) -> Interval:
    """Interval of a figure from its (R,) resampled values: point plus or minus t times their spread.

    ``logit``, for figures in [0, 1], does this on the logit scale, where the spread of an AUC near 1 is about
    symmetric; by simulation (docs/metrics.md) it keeps its promise at 70 clusters where percentiles do not. A point
    at 0 or 1 has no logit, and resamples of flawless data are flawless: its interval ends at the exact bound of as
    many successes as there are clusters (Clopper & Pearson 1934), or at the percentile where that reaches further.
    ``difference``, for differences of such figures, ends at -1 and 1, and is [0, 0] for identical detectors. t has
    `num_clusters` - 1 degrees of freedom: pass `Clusters.fewest`.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie in (0, 1)")
    tail = (1 - confidence) / 2
    if scale == "logit" and (point <= 0 or point >= 1):
        low, high = np.quantile(samples, [tail, 1 - tail])
        exact = tail ** (1 / num_clusters)
        low, high = (min(low, exact), 1.0) if point >= 1 else (0.0, max(high, 1 - exact))
    else:
        reach = float(stdtrit(num_clusters - 1, 1 - tail)) * math.sqrt(num_clusters / (num_clusters - 1))
        if scale == "difference":
            spread = reach * samples.std()
            low, high = max(-1.0, point - spread), min(1.0, point + spread)
        else:
            spread = reach * logit(_off_the_bounds(samples)).std()
            low, high = expit(logit(point) - spread), expit(logit(point) + spread)
    return Interval(float(low), float(high), confidence, num_clusters, len(samples))


def _off_the_bounds(samples: Float64Array) -> Float64Array:
    """Resampled rates with each 0 or 1 moved half-way to the nearest that is neither, so that it has a logit."""
    inner = samples[(samples > 0) & (samples < 1)]
    if not len(inner):
        return np.full(len(samples), 0.5)
    moved: Float64Array = np.clip(samples, inner.min() / 2, (1 + inner.max()) / 2)
    return moved


def p_value(point: float, differences: Float64Array, *, num_clusters: int) -> float:
    """Two-sided p-value of "no difference" from (R,) resampled differences; below 0.05 exactly where the 95 %
    interval leaves out 0. Never below 1 / (R + 1): so few resamples can say no more."""
    spread = float(differences.std()) * math.sqrt(num_clusters / (num_clusters - 1))
    if spread == 0:
        return 1.0 if point == 0 else 1 / (len(differences) + 1)
    p = 2 * float(stdtr(num_clusters - 1, -abs(point) / spread))
    return max(p, 1 / (len(differences) + 1))


def over_seeds(samples: Float64Array, *, seed: int = 0) -> Float64Array:
    """Hierarchical bootstrap: (R,) means over training seeds, the seeds resampled too.

    `samples` (S, R): the figure, or the paired difference, of each of S training seeds on the same R resamples of
    clusters. Both sources of chance, training and test videos, are then in the spread; take the interval with
    ``num_clusters=min(S, number of clusters)``. Raises UndefinedMetricError for fewer than two seeds.
    """
    num_seeds, num_resamples = samples.shape
    if num_seeds < 2:
        raise UndefinedMetricError(
            f"{num_seeds} training seed(s) say nothing about retraining; at least 2 are needed."
        )
    rng = generator("training seeds", seed)
    counts = rng.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), size=num_resamples)
    weights = 1 + math.sqrt(num_seeds / (num_seeds - 1)) * (counts - 1)  # S draws of S spread too little by (S-1)/S
    means: Float64Array = (weights * samples.T).sum(axis=1) / num_seeds
    return means
