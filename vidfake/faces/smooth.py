"""Zero-phase smoothing in time: right for uneven frame times, and without bias at the ends."""

from __future__ import annotations

import numpy as np

from vidfake.types import FloatArray

REACH_SIGMAS = 3.0
"""Samples further away than so many standard deviations have no weight."""


def reach_seconds(sigma_seconds: float) -> float:
    """How far before and after a moment its smoothed value depends on the input.

    A microsecond is added: evenly spaced samples often lie exactly at the limit, and rounding must not decide.
    """
    return REACH_SIGMAS * sigma_seconds + 1e-6


def smooth(times: FloatArray, values: FloatArray, at: FloatArray, *, sigma_seconds: float) -> FloatArray:
    """Smoothed `values` (N, C), sampled at increasing `times` (N,), at the moments `at` (M,) -> (M, C).

    At each moment a straight line is fitted by least squares under Gaussian weights of standard deviation
    `sigma_seconds` in time, and its value taken (local linear regression; Cleveland 1979, Fan 1993). Between
    evenly spaced samples this is the Gaussian filter; where samples are uneven, or end, a steady motion still comes
    out as it went in, which a plain weighted mean would drag towards the inside. `sigma_seconds` 0 interpolates.

    A moment's value depends on the samples within `reach_seconds` alone, and to the last bit: so a part of a track
    smoothed by itself equals the same part of the track smoothed whole.
    """
    if sigma_seconds == 0.0:
        return interpolate(times, values, at)
    reach = reach_seconds(sigma_seconds)
    start = np.searchsorted(times, at - reach, side="left")
    stop = np.searchsorted(times, at + reach, side="right")
    s0, s1, s2 = (np.zeros((len(at), 1)) for _ in range(3))
    v0, v1 = (np.zeros((len(at), values.shape[1])) for _ in range(2))
    # one sample of every moment's window at a time, nearest the start first: the order of additions is fixed
    for k in range(int((stop - start).max(initial=0))):
        chosen = np.minimum(start + k, len(times) - 1)
        distance = (times[chosen] - at)[:, None]
        weight = np.exp(-0.5 * (distance / sigma_seconds) ** 2)
        weight = np.where((start + k < stop)[:, None], weight, 0.0)
        moment = weight * distance
        s0 += weight
        s1 += moment
        s2 += moment * distance
        v0 += weight * values[chosen]
        v1 += moment * values[chosen]
    determinant = s0 * s2 - s1 * s1
    # a single sample in reach has no slope: its own value is the fit
    line = determinant > 1e-9 * s0 * s0 * sigma_seconds**2
    return np.where(line, (s2 * v0 - s1 * v1) / np.where(line, determinant, 1.0), v0 / s0)


def interpolate(times: FloatArray, values: FloatArray, at: FloatArray) -> FloatArray:
    """`values` (N, C) at increasing `times` (N,), linearly in between, at the moments `at` (M,) -> (M, C).

    Beyond the ends the nearest value holds.
    """
    if len(times) == 1:
        return np.repeat(values, len(at), axis=0)
    right = np.clip(np.searchsorted(times, at, side="right"), 1, len(times) - 1)
    before, after = times[right - 1], times[right]
    share = np.clip((at - before) / (after - before), 0.0, 1.0)[:, None]
    return values[right - 1] * (1.0 - share) + values[right] * share
