"""Video-level details of one result: distributions, worst errors, groups, missing-score policies, calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from vidfake.errors import UndefinedMetricError
from vidfake.metrics import reliability
from vidfake.metrics.bootstrap import Clusters, bootstrap, interval
from vidfake.metrics.calibration import Calibration
from vidfake.metrics.groups import all_groups, in_pairs
from vidfake.metrics.missing import POLICIES, Policy, apply_policy
from vidfake.metrics.ranking import auc, average_precision, eer
from vidfake.metrics.results import (
    CalibrationFigures,
    Distribution,
    Figure,
    GroupResult,
    PolicyFigures,
    WorstError,
    figure,
)
from vidfake.metrics.sections import Resampling
from vidfake.metrics.segments import Float64Array, IntArray
from vidfake.metrics.statistics import AucStatistic
from vidfake.metrics.threshold import Threshold, at_threshold
from vidfake.scores.columns import StrArray
from vidfake.scores.ranks import midranks
from vidfake.scores.table import ScoreTable
from vidfake.types import FAKE, REAL

MIN_BINS, MAX_BINS = 10, 60
NUM_WORST = 8
GROUP_RESAMPLES = 1000
_CALIBRATION: dict[str, Callable[..., float]] = {
    "log_loss": reliability.log_loss,
    "brier": reliability.brier,
    "ece": reliability.expected_calibration_error,
    "cllr": reliability.cllr,
    "cllr_min": reliability.cllr_min,
}


def auc_with_interval(scores: Float64Array, labels: IntArray, sources: StrArray, how: Resampling) -> Figure:
    """AUC of (n,) scored videos with its interval; only the AUC, or blank, where these do not exist."""
    try:
        area = auc(scores, labels)
        clusters = Clusters.of(sources.astype(str), labels)
    except UndefinedMetricError as error:
        return replace(figure(auc, scores, labels), reason=str(error))
    if not how.num_resamples:
        return Figure(area)
    statistic = AucStatistic(scores, labels, clusters.of_video)
    drawn = bootstrap([statistic], clusters, num_resamples=how.num_resamples, seed=how.seed)[0][:, 0]
    return Figure(area, interval(area, drawn, num_clusters=clusters.fewest, confidence=how.confidence))


def group_results(table: ScoreTable, scores: Float64Array, how: Resampling) -> tuple[GroupResult, ...]:
    """AUC and EER of every part that the table has columns for."""
    fewer = replace(how, num_resamples=min(how.num_resamples, GROUP_RESAMPLES))
    results = []
    for group in all_groups(table):
        rows = np.flatnonzero(group.videos & table.labelled & ~np.isnan(scores))
        values, labels = scores[rows], table.label[rows]
        area = auc_with_interval(values, labels, table.source_id[rows], fewer)
        rate = figure(eer, values, labels)
        real, fake = (int((labels == label).sum()) for label in (REAL, FAKE))
        results.append(GroupResult(group.kind, group.name, group.against, real, fake, area, rate))
    return tuple(results)


def policy_figures(
    table: ScoreTable, scores: Float64Array, threshold: Threshold | None = None
) -> tuple[PolicyFigures, ...]:
    """Figures of all rows, and of the pairs, under each way of treating videos without a score.

    Nothing for rows that all have one. (V,) `scores` per video, NaN where there is none.
    """
    found = []
    for name, rows in (("all", table.labelled), ("pairs", in_pairs(table))):
        values, labels = scores[rows], table.label[rows]
        if np.isnan(values).any():
            found += [_policy(name, policy, values, labels, table.scale, threshold) for policy in POLICIES]
    return tuple(found)


def _policy(
    rows: str, policy: Policy, scores: Float64Array, labels: IntArray, scale: str, threshold: Threshold | None
) -> PolicyFigures:
    chance = 0.5 if scale == "probability" else 0.0
    limit = None if threshold is None else threshold.value
    values, classes = apply_policy(scores, labels, policy, chance_score=chance, threshold=limit)
    decided = None
    if limit is not None:
        decided = figure(lambda: at_threshold(values, classes, limit).balanced_accuracy)
    return PolicyFigures(
        rows,
        policy,
        len(values),
        auc=figure(auc, values, classes),
        average_precision=figure(average_precision, values, classes),
        eer=figure(eer, values, classes),
        balanced_accuracy=decided,
    )


def calibration_figures(
    table: ScoreTable, scores: Float64Array, calibration: Calibration | None
) -> tuple[CalibrationFigures, ...]:
    """Figures before calibration (raw scores through the logistic function) and after."""
    rows = np.flatnonzero(table.labelled & ~np.isnan(scores))
    values, labels = scores[rows], table.label[rows]
    raw = values if table.scale == "probability" else np.exp(-np.logaddexp(0, -values))
    results = [_calibration_row("none", raw, labels)]
    if calibration is not None:
        results.append(_calibration_row(calibration.method, calibration(values), labels))
    return tuple(results)


def _calibration_row(method: str, probabilities: Float64Array, labels: IntArray) -> CalibrationFigures:
    figures = {name: figure(compute, probabilities, labels) for name, compute in _CALIBRATION.items()}
    try:
        bins = tuple(reliability.reliability_curve(probabilities, labels))
    except UndefinedMetricError:
        bins = ()  # the blank figures beside it carry the reason
    return CalibrationFigures(method, **figures, bins=bins)


def distributions(table: ScoreTable, scores: Float64Array) -> tuple[Distribution, ...]:
    """Histograms of the reals and of each manipulation over common edges; the outermost bins take what is beyond
    the middle 99 %."""
    known = table.labelled & ~np.isnan(scores)
    if not known.any():
        return ()
    low, high = np.quantile(scores[known], [0.005, 0.995])
    if not high > low:
        low, high = low - 0.5, high + 0.5
    num_bins = int(np.clip(2 * np.cbrt(known.sum()), MIN_BINS, MAX_BINS))  # Rice's rule
    edges = np.linspace(low, high, num_bins + 1)
    names = np.where(table.label == REAL, "real", np.where(table.manipulation == "", "fake", table.manipulation))
    results = []
    for name in ["real", *sorted(set(names[known & (table.label == FAKE)]))]:
        label = REAL if name == "real" else FAKE
        values = scores[known & (names == name) & (table.label == label)]
        if len(values):
            counts = np.histogram(np.clip(values, low, high), edges)[0]
            median = float(np.median(values))
            results.append(
                Distribution(str(name), len(values), median, tuple(counts.tolist()), tuple(edges.tolist()))
            )
    return tuple(results)


def worst_errors(table: ScoreTable, scores: Float64Array, *, number: int = NUM_WORST) -> tuple[WorstError, ...]:
    """The reals that score highest and the fakes that score lowest, with the time of their highest clip or frame.

    `rank` is the share of the other class on the wrong side: 1 for a real above every fake.
    """
    known = np.flatnonzero(table.labelled & ~np.isnan(scores))
    values, labels = scores[known], table.label[known]
    if len(np.unique(labels)) < 2:
        return ()
    everyone = midranks(values)
    wrong = np.empty(len(values))
    for label in (REAL, FAKE):
        own = labels == label
        below = (everyone[own] - midranks(values[own])) / (~own).sum()
        wrong[own] = 1 - below if label == FAKE else below
    results = []
    for label, sign in ((REAL, -1.0), (FAKE, 1.0)):
        own = np.flatnonzero(labels == label)
        for i in own[np.argsort(sign * values[own], kind="stable")][:number]:
            video = int(known[i])
            results.append(
                WorstError(
                    str(table.video_id[video]), label, str(table.manipulation[video]), float(values[i]),
                    float(wrong[i]), _highest_moment(table, video),
                )
            )  # fmt: skip
    return tuple(results)


def _highest_moment(table: ScoreTable, video: int) -> float | None:
    for index, scores, seconds in (
        (table.clip_video, table.clip_score, table.clip_start_seconds),
        (table.frame_video, table.frame_score, table.frame_pts_seconds),
    ):
        first, last = np.searchsorted(index, [video, video + 1])
        if last > first:
            return float(seconds[first + int(np.argmax(scores[first:last]))])
    return None
