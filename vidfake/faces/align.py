"""Alignment: the similarity transform that puts a face's landmarks at fixed places in a square crop."""

from __future__ import annotations

import math

import numpy as np

from vidfake.types import ByteArray, FloatArray

FACE_TEMPLATE = np.array([[-0.17, -0.13], [0.17, -0.13], [0.0, 0.065], [-0.148, 0.22], [0.148, 0.22]])
"""The five landmarks of an upright frontal face, seen from the middle of its box, in units of the box's longer
side. Medians of YuNet's landmarks over frontal frames of 25 talking-head videos, made symmetric."""

MAX_SAMPLES = 32
"""Most samples per side of a crop pixel: a face 32 crops across fits no video."""


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


def crop_template(*, crop_size: int, margin: float) -> FloatArray:
    """Where the landmarks (5, 2) sit in a crop whose side is `margin` times the face box's longer side."""
    return FACE_TEMPLATE * (crop_size / margin) + crop_size / 2


def crop_transform(
    landmarks: FloatArray, *, crop_size: int, margin: float, pixel_aspect: float = 1.0
) -> FloatArray:
    """The (2, 3) matrix from the frame to the crop, for `landmarks` (5, 2) in the frame.

    `pixel_aspect` is a frame pixel's width over its height. Where it is not 1, the frame is stretched to how it is
    shown first, so that the crop's pixels are square and faces have their proportions.
    """
    shown = np.array([pixel_aspect, 1.0])
    matrix = similarity_transform(landmarks * shown, crop_template(crop_size=crop_size, margin=margin))
    matrix[:, 0] *= pixel_aspect
    return matrix


def inside_share(matrix: FloatArray, *, crop_size: int, width: int, height: int) -> float:
    """Share of the crop, in [0, 1], that lies inside a picture of `width` × `height`, on a grid of 16 × 16."""
    steps = (np.arange(16) + 0.5) * (crop_size / 16)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    points = apply(inverse(matrix), grid)
    inside = (points >= 0).all(axis=1) & (points[:, 0] < width) & (points[:, 1] < height)
    return float(inside.mean())


def inverse(matrix: FloatArray) -> FloatArray:
    """The (2, 3) matrix that undoes `matrix`. Raises numpy.linalg.LinAlgError at scale 0."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, -(linear @ matrix[:, 2:])], axis=1)


def warp(rgb: ByteArray, matrix: FloatArray, *, crop_size: int) -> ByteArray:
    """The (S, S, 3) crop of `rgb` (H, W, 3) under a frame-to-crop `matrix`.

    Every crop pixel is the mean of k × k bilinear samples spread over its area, k = max(2, source pixels per crop
    pixel): shrinking does not alias, and sharpness does not jump where the scale passes 1. Beyond the picture's
    edge its outermost pixels go on; a mirror image would give tightly cut faces a third eye.
    """
    import cv2

    per_side = max(2, math.ceil(1.0 / max(scale_of(matrix), 1.0 / MAX_SAMPLES)))
    # OpenCV puts pixel centres at whole numbers; here they are at i + 0.5 on both sides
    fine = matrix * per_side
    fine[:, 2] += fine[:, :2].sum(axis=1) * 0.5 - 0.5
    side = crop_size * per_side
    samples = cv2.warpAffine(rgb, fine, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(samples, (crop_size, crop_size), interpolation=cv2.INTER_AREA), dtype=np.uint8)
