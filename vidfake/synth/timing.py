"""Time within a clip: frame orders, and curves that change slowly or jump from frame to frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vidfake.types import FloatArray

IntArray = npt.NDArray[np.int64]


def reflect(indices: npt.NDArray[Any], length: int) -> IntArray:
    """Whole frame numbers, folded back and forth into 0 .. length - 1."""
    period = max(1, 2 * (length - 1))
    folded = np.mod(np.round(indices).astype(np.int64), period)
    return np.where(folded < length, folded, period - folded)


def slow_curve(length: int, rng: np.random.Generator, *, frames_per_knot: float) -> FloatArray:
    """A smooth curve (T,) in [-1, 1] through random knots that lie `frames_per_knot` frames apart, phase random."""
    positions = rng.random() + np.arange(length) / frames_per_knot
    knots = rng.uniform(-1, 1, int(positions[-1]) + 2)
    left = positions.astype(int)
    rise = (1 - np.cos(np.pi * (positions - left))) / 2
    return np.asarray((1 - rise) * knots[left] + rise * knots[left + 1])


def jitter(length: int, rng: np.random.Generator, *, inertia: float, columns: int = 1) -> FloatArray:
    """Noise (T, columns) in [-1, 1]: each frame keeps the share `inertia` of the last one's value.

    First-order autoregressive with standard deviation 0.5, cut at 1: 0 is white noise, near 1 a slow walk.
    """
    values = rng.normal(0, 0.5, (length, columns))
    for t in range(1, length):
        values[t] = inertia * values[t - 1] + np.sqrt(1 - inertia**2) * values[t]
    return np.asarray(np.clip(values, -1, 1))
