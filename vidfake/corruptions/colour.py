"""DeeperForensics-1.0's colour saturation (CS), colour contrast (CC) and white noise (GNC).

The reference works in a YCbCr of its own: OpenCV's float conversion of 0-255 values (chroma offset 0.5), squeezed
to the studio range, in units of 255. Its noise is added there. Results are cut to whole numbers, not rounded.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from vidfake.corruptions.base import FrameCorruption, register
from vidfake.types import ByteArray, FloatArray

SOURCE = "DeeperForensics-1.0 (Jiang et al., CVPR 2020), perturbation code"
FAMILY = "DeeperForensics-1.0"

_SPAN = np.array([235 - 16, 240 - 16, 240 - 16], np.float32)  # luma and chroma in the studio range


def to_studio(frame: ByteArray) -> FloatArray:
    """(H, W, 3) uint8 RGB -> luma, Cr, Cb (value × span + 16) / 255, float32."""
    ycrcb = np.asarray(cv2.cvtColor(frame.astype(np.float32), cv2.COLOR_RGB2YCrCb), np.float32)
    return (ycrcb * _SPAN + 16) / np.float32(255)


def from_studio(studio: FloatArray) -> ByteArray:
    """The inverse of `to_studio`, cut to 0-255 and to whole numbers."""
    ycrcb = ((studio * 255 - 16) / _SPAN).astype(np.float32)
    return cut(np.asarray(cv2.cvtColor(ycrcb, cv2.COLOR_YCrCb2RGB), np.float32))


def cut(values: FloatArray) -> ByteArray:
    """Values cut to 0-255, fractions dropped."""
    return np.clip(values, 0, 255).astype(np.uint8)


@register("CS", source=SOURCE, family=FAMILY)
class Saturation(FrameCorruption):
    """Colour saturation: chroma drawn towards grey."""

    levels = (0.4, 0.3, 0.2, 0.1, 0.0)
    parameter = "chroma factor"

    def frame(self, frame: ByteArray, value: float, rng: np.random.Generator) -> ByteArray:
        """Chroma × `value` around 0.5."""
        studio = to_studio(frame)
        studio[:, :, 1:] = 0.5 + (studio[:, :, 1:] - 0.5) * value
        return from_studio(studio)


@register("CC", source=SOURCE, family=FAMILY)
class Contrast(FrameCorruption):
    """Colour contrast: every value drawn towards black."""

    levels = (0.85, 0.725, 0.6, 0.475, 0.35)
    parameter = "factor"

    def frame(self, frame: ByteArray, value: float, rng: np.random.Generator) -> ByteArray:
        """Values × `value`."""
        return cut(frame.astype(np.float32) * np.float32(value))


@register("GNC", source=SOURCE, family=FAMILY)
class Noise(FrameCorruption):
    """White Gaussian noise in luma and chroma, new in every frame."""

    levels = (0.001, 0.002, 0.005, 0.01, 0.05)
    parameter = "variance (values in 0-1)"

    def frame(self, frame: ByteArray, value: float, rng: np.random.Generator) -> ByteArray:
        """Noise of standard deviation 255 √`value` in the studio range."""
        noise = rng.standard_normal(frame.shape).astype(np.float32)
        return from_studio(to_studio(frame) + np.float32(255 * math.sqrt(value)) * noise)
