"""A picture taken from a screen: shown at another size, saved as JPEG, scaled and saved again."""

from __future__ import annotations

import cv2
import numpy as np

from vidfake.corruptions.base import FrameCorruption, register
from vidfake.corruptions.scaling import resized
from vidfake.types import ByteArray

SHOWN_SCALE = 0.8
"""Size on the screen over the video's own: not a whole number, so that the second JPEG grid misses the first."""


@register("screenshot", source="own; after the double-JPEG literature", family="recompression")
class Screenshot(FrameCorruption):
    """Screenshot-like recompression: JPEG at 0.8 of the size, and again at the full size."""

    levels = (90, 75, 60, 45, 30)
    parameter = "JPEG quality"

    def frame(self, frame: ByteArray, value: float, rng: np.random.Generator) -> ByteArray:
        """Scaled, through JPEG, scaled back, through JPEG."""
        height, width = frame.shape[:2]
        shown = resized(frame, round(width * SHOWN_SCALE), round(height * SHOWN_SCALE), cv2.INTER_AREA)
        back = resized(through_jpeg(shown, int(value)), width, height, cv2.INTER_CUBIC)
        return through_jpeg(back, int(value))


def through_jpeg(frame: ByteArray, quality: int) -> ByteArray:
    """An RGB picture saved as JPEG (4:2:0) and read again."""
    data = cv2.imencode(".jpg", frame[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1])
