"""From a picture and a face's landmarks to the aligned crop that models see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vidfake.faces.align import crop_transform, inside_share, warp
from vidfake.faces.codec import decode_crop, encode_crop
from vidfake.faces.quality import face_quality
from vidfake.faces.stopwatch import Stopwatch
from vidfake.geometry import apply, inverse, scale_of
from vidfake.settings import ExtractSettings
from vidfake.types import ByteArray, FloatArray, Region

PixelSource = Callable[[Region], ByteArray]
"""Gives the RGB pixels of part of one picture."""

_EDGE_PIXELS = 2  # around the part of the picture that a crop needs: bilinear sampling reaches one pixel further


@dataclass(frozen=True)
class Crop:
    """One aligned face: `face` (S, S, 3) uint8 RGB as decoded from `encoded`, `landmarks` (5, 2) in the crop,
    and its quality measures."""

    face: ByteArray
    encoded: bytes
    landmarks: FloatArray
    quality: dict[str, float]


def cut_crop(
    pixels: PixelSource,
    landmarks: FloatArray,
    *,
    bounds: Region,
    confidence: float,
    settings: ExtractSettings,
    stopwatch: Stopwatch,
    pixel_aspect: float = 1.0,
) -> Crop:
    """The aligned crop of the face with these landmarks (5, 2), in pixels of the whole picture.

    Nothing outside of `bounds` (the picture, or the region that a row is about) is looked at: there the outermost
    pixels of what is inside go on. `pixel_aspect` is a pixel's width over its height.
    """
    size = settings.crop_size
    matrix = crop_transform(landmarks, crop_size=size, margin=settings.margin, pixel_aspect=pixel_aspect)
    part = needed_part(matrix, crop_size=size, bounds=bounds)
    with stopwatch.stage("convert"):
        rgb = pixels(part)
    with stopwatch.stage("align"):
        warped = warp(rgb, shifted(matrix, part.x, part.y), crop_size=size)
    with stopwatch.stage("codec"):
        encoded = encode_crop(warped, quality=settings.jpeg_quality)
        face = decode_crop(encoded)
    with stopwatch.stage("quality"):
        crop_landmarks = apply(matrix, landmarks)
        inside = inside_share(
            shifted(matrix, bounds.x, bounds.y), crop_size=size, width=bounds.width, height=bounds.height
        )
        quality = face_quality(
            face,
            crop_landmarks,
            size_pixels=size / (settings.margin * scale_of(matrix)),
            confidence=confidence,
            inside=inside,
        )
    return Crop(face=face, encoded=encoded, landmarks=crop_landmarks, quality=quality)


def shifted(matrix: FloatArray, x: float, y: float) -> FloatArray:
    """The same map for coordinates that are counted from (x, y)."""
    linear = matrix[:, :2]
    return np.concatenate([linear, matrix[:, 2:] + linear @ np.array([[x], [y]])], axis=1)


def needed_part(matrix: FloatArray, *, crop_size: int, bounds: Region) -> Region:
    """The part of `bounds` that a crop shows, at least one pixel."""
    corners = np.array([[0, 0], [crop_size, 0], [0, crop_size], [crop_size, crop_size]], np.float64)
    points = apply(inverse(matrix), corners)
    x0, width = _span(points[:, 0], bounds.x, bounds.width)
    y0, height = _span(points[:, 1], bounds.y, bounds.height)
    return Region(x0, y0, width, height)


def _span(values: FloatArray, start: int, length: int) -> tuple[int, int]:
    first = int(np.clip(np.floor(values.min()) - _EDGE_PIXELS, start, start + length - 1))
    last = int(np.clip(np.ceil(values.max()) + _EDGE_PIXELS, first + 1, start + length))
    return first, last - first
