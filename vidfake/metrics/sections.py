"""The headline: frame-level, frames averaged, clip-level and video-level AUC of some rows, and differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.bootstrap import Clusters, bootstrap, interval, p_value
from vidfake.metrics.levels import LevelName, LevelRows
from vidfake.metrics.missing import coverage
from vidfake.metrics.ranking import Curve, check_fpr_support, curve
from vidfake.metrics.results import Difference, Figure, LevelResult, RocBand, Section, figure
from vidfake.metrics.segments import Float64Array
from vidfake.metrics.statistics import AucStatistic, CurveStatistic, Statistic
from vidfake.scores.table import ScoreTable
from vidfake.types import FAKE, REAL, BoolArray

PARTIAL_MAX_FPR = 0.1
FPRS = (0.1, 0.05, 0.01, 0.001)
PER_VIDEO: tuple[LevelName, ...] = ("frames_averaged", "video")
DIFFERENCES: tuple[tuple[LevelName, LevelName], ...] = (
    ("video", "frames_averaged"),
    ("video", "clip"),
    ("video", "frame"),
    ("frames_averaged", "frame"),
)
GRID: Float64Array = np.unique(np.concatenate((np.linspace(0, 1, 101), np.logspace(-4, -1, 46))))
SUPPORT = {f"tpr_at_{fpr:g}": fpr for fpr in FPRS}
FIGURES: dict[str, Callable[[Curve], float]] = {
    "auc": Curve.auc,
    "partial_auc": partial(Curve.partial_auc, max_fpr=PARTIAL_MAX_FPR),
    "average_precision": Curve.average_precision,
    "eer": Curve.eer,
    **{name: partial(Curve.tpr_at_fpr, max_fpr=fpr) for name, fpr in SUPPORT.items()},
}


@dataclass(frozen=True)
class Resampling:
    """How intervals are made. `num_resamples` 0 makes none."""

    num_resamples: int = 2000
    seed: int = 0
    confidence: float = 0.95


def section(
    name: str, table: ScoreTable, levels: Mapping[LevelName, LevelRows], videos: BoolArray, how: Resampling
) -> Section:
    """Figures of the `videos` (V,) at every level. Blank, with the reason, where both classes are not there."""
    chosen = videos & table.labelled
    real, fake = (chosen & (table.label == label) for label in (REAL, FAKE))
    kept = {level: rows.of_videos(chosen) for level, rows in levels.items()}
    kept = {level: rows for level, rows in kept.items() if len(np.unique(rows.labels)) == 2}
    sources = len(set(table.source_id[chosen]))
    empty = Section(name, int(chosen.sum()), int(real.sum()), int(fake.sum()), sources, (), (), ())
    if not kept:
        return replace(empty, reason="No level has scores of both real and fake videos here.")
    points = {level: curve(rows.scores, rows.labels) for level, rows in kept.items()}
    samples, clusters, reason = _resample(table, kept, chosen, how)
    return replace(
        empty,
        levels=tuple(
            _level(table, rows, points[level], chosen, samples.get((level,)), clusters, how)
            for level, rows in kept.items()
        ),
        differences=tuple(_differences(kept, points, samples, clusters, how)),
        curves=tuple(_band(rows, points[level], samples.get((level,)), how) for level, rows in kept.items()),
        reason=reason,
    )


Samples = dict[tuple[LevelName, ...], Float64Array]


def _resample(
    table: ScoreTable, levels: Mapping[LevelName, LevelRows], chosen: BoolArray, how: Resampling
) -> tuple[Samples, Clusters | None, str]:
    """Resampled figures per level, and per level restricted to the videos of another where the two differ."""
    if not how.num_resamples:
        return {}, None, "No intervals were asked for."
    scored = np.zeros(len(table), dtype=bool)
    for rows in levels.values():
        scored[rows.video] = True
    index = np.flatnonzero(scored & chosen)
    try:
        clusters = Clusters.of(table.source_id[index].astype(str), table.label[index])
    except UndefinedMetricError as error:
        return {}, None, str(error)
    cluster_of = np.zeros(len(table), dtype=np.int64)
    cluster_of[index] = clusters.of_video
    wanted: dict[tuple[LevelName, ...], Statistic] = {}
    for level, rows in levels.items():
        cluster = cluster_of[rows.video]
        if level in PER_VIDEO:
            wanted[level,] = CurveStatistic(
                rows.scores, rows.labels, cluster, [*FIGURES.values(), partial(Curve.tpr_on, grid=GRID)]
            )
        else:
            wanted[level,] = AucStatistic(rows.scores, rows.labels, cluster)
    for first, second in DIFFERENCES:
        if first in levels and second in levels and not _same_videos(levels[first], levels[second]):
            for own, other in ((first, second), (second, first)):
                rows = common_rows(levels[own], levels[other])
                if len(np.unique(rows.labels)) == 2:
                    wanted[own, other] = AucStatistic(rows.scores, rows.labels, cluster_of[rows.video])
    found = bootstrap(list(wanted.values()), clusters, num_resamples=how.num_resamples, seed=how.seed)
    return dict(zip(wanted, found, strict=True)), clusters, ""


def _same_videos(a: LevelRows, b: LevelRows) -> bool:
    return np.array_equal(np.unique(a.video), np.unique(b.video))


def common_rows(rows: LevelRows, other: LevelRows) -> LevelRows:
    """The rows of `rows` whose videos `other` has too."""
    keep = np.isin(rows.video, other.video)
    return LevelRows(rows.name, rows.scores[keep], rows.labels[keep], rows.video[keep])


def _level(
    table: ScoreTable,
    rows: LevelRows,
    points: Curve,
    chosen: BoolArray,
    samples: Float64Array | None,
    clusters: Clusters | None,
    how: Resampling,
) -> LevelResult:
    scored = np.zeros(len(table), dtype=bool)
    scored[rows.video] = True
    covered = coverage(table, scored, chosen)
    figures: dict[str, Figure] = {}
    for column, (name, compute) in enumerate(FIGURES.items()):
        found = figure(compute, points)
        if name in SUPPORT:
            support = figure(check_fpr_support, SUPPORT[name], covered.num_real_scored)
            found = found if support.value is not None else support
        if samples is not None and clusters and found.value is not None and column < samples.shape[1]:
            drawn = samples[:, column]
            band = interval(found.value, drawn, num_clusters=clusters.fewest, confidence=how.confidence)
            found = replace(found, interval=band)
        figures[name] = found
    return LevelResult(
        level=rows.name,
        num_rows=len(rows.scores),
        num_videos=covered.num_scored,
        num_real=covered.num_real_scored,
        num_fake=covered.num_fake_scored,
        share_fake=float(rows.labels.mean()),
        coverage=covered,
        figures=figures,
    )


def _differences(
    levels: Mapping[LevelName, LevelRows],
    points: Mapping[LevelName, Curve],
    samples: Samples,
    clusters: Clusters | None,
    how: Resampling,
) -> list[Difference]:
    found = []
    for first, second in DIFFERENCES:
        if first not in levels or second not in levels:
            continue
        a, b = common_rows(levels[first], levels[second]), common_rows(levels[second], levels[first])
        whole = _same_videos(levels[first], levels[second])
        pair = (points[first], points[second]) if whole else (curve(r.scores, r.labels) for r in (a, b))
        value, p = figure(_auc_gap, *pair), None
        drawn = [samples.get(key, samples.get(key[:1])) for key in ((first, second), (second, first))]
        if value.value is not None and clusters and drawn[0] is not None and drawn[1] is not None:
            gaps = drawn[0][:, 0] - drawn[1][:, 0]
            p = p_value(value.value, gaps, num_clusters=clusters.fewest)
            band = interval(
                value.value, gaps, num_clusters=clusters.fewest, scale="difference", confidence=how.confidence
            )
            value = replace(value, interval=band)
        found.append(Difference(first, second, a.num_videos, value, p))
    return found


def _auc_gap(first: Curve, second: Curve) -> float:
    return first.auc() - second.auc()


def _band(rows: LevelRows, points: Curve, samples: Float64Array | None, how: Resampling) -> RocBand:
    num_real = len(np.unique(rows.video[rows.labels == REAL]))
    line = RocBand(rows.name, num_real, tuple(GRID.tolist()), tuple(points.tpr_on(GRID).tolist()))
    if samples is None or samples.shape[1] < len(FIGURES) + len(GRID):
        return line
    tail = (1 - how.confidence) / 2
    low, high = np.quantile(samples[:, len(FIGURES) :], [tail, 1 - tail], axis=0)
    return replace(line, low=tuple(low.tolist()), high=tuple(high.tolist()))
