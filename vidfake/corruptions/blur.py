"""DeeperForensics-1.0's Gaussian blur (GB)."""

from __future__ import annotations

import cv2
import numpy as np

from vidfake.corruptions.base import FrameCorruption, register
from vidfake.corruptions.colour import FAMILY, SOURCE
from vidfake.types import ByteArray


@register("GB", source=SOURCE, family=FAMILY)
class Blur(FrameCorruption):
    """Gaussian blur; its standard deviation is a sixth of the kernel's side."""

    levels = (7, 9, 13, 17, 21)
    parameter = "kernel side (pixels)"

    def frame(self, frame: ByteArray, value: float, rng: np.random.Generator) -> ByteArray:
        """A `value` × `value` kernel, borders mirrored."""
        side = int(value)
        return np.asarray(cv2.GaussianBlur(frame, (side, side), side / 6), np.uint8)
