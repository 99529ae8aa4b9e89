"""The drawings of a report: ROC, DET, score distributions, reliability, corruption curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from scipy.special import ndtri

from vidfake.metrics.comparison import Ranking
from vidfake.metrics.levels import LEVEL_TITLES, LEVELS
from vidfake.metrics.results import CalibrationFigures, DatasetResult, Distribution, RocBand
from vidfake.report.model import CorruptionPoint
from vidfake.report.numbers import decimal
from vidfake.report.svg import Plot, linear

_TENTHS = [(i / 5, f"{i / 5:g}") for i in range(6)]
_DET_TICKS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
_DET_LOW, _DET_HIGH = 0.0008, 0.9


def _colour(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else 0


def roc(curves: Sequence[RocBand], title: str = "ROC") -> str:
    """ROC curves of the levels, with 95 % bands where there are any."""
    unit = linear(0, 1)
    plot = Plot(title, unit, unit, _TENTHS, _TENTHS, "False positive rate", "True positive rate")
    plot.guide((0, 1), (0, 1))
    for band in curves:
        if band.low:
            plot.band(band.fpr, band.low, band.high, _colour(band.level))
    for band in curves:
        plot.line((0, *band.fpr), (0, *band.tpr), _colour(band.level))
        plot.name(_colour(band.level), LEVEL_TITLES[band.level])
    return plot.svg()


def _probit(value: float) -> float:
    low, high = float(ndtri(_DET_LOW)), float(ndtri(_DET_HIGH))
    return (float(ndtri(min(max(value, _DET_LOW), _DET_HIGH))) - low) / (high - low)


def det(curves: Sequence[RocBand], title: str = "DET") -> str:
    """Detection error trade-off: both error rates on normal-deviate axes, from one false alarm upwards."""
    ticks = [(tick, f"{100 * tick:g}") for tick in _DET_TICKS]
    plot = Plot(title, _probit, _probit, ticks, ticks, "False alarms, %", "Misses, %")
    plot.guide((_DET_LOW, _DET_HIGH), (_DET_LOW, _DET_HIGH))
    for bands in (True, False):
        for band in curves:
            shown = [i for i, fpr in enumerate(band.fpr) if fpr >= 1 / band.num_real and fpr <= _DET_HIGH]
            fpr = [band.fpr[i] for i in shown]
            if bands and band.low:
                low, high = ([1 - rate[i] for i in shown] for rate in (band.high, band.low))
                plot.band(fpr, low, high, _colour(band.level))
            elif not bands:
                plot.line(fpr, [1 - band.tpr[i] for i in shown], _colour(band.level))
                plot.name(_colour(band.level), LEVEL_TITLES[band.level])
    return plot.svg()


def score_distributions(rows: Sequence[Distribution], title: str = "Scores by manipulation") -> str:
    """Density of the scores of the reals and of each manipulation, each with area one."""
    edges = rows[0].edges
    width = edges[1] - edges[0]
    centres = [edge + width / 2 for edge in edges[:-1]]
    shapes = [[count / (row.num_videos * width) for count in row.counts] for row in rows]
    top = max(max(shape) for shape in shapes) * 1.05
    plot = Plot(
        title, linear(edges[0], edges[-1]), linear(0, top), nice_ticks(edges[0], edges[-1]), [],
        "Score (higher = more likely fake)", "Density", width=880, height=300,
    )  # fmt: skip
    for colour, shape in enumerate(shapes):
        plot.area(centres, shape, colour)
    for colour, (row, shape) in enumerate(zip(rows, shapes, strict=True)):
        plot.line(centres, shape, colour)
        plot.name(colour, f"{row.name} ({row.num_videos}, median {decimal(row.median, 2)})")
    return plot.svg()


def reliability(rows: Sequence[CalibrationFigures], title: str = "Reliability") -> str:
    """Share of fakes against probability, before and after calibration; classes weighted equally."""
    unit = linear(0, 1)
    plot = Plot(title, unit, unit, _TENTHS, _TENTHS, "Probability of fake", "Share of fakes")
    plot.guide((0, 1), (0, 1))
    for colour, row in enumerate(row for row in rows if row.bins):
        xs, ys = [b.mean_probability for b in row.bins], [b.share_fake for b in row.bins]
        plot.line(xs, ys, colour, dots=True)
        plot.name(colour, "before calibration" if row.method == "none" else f"after ({row.method})")
    return plot.svg()


def corruption_curves(points: Sequence[CorruptionPoint], title: str) -> str:
    """AUC against severity, one line per kind of corruption, each from the clean data."""
    shown = [point for point in points if point.auc.value is not None]
    clean = [point for point in shown if point.severity == 0]
    high = max((point.severity for point in shown), default=1) or 1
    low = min(0.5, *(point.auc.value or 0.5 for point in shown)) if shown else 0.5
    low = math.floor(low * 10) / 10
    ticks = [(value, f"{value:.1f}") for value in (i / 10 for i in range(round(low * 10), 11))]
    steps = [(severity, "clean" if severity == 0 else str(severity)) for severity in range(high + 1)]
    plot = Plot(title, linear(0, high), linear(low, 1), steps, ticks, "Severity", "Video-level AUC", width=880)
    by_kind = sorted((point for point in shown if point.severity), key=lambda p: (p.kind, p.severity))
    for colour, (kind, group) in enumerate(groupby(by_kind, key=lambda p: p.kind)):
        path = [*clean[:1], *group]
        plot.line([p.severity for p in path], [p.auc.value or 0.0 for p in path], colour, dots=True)
        plot.name(colour, kind)
    return plot.svg()


def critical_difference(ranking: Ranking, title: str = "Mean ranks and critical difference") -> str:
    """Demšar's diagram: detectors by mean rank (1 is best); a bar joins those that cannot be told apart."""
    number = len(ranking.mean_ranks)
    ticks = [(float(rank), str(rank)) for rank in range(1, number + 1, 1 + (number - 1) // 25)]
    rows = number + len(ranking.groups) + 2
    names = [(rows - 1.0 - i, name) for i, name in enumerate(ranking.mean_ranks)]
    plot = Plot(
        title, linear(1, number), linear(0, rows), ticks, names, "Mean rank", "", width=880,
        height=90 + 26 * rows, left=200,
    )  # fmt: skip
    for i, (height, name) in enumerate(names):
        plot.line([1, ranking.mean_ranks[name]], [height, height], i, dots=True)
    for i, group in enumerate(ranking.groups):
        ranks = [ranking.mean_ranks[name] for name in group]
        plot.bar(min(ranks), max(ranks), 1.0 + i)
    plot.bar(1, min(1 + ranking.critical_difference, number), 0.3, guide=True)
    plot.note(
        f"critical difference {decimal(ranking.critical_difference, 2)} (dashed), thick bars: no difference shown"
    )
    return plot.svg()


def nice_ticks(low: float, high: float, number: int = 8) -> list[tuple[float, str]]:
    """About `number` round values between `low` and `high`, with labels."""
    raw = (high - low) / number
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first = math.ceil(low / step)
    values = [i * step for i in range(first, math.floor(high / step) + 1)]
    return [(value, f"{value:.6g}".replace("-", "\u2212")) for value in values]


def charts_of(result: DatasetResult) -> dict[str, list[str]]:
    """All drawings of one result, by the section that they belong to."""
    drawn: dict[str, list[str]] = {"all": [], "pairs": [], "distributions": [], "reliability": []}
    for section in result.sections:
        if section.curves:
            drawn[section.name] = [roc(section.curves), det(section.curves)]
    if result.distributions:
        drawn["distributions"] = [score_distributions(result.distributions)]
    if any(row.bins for row in result.calibration):
        drawn["reliability"] = [reliability(result.calibration)]
    return drawn
