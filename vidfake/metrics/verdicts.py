"""What the shipped verdict says about data of known truth: how often each origin, size or light is called fake.

The two thresholds come from validation and are carried over unchanged. Of every group the share that is called
likely fake is given: the false-positive rate for reals, the share found for fakes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from vidfake.metrics.bootstrap import Interval
from vidfake.metrics.groups import Group, by_dataset, by_image_statistics, by_origin
from vidfake.metrics.results import Figure, VerdictCounts
from vidfake.metrics.segments import Float64Array
from vidfake.scores.table import ScoreTable
from vidfake.types import FAKE, REAL

LIKELY_REAL, INCONCLUSIVE, LIKELY_FAKE = -1, 0, 1


@dataclass(frozen=True)
class Band:
    """The two thresholds of a verdict, at video level.

    A score at or above `likely_fake` is called fake, one at or below `likely_real` real, anything between (or both,
    where they cross) neither. `false_positive_rate` is what validation allowed.
    """

    likely_fake: float
    likely_real: float
    false_positive_rate: float


def verdicts(scores: Float64Array, band: Band) -> Float64Array:
    """(V,) scores as 1 (likely fake), 0 (inconclusive), -1 (likely real); NaN where there is no score."""
    fake = (scores >= band.likely_fake) & (scores > band.likely_real)
    real = (scores <= band.likely_real) & (scores < band.likely_fake)
    return np.where(np.isnan(scores), np.nan, fake.astype(np.float64) - real)


def verdict_counts(
    table: ScoreTable, scores: Float64Array, band: Band, *, confidence: float = 0.95
) -> tuple[VerdictCounts, ...]:
    """Counts for all videos and for each origin, data set and third of the image statistics, reals then fakes.

    (V,) `scores` per video, NaN where there is none.
    """
    called = verdicts(scores, band)
    found = []
    for group in _groups(table):
        for label in (REAL, FAKE):
            rows = np.flatnonzero(group.videos & (table.label == label))
            if len(rows):
                found.append(_counts(group, label, called[rows], table.source_id[rows].astype(str), confidence))
    return tuple(found)


def _groups(table: ScoreTable) -> Iterator[Group]:
    yield Group("all", "all videos", table.labelled)
    yield from by_origin(table)
    yield from by_dataset(table)
    yield from by_image_statistics(table)


def _counts(
    group: Group, label: int, called: Float64Array, sources: np.ndarray, confidence: float
) -> VerdictCounts:
    known = ~np.isnan(called)
    clusters = len(set(sources[known]))
    figure = Figure(None, reason="none of these videos has a score")
    if known.any():
        rate = float((called[known] == LIKELY_FAKE).mean())
        low, high = clopper_pearson(rate * clusters, clusters, confidence)
        figure = Figure(rate, Interval(low, high, confidence, num_clusters=clusters, num_resamples=0))
    return VerdictCounts(
        kind=group.kind,
        name=group.name,
        label=label,
        num_videos=len(called),
        num_sources=len(set(sources)),
        likely_fake=int((called == LIKELY_FAKE).sum()),
        inconclusive=int((called == INCONCLUSIVE).sum()),
        likely_real=int((called == LIKELY_REAL).sum()),
        no_score=int((~known).sum()),
        called_fake=figure,
    )


def clopper_pearson(hits: float, number: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact binomial interval of ``hits / number``, 0 <= hits <= number, number >= 1.

    Whole sources count as one observation each (`hits` may then be a fraction): videos of one source stand or fall
    together, and with a handful of them a bootstrap would give no width at all where nothing was called fake.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26, 1934.
    """
    tail = (1 - confidence) / 2
    low = 0.0 if hits <= 0 else float(betaincinv(hits, number - hits + 1, tail))
    high = 1.0 if hits >= number else float(betaincinv(hits + 1, number - hits, 1 - tail))
    return low, high
