"""AUC of every run on the same resamples of whole sources, all runs of a test at once.

With C clusters an AUC is a quadratic form: the pairs that a real of cluster c and a fake of cluster d win, weighted
by how often both clusters were drawn. One matrix product gives it for all resamples. Counts are whole, so equal
scores give exactly equal figures. Definitions are those of `metrics.bootstrap`, whose resamples these are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.bootstrap import BLOCK, DEFAULT_RESAMPLES, Clusters
from vidfake.metrics.segments import Float64Array, IntArray
from vidfake.metrics.statistics import AucStatistic
from vidfake.study.analysis_scores import TestScores
from vidfake.types import FAKE

MOST_CLUSTERS = 400  # above, one sort per run and a pass per resample are quicker
MOST_PAIRS = 4_000_000


@dataclass(frozen=True, eq=False)
class AucSamples:
    """AUC `points` (A, S) on the videos as they are and `samples` (A, S, R) on R resamples; NaN where no run is.

    `num_clusters` is the number of sources with videos of the rarer class.
    """

    of: TestScores
    points: Float64Array
    samples: Float64Array
    num_clusters: int

    @property
    def num_videos(self) -> int:
        """Videos behind each figure."""
        return len(self.of.labels)


def resamples_for(comparisons: int, alpha: float) -> int:
    """Resamples whose smallest p-value, 1 / (R + 1), is half of what Holm's first step asks of a family."""
    return max(DEFAULT_RESAMPLES, math.ceil(2 * comparisons / alpha))


def auc_samples(scores: TestScores, *, num_resamples: int, seed: int = 0) -> AucSamples:
    """AUC of every run on the same `num_resamples` resamples of sources.

    Raises UndefinedMetricError without videos of both classes, each from two sources at least.
    """
    labels = scores.labels
    if not len(labels) or len(np.unique(labels)) < 2:
        raise UndefinedMetricError(
            f"test '{scores.test}': no AUC of {int((labels != FAKE).sum())} real and {int((labels == FAKE).sum())} "
            "fake videos that every run scored; both are needed."
        )
    clusters = Clusters.of(scores.sources, labels)
    blocks = [clusters.draw(b, seed) for b in range(math.ceil(num_resamples / BLOCK))]
    counts = np.concatenate([np.ones((1, clusters.number), np.int32), *blocks])[: num_resamples + 1]
    found = np.full((*scores.scores.shape[:2], num_resamples + 1), np.nan)
    present = scores.present
    pairs = int((labels == FAKE).sum()) * int((labels != FAKE).sum())
    quick = clusters.number <= MOST_CLUSTERS and pairs <= MOST_PAIRS
    weights = counts.astype(np.float64)
    for a in range(len(scores.arms)):
        runs = scores.scores[a, present[a]]
        if not len(runs):
            continue
        found[a, present[a]] = (
            _by_pairs(runs, labels, clusters, weights) if quick else _by_sorting(runs, labels, clusters, counts)
        )
    return AucSamples(scores, found[..., 0], found[..., 1:], clusters.fewest)


def _by_pairs(runs: Float64Array, labels: IntArray, clusters: Clusters, counts: Float64Array) -> Float64Array:
    """(n, V) runs under (R, C) counts -> (n, R) AUC."""
    fake = labels == FAKE
    member = np.zeros((clusters.number, len(labels)))
    member[clusters.of_video, np.arange(len(labels))] = 1.0
    of_real, of_fake = member[:, ~fake], member[:, fake]
    pairs = 2 * (counts @ of_real.sum(axis=1)) * (counts @ of_fake.sum(axis=1))
    result = np.empty((len(runs), len(counts)))
    for i, run in enumerate(runs):
        reals, fakes = run[~fake, None], run[None, fake]
        wins = 2.0 * (fakes > reals) + (fakes == reals)
        between = of_real @ wins @ of_fake.T
        result[i] = np.einsum("rd,rd->r", counts @ between, counts) / pairs
    return result


def _by_sorting(runs: Float64Array, labels: IntArray, clusters: Clusters, counts: IntArray) -> Float64Array:
    statistics = [AucStatistic(run, labels, clusters.of_video) for run in runs]
    drawn = counts.astype(np.int32)
    return np.array([[float(statistic(row)[0]) for row in drawn] for statistic in statistics])
