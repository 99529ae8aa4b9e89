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
    independent. Without resamples there is neither an interval nor the first two. `verdict` is there where a margin
    was declared.
    """

    dataset: str
    detector: str
    control: str
    num_videos: int
    auc_detector: float
    auc_control: float
    difference: Figure
    p_value: float | None
    holm_p_value: float | None
    delong_p_value: float | None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Family:
    """Comparisons with one control on one data set; `undefined`: detectors without one -> the reason."""

    rows: tuple[Comparison, ...]
    undefined: dict[str, str]


def compare(
    tables: Mapping[str, ScoreTable],
    control: str,
    *,
    dataset: str = "",
    settings: ScoreSettings | Mapping[str, ScoreSettings] | None = None,
    margin: float | None = None,
    how: Resampling | None = None,
) -> tuple[Comparison, ...]:
    """Every detector of `tables` (name -> scores of the same data set) against `control`: one declared family.

    `settings` pool clips to videos, for all alike or by a detector's name (defaults for one that is not there).
    Raises UndefinedMetricError where a detector shares fewer than two sources, or no two classes, with the control.
    """
    family = compare_where_defined(tables, control, dataset=dataset, settings=settings, margin=margin, how=how)
    for name, reason in family.undefined.items():
        raise UndefinedMetricError(f"'{name}' cannot be compared with '{control}': {reason}")
    return family.rows


def compare_where_defined(
    tables: Mapping[str, ScoreTable],
    control: str,
    *,
    dataset: str = "",
    settings: ScoreSettings | Mapping[str, ScoreSettings] | None = None,
    margin: float | None = None,
    how: Resampling | None = None,
) -> Family:
    """As `compare`, with the comparisons that do not exist left out of the family, each with its reason."""
    how = how or Resampling()
    pooled = settings if isinstance(settings, Mapping) else dict.fromkeys(tables, settings)
    found: list[Comparison] = []
    undefined: dict[str, str] = {}
    for name in tables:
        if name == control:
            continue
        try:
            found.append(_compare_two(tables, name, control, dataset, pooled, how))
        except UndefinedMetricError as error:
            undefined[name] = str(error)
    adjusted = holm({row.detector: row.p_value for row in found if row.p_value is not None})
    rows = tuple(
        replace(row, holm_p_value=adjusted.get(row.detector), verdict=_verdict(row, margin)) for row in found
    )
    return Family(rows, undefined)


def common_video_scores(
    a: ScoreTable,
    b: ScoreTable,
    settings_a: ScoreSettings | None = None,
    settings_b: ScoreSettings | None = None,
) -> tuple[Float64Array, Float64Array, IntArray, list[str]]:
    """Video-level scores of both tables on the labelled videos that both scored, with labels and sources."""
    rows_a, rows_b = level_rows(a, "video", settings_a), level_rows(b, "video", settings_b)
    score_b = dict(zip(b.video_id[rows_b.video], rows_b.scores, strict=True))
    keep = [i for i, video in enumerate(a.video_id[rows_a.video]) if video in score_b]
    videos = rows_a.video[keep]
    theirs = np.array([score_b[video] for video in a.video_id[videos]], dtype=np.float64)
    return rows_a.scores[keep], theirs, rows_a.labels[keep], [str(s) for s in a.source_id[videos]]


def _compare_two(
    tables: Mapping[str, ScoreTable],
    name: str,
    control: str,
    dataset: str,
    pooled: Mapping[str, ScoreSettings | None],
    how: Resampling,
) -> Comparison:
    ours, theirs, labels, sources = common_video_scores(
        tables[name], tables[control], pooled.get(name), pooled.get(control)
    )
    area_a, area_b = auc(ours, labels), auc(theirs, labels)
    clusters = Clusters.of(sources, labels)
    gap = area_a - area_b
    difference, p = Figure(gap, reason="No intervals were asked for."), None
    if how.num_resamples:
        statistics = [AucStatistic(scores, labels, clusters.of_video) for scores in (ours, theirs)]
        first, second = bootstrap(statistics, clusters, num_resamples=how.num_resamples, seed=how.seed)
        gaps = first[:, 0] - second[:, 0]
        number = clusters.fewest
        difference = Figure(
            gap, interval(gap, gaps, num_clusters=number, scale="difference", confidence=how.confidence)
        )
        p = p_value(gap, gaps, num_clusters=number)
    try:
        opinion = delong_test(ours, theirs, labels).p_value
    except UndefinedMetricError:
        opinion = None  # one video of a class: the bootstrap's interval stands alone
    return Comparison(dataset, name, control, len(labels), area_a, area_b, difference, p, p, opinion)


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


def _verdict(row: Comparison, margin: float | None) -> Verdict | None:
    band = row.difference.interval
    return equivalence(band, margin=margin) if margin is not None and band is not None else None
