"""What makers share in moving, colouring and blending faces."""

from __future__ import annotations

import cv2
import numpy as np

from vidfake.geometry import similarity_transform
from vidfake.types import ByteArray, FloatArray


def carry(face: ByteArray, source: FloatArray, target: FloatArray) -> ByteArray:
    """`face` (S, S, 3) moved so that its landmarks `source` (5, 2) come to lie on `target` (5, 2)."""
    if np.array_equal(source, target):
        return face
    height, width = face.shape[:2]
    matrix = similarity_transform(source, target)
    moved = cv2.warpAffine(face, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, np.uint8)


def shared_mask(mask: FloatArray, source_mask: FloatArray, source: FloatArray, target: FloatArray) -> FloatArray:
    """`mask` (S, S) where the carried face is its own too: the lesser of it and `source_mask`, carried along.

    Without this, a turned head would bring the ground beside it into a frontal face.
    """
    if np.array_equal(source, target):
        return np.minimum(mask, source_mask)
    return np.minimum(mask, cv2.warpAffine(source_mask, similarity_transform(source, target), mask.shape[::-1]))


def match_colour(
    picture: FloatArray | ByteArray, reference: FloatArray | ByteArray, mask: FloatArray, *, share: float = 1.0
) -> FloatArray:
    """`picture` (H, W, 3) with each channel's mean and spread under `mask` (H, W) brought to those of `reference`.

    `share` in [0, 1] says how far. Spreads change by at most a factor of 1.5, lest noise be blown up.
    """
    altered = np.asarray(picture, np.float32)
    weight = float(mask.sum())
    if weight < 1:
        return altered
    here_mean, here_spread = _statistics(altered, mask, weight)
    there_mean, there_spread = _statistics(np.asarray(reference, np.float32), mask, weight)
    gain = 1 + share * (np.clip((there_spread + 1) / (here_spread + 1), 1 / 1.5, 1.5) - 1)
    offset = here_mean + share * (there_mean - here_mean) - gain * here_mean
    return np.asarray(altered * gain.astype(np.float32) + offset.astype(np.float32), np.float32)


def _statistics(picture: FloatArray, mask: FloatArray, weight: float) -> tuple[FloatArray, FloatArray]:
    pixels, weights = picture.reshape(-1, 3), np.asarray(mask, np.float32).reshape(-1)
    mean = weights @ pixels / weight
    return mean, np.sqrt(np.maximum(weights @ (pixels * pixels) / weight - mean**2, 0))


def tint_share(faces: ByteArray) -> float:
    """How far the channels of a clip (T, S, S, 3) may be altered apart: 0 for grey footage, 1 for usual colours.

    A tint on black-and-white footage would give a fake away at a glance. The share is full where highest and lowest
    channel are 12 levels apart on average.
    """
    some = faces[:, ::8, ::8].astype(np.float32)
    return float(min(1.0, (some.max(axis=-1) - some.min(axis=-1)).mean() / 12))


def toned(changes: FloatArray, share: float) -> FloatArray:
    """`changes` (..., 3) per channel, brought towards their mean so that `share` of their differences is left."""
    mean = changes.mean(axis=-1, keepdims=True)
    return np.asarray(mean + share * (changes - mean))


def blend(face: ByteArray, altered: FloatArray | ByteArray, mask: FloatArray) -> ByteArray:
    """`face` (S, S, 3) with `altered` over it as opaquely as `mask` (S, S) says; where that is 0, `face` itself."""
    out = face.copy()
    x, y, width, height = cv2.boundingRect((mask > 0).astype(np.uint8))
    if width == 0 or height == 0:
        return out
    part = np.s_[y : y + height, x : x + width]
    weight = mask[part][..., None]
    mixed = weight * altered[part] + (1 - weight) * face[part]
    out[part] = np.where(weight > 0, np.clip(np.round(mixed), 0, 255), face[part])
    return out


def resample(picture: ByteArray | FloatArray, share: float) -> FloatArray:
    """`picture` (H, W, 3) brought to `share` of its size and back: as soft as a smaller generator's output."""
    height, width = picture.shape[:2]
    small = max(8, round(width * share)), max(8, round(height * share))
    reduced = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(reduced, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
