"""Ranks with ties, and the probability that a fake outranks a real: what everything about ordering stands on."""

from __future__ import annotations

import math

import numpy as np

from vidfake.scores.columns import Float64Array


def midranks(values: Float64Array) -> Float64Array:
    """(n,) ranks from 1, ascending; tied values share the mean of their ranks."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(values) else order
    counts = np.diff(np.append(starts, len(values)))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(starts + (counts + 1) / 2, counts)
    return ranks


def auc_from_ranks(real: Float64Array, fake: Float64Array) -> float:
    """P(fake > real) + P(fake = real) / 2, exactly, as the Mann-Whitney statistic. Both must be non-empty."""
    ranks = midranks(np.concatenate((real, fake)))
    statistic = ranks[len(real) :].sum() - len(fake) * (len(fake) + 1) / 2
    return float(statistic / (len(real) * len(fake)))


def rank_sum_z(real: Float64Array, fake: Float64Array) -> float:
    """Tie-corrected normal deviate of the Mann-Whitney statistic from "no difference" (0 where all scores tie)."""
    both = np.concatenate((real, fake))
    m, n = len(real), len(fake)
    _, counts = np.unique(both, return_counts=True)
    total = m + n
    ties = float((counts.astype(np.float64) ** 3 - counts).sum())
    variance = m * n / 12 * (total + 1 - ties / (total * (total - 1))) if total > 1 else 0.0
    if variance <= 0:
        return 0.0
    return (auc_from_ranks(real, fake) - 0.5) * m * n / math.sqrt(variance)
