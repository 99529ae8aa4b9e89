"""Loss of resolution: DeeperForensics-1.0's "JPEG" (which is pixelation), and a resize as platforms do it."""

from __future__ import annotations

import cv2
import numpy as np

from vidfake.corruptions.base import FrameCorruption, register
from vidfake.corruptions.colour import FAMILY, SOURCE
from vidfake.types import ByteArray


def resized(frame: ByteArray, width: int, height: int, interpolation: int) -> ByteArray:
    """`frame` at another size, at least 1 × 1."""
    return np.asarray(cv2.resize(frame, (max(1, width), max(1, height)), interpolation=interpolation), np.uint8)


@register("JPEG", source=SOURCE, family=FAMILY)
class Pixelation(FrameCorruption):
    """Pixelation, called JPEG compression in the reference: bilinear down by a whole factor and up again."""

    levels = (2, 3, 4, 5, 6)
    parameter = "factor"

    def frame(self, frame: ByteArray, value: float, rng: np.random.Generator) -> ByteArray:
        """Down to size // `value` and back."""
        height, width = frame.shape[:2]
        small = resized(frame, width // int(value), height // int(value), cv2.INTER_LINEAR)
        return resized(small, width, height, cv2.INTER_LINEAR)


@register("resize", source="common practice of platforms", family="resolution")
class Resize(FrameCorruption):
    """Down with averaging and up with bicubic interpolation: what a smaller upload loses, without aliasing."""

    levels = (1.5, 2.0, 3.0, 4.0, 6.0)
    parameter = "factor"

    def frame(self, frame: ByteArray, value: float, rng: np.random.Generator) -> ByteArray:
        """Down by `value` and back."""
        height, width = frame.shape[:2]
        small = resized(frame, round(width / value), round(height / value), cv2.INTER_AREA)
        return resized(small, width, height, cv2.INTER_CUBIC)
