"""Detectors against one another on the same videos: paired differences, Holm, equivalence, and a second opinion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.bootstrap import Clusters, bootstrap, interval, p_value
from vidfake.metrics.delong import delong_test
from vidfake.metrics.levels import level_rows
from vidfake.metrics.multiplicity import (
    FriedmanResult,
    Verdict,
    critical_difference,
    equivalence,
    friedman,
    holm,
    indistinguishable_groups,
)
from vidfake.metrics.ranking import auc
from vidfake.metrics.results import DatasetResult, Figure
from vidfake.metrics.sections import Resampling
from vidfake.metrics.segments import Float64Array, IntArray
from vidfake.metrics.statistics import AucStatistic
from vidfake.scores.table import ScoreTable
from vidfake.settings import ScoreSettings


@dataclass(frozen=True)
class Comparison:
    """Video-level AUC of `detector` minus that of `control` on the videos that both scored.

    `p_value` is the bootstrap's, `holm_p_value` adjusted over the whole family, `delong_p_value` takes videos as
    independent. `verdict` is there where a margin was declared.
    """

    dataset: str
    detector: str
    control: str
    num_videos: int
    auc_detector: float
    auc_control: float
    difference: Figure
    p_value: float
    holm_p_value: float
    delong_p_value: float | None
    verdict: Verdict | None = None


def compare(
    tables: Mapping[str, ScoreTable],
    control: str,
    *,
    dataset: str = "",
    settings: ScoreSettings | None = None,
    margin: float | None = None,
    how: Resampling | None = None,
) -> tuple[Comparison, ...]:
    """Every detector of `tables` (name -> scores of the same data set) against `control`: one declared family.

    Raises UndefinedMetricError where a detector shares fewer than two sources, or no two classes, with the control.
    """
    how = how or Resampling()
    found = [
        _compare_two(tables[name], tables[control], name, control, dataset, settings, how)
        for name in tables
        if name != control
    ]
    adjusted = holm({row.detector: row.p_value for row in found})
    return tuple(
        replace(row, holm_p_value=adjusted[row.detector], verdict=_verdict(row, margin, how)) for row in found
    )


def common_video_scores(
    a: ScoreTable, b: ScoreTable, settings: ScoreSettings | None = None
) -> tuple[Float64Array, Float64Array, IntArray, list[str]]:
    """Video-level scores of both tables on the labelled videos that both scored, with labels and sources."""
    rows_a, rows_b = level_rows(a, "video", settings), level_rows(b, "video", settings)
    score_b = dict(zip(b.video_id[rows_b.video], rows_b.scores, strict=True))
    keep = [i for i, video in enumerate(a.video_id[rows_a.video]) if video in score_b]
    videos = rows_a.video[keep]
    theirs = np.array([score_b[video] for video in a.video_id[videos]], dtype=np.float64)
    return rows_a.scores[keep], theirs, rows_a.labels[keep], [str(s) for s in a.source_id[videos]]


def _compare_two(
    a: ScoreTable,
    b: ScoreTable,
    name: str,
    control: str,
    dataset: str,
    settings: ScoreSettings | None,
    how: Resampling,
) -> Comparison:
    ours, theirs, labels, sources = common_video_scores(a, b, settings)
    area_a, area_b = auc(ours, labels), auc(theirs, labels)
    clusters = Clusters.of(sources, labels)
    statistics = [AucStatistic(scores, labels, clusters.of_video) for scores in (ours, theirs)]
    first, second = bootstrap(statistics, clusters, num_resamples=how.num_resamples, seed=how.seed)
    gaps = first[:, 0] - second[:, 0]
    gap = area_a - area_b
    band = interval(gap, gaps, num_clusters=clusters.fewest, scale="identity", confidence=how.confidence)
    p = p_value(gap, gaps, num_clusters=clusters.fewest)
    try:
        opinion = delong_test(ours, theirs, labels).p_value
    except UndefinedMetricError:
        opinion = None  # one video of a class: the bootstrap's interval stands alone
    return Comparison(dataset, name, control, len(labels), area_a, area_b, Figure(gap, band), p, p, opinion)


@dataclass(frozen=True)
class Ranking:
    """Detectors ranked over several data sets by headline AUC: Friedman's test and Nemenyi's critical difference.

    `groups` are the largest sets of detectors that lie within one critical difference.
    """

    datasets: tuple[str, ...]
    mean_ranks: dict[str, float]
    friedman: FriedmanResult
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]


def rank_detectors(results: Sequence[DatasetResult]) -> Ranking | None:
    """The ranking over the data sets on which every detector has a figure, or None where the blocks do not allow
    it: fewer than three detectors or two such data sets, or ties throughout.

    The data sets must be independent: compressions of the same videos are not further blocks.
    """
    areas = {(r.dataset, r.detector): r.headline().value for r in results}
    detectors = list(dict.fromkeys(r.detector for r in results))
    datasets = [
        name
        for name in dict.fromkeys(r.dataset for r in results)
        if all(areas.get((name, detector)) is not None for detector in detectors)
    ]
    try:
        test = friedman([[areas[name, detector] or 0.0 for detector in detectors] for name in datasets])
        difference = critical_difference(len(detectors), len(datasets))
    except UndefinedMetricError:
        return None
    ranks = dict(sorted(zip(detectors, test.mean_ranks, strict=True), key=lambda pair: pair[1]))
    groups = indistinguishable_groups(ranks, difference)
    return Ranking(tuple(datasets), ranks, test, difference, tuple(map(tuple, groups)))


def _verdict(row: Comparison, margin: float | None, how: Resampling) -> Verdict | None:
    band = row.difference.interval
    return equivalence(band, margin=margin) if margin is not None and band is not None else None
