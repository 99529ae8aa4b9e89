"""Alignment: the similarity transform that puts a face's landmarks at fixed places in a square crop."""

from __future__ import annotations

import math

import numpy as np

from vidfake.geometry import apply, centred, inverse, scale_of, similarity_transform
from vidfake.types import ByteArray, FloatArray

FACE_TEMPLATE = np.array([[-0.17, -0.13], [0.17, -0.13], [0.0, 0.065], [-0.148, 0.22], [0.148, 0.22]])
"""The five landmarks of an upright frontal face, seen from the middle of its box, in units of the box's longer
side. Medians of YuNet's landmarks over frontal frames of 25 talking-head videos, made symmetric."""

MAX_SAMPLES = 32
"""Most samples per side of a crop pixel: a face 32 crops across fits no video."""


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


def warp(rgb: ByteArray, matrix: FloatArray, *, crop_size: int) -> ByteArray:
    """The (S, S, 3) crop of `rgb` (H, W, 3) under a frame-to-crop `matrix`.

    Every crop pixel is the mean of k × k bilinear samples spread over its area, k = max(2, source pixels per crop
    pixel): shrinking does not alias, and sharpness does not jump where the scale passes 1. Beyond the picture's
    edge its outermost pixels go on; a mirror image would give tightly cut faces a third eye.
    """
    import cv2

    per_side = max(2, math.ceil(1.0 / max(scale_of(matrix), 1.0 / MAX_SAMPLES)))
    fine = centred(matrix * per_side)
    side = crop_size * per_side
    samples = cv2.warpAffine(rgb, fine, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(samples, (crop_size, crop_size), interpolation=cv2.INTER_AREA), dtype=np.uint8)
