"""Isotonic regression: the non-decreasing step function nearest to the data, by pooling adjacent violators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vidfake.metrics.segments import Float64Array


@dataclass(frozen=True, eq=False)
class IsotonicFit:
    """Knots (K,): `values` is non-decreasing in `scores`; straight lines between, level outside."""

    scores: Float64Array
    values: Float64Array


def isotonic_fit(scores: Float64Array, targets: Float64Array, weights: Float64Array) -> IsotonicFit:
    """Weighted least squares under "not decreasing in the score", rows with equal scores pooled first."""
    knots, index = np.unique(scores, return_inverse=True)
    weight = np.bincount(index, weights)
    level = np.bincount(index, weights * targets) / weight
    means: list[float] = []
    masses: list[float] = []
    lengths: list[int] = []
    for value, mass in zip(level.tolist(), weight.tolist(), strict=True):
        length = 1
        while means and means[-1] >= value:
            value = (means[-1] * masses[-1] + value * mass) / (masses[-1] + mass)
            mass += masses.pop()
            length += lengths.pop()
            means.pop()
        means.append(value)
        masses.append(mass)
        lengths.append(length)
    fitted = np.repeat(means, lengths)
    inner = np.zeros(len(fitted), dtype=bool)  # knots in the middle of a level stretch say nothing
    inner[1:-1] = (fitted[1:-1] == fitted[:-2]) & (fitted[1:-1] == fitted[2:])
    return IsotonicFit(knots[~inner], fitted[~inner])
