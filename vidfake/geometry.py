"""Maps of the plane as (2, 3) matrices, between pictures whose pixel centres lie at i + 0.5."""

from __future__ import annotations

import math

import numpy as np

from vidfake.types import FloatArray


def similarity_transform(source: FloatArray, target: FloatArray) -> FloatArray:
    """The (2, 3) matrix of rotation, scale and shift that brings `source` (N, 2) closest to `target` (N, 2).

    Least squares over all points, without reflection. Points that coincide give a pure shift of scale 0.

    Source: Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991,
    in its closed form for the plane.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    a, b = source - source_mean, target - target_mean
    spread = float((a * a).sum())
    if spread == 0.0:
        linear = np.zeros((2, 2))
    else:
        cosine = float((a * b).sum()) / spread  # scale · cos of the angle
        sine = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
        linear = np.array([[cosine, -sine], [sine, cosine]])
    shift = target_mean - linear @ source_mean
    return np.concatenate([linear, shift[:, None]], axis=1)


def apply(matrix: FloatArray, points: FloatArray) -> FloatArray:
    """`points` (..., 2) through a (2, 3) matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def scale_of(matrix: FloatArray) -> float:
    """Target pixels per source pixel, along a side; the geometric mean of both sides where they differ."""
    return math.sqrt(abs(float(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0])))


def inverse(matrix: FloatArray) -> FloatArray:
    """The (2, 3) matrix that undoes `matrix`. Raises numpy.linalg.LinAlgError at scale 0."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, -(linear @ matrix[:, 2:])], axis=1)


def centred(matrix: FloatArray) -> FloatArray:
    """`matrix` for OpenCV, which has pixel centres at whole numbers on both sides."""
    moved = matrix.copy()
    moved[:, 2] += 0.5 * moved[:, :2].sum(axis=1) - 0.5
    return moved
