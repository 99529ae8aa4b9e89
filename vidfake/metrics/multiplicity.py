"""Saying things about several detectors at once: Holm, equivalence, Friedman and critical differences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, fdtrc
from scipy.stats import studentized_range

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.bootstrap import Interval
from vidfake.scores.ranks import midranks

Float64Array = npt.NDArray[np.float64]


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjusted p-values of one declared family of comparisons (Holm 1979), in the order given.

    Rejecting where the adjusted value is below 0.05 keeps the chance of any false claim in the family at 5 %.
    """
    for name, p in p_values.items():
        if not 0 <= p <= 1:
            raise ValueError(f"p-value of {name} is {p}; it must lie in [0, 1]")
    adjusted: dict[str, float] = {}
    running = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda key: p_values[key])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = running
    return {name: adjusted[name] for name in p_values}


Verdict = Literal["equivalent", "better", "worse", "different but within the margin", "undecided"]


def equivalence(difference: Interval, *, margin: float) -> Verdict:
    """What an interval of a difference says against a margin that was declared before looking.

    `difference` with confidence 0.90 makes this the two one-sided tests at 5 %. "No difference" is then a finding
    of its own, not the failure to find one.
    """
    if margin <= 0:
        raise ValueError(f"margin is {margin}; declare a margin above 0 before looking at the data")
    excludes_zero = difference.low > 0 or difference.high < 0
    if difference.inside(margin):
        return "different but within the margin" if excludes_zero else "equivalent"
    if excludes_zero:
        return "better" if difference.low > 0 else "worse"
    return "undecided"


@dataclass(frozen=True)
class FriedmanResult:
    """Do k detectors differ over N test sets? In `mean_ranks` 1 is best. The F form is Iman and Davenport's."""

    mean_ranks: tuple[float, ...]
    num_blocks: int
    chi_square: float
    p_value: float
    f_statistic: float
    f_p_value: float


def friedman(figures: npt.ArrayLike) -> FriedmanResult:
    """Friedman's test on (N, k) `figures`, higher = better: a row per independent test set, a column per detector.

    Compressions of the same videos, or seeds, are not further test sets: average them first.
    Raises UndefinedMetricError for fewer than two rows or three columns, or when every row ties throughout.
    """
    values = np.asarray(figures, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < 2 or values.shape[1] < 3 or not np.isfinite(values).all():
        raise UndefinedMetricError(
            f"Friedman's test needs at least 2 test sets × 3 detectors of finite figures, got {values.shape}."
        )
    n, k = values.shape
    ranks = np.stack([midranks(-row) for row in values])
    spread = float((ranks**2).sum() - n * k * (k + 1) ** 2 / 4)
    if spread <= 0:
        raise UndefinedMetricError("Friedman's test is undefined: all detectors tie on every test set.")
    column_sums = ranks.sum(axis=0)
    chi_square = (k - 1) * float(((column_sums - n * (k + 1) / 2) ** 2).sum()) / spread
    rest = n * (k - 1) - chi_square
    f_statistic = (n - 1) * chi_square / rest if rest > 1e-12 else math.inf
    f_p_value = float(fdtrc(k - 1, (k - 1) * (n - 1), f_statistic)) if math.isfinite(f_statistic) else 0.0
    return FriedmanResult(
        tuple(ranks.mean(axis=0).tolist()), n, chi_square, float(chdtrc(k - 1, chi_square)), f_statistic, f_p_value
    )


def critical_difference(num_detectors: int, num_blocks: int, *, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks (Demšar 2006)."""
    if num_detectors < 2 or num_blocks < 2:
        raise UndefinedMetricError(
            f"A critical difference needs 2 detectors and 2 test sets, got {num_detectors} and {num_blocks}."
        )
    q = float(studentized_range.ppf(1 - alpha, num_detectors, np.inf)) / math.sqrt(2)
    return q * math.sqrt(num_detectors * (num_detectors + 1) / (6 * num_blocks))


def indistinguishable_groups(mean_ranks: Mapping[str, float], difference: float) -> list[list[str]]:
    """Largest groups of detectors whose mean ranks lie within one critical difference: the bars of the diagram."""
    order = sorted(mean_ranks, key=lambda name: mean_ranks[name])
    groups: list[list[str]] = []
    reached = 0
    for first, name in enumerate(order):
        last = first
        while last + 1 < len(order) and mean_ranks[order[last + 1]] - mean_ranks[name] < difference:
            last += 1
        if last > first and last > reached:
            groups.append(order[first : last + 1])
            reached = last
    return groups
