"""DeeperForensics-1.0's local block-wise distortion (BW)."""

from __future__ import annotations

import numpy as np

from vidfake.corruptions.base import FrameCorruption, register
from vidfake.corruptions.colour import FAMILY, SOURCE
from vidfake.types import ByteArray

SIDE = 8  # pixels
GREY = 128


@register("BW", source=SOURCE, family=FAMILY)
class Blocks(FrameCorruption):
    """Grey 8 × 8 blocks at random places, new in every frame; more of them in larger pictures."""

    levels = (16, 32, 48, 64, 80)
    parameter = "blocks per (shorter side // 256): none below 256 pixels, as published"

    def frame(self, frame: ByteArray, value: float, rng: np.random.Generator) -> ByteArray:
        """`value` × (shorter side // 256) blocks; they may overlap."""
        height, width = frame.shape[:2]
        damaged = frame.copy()
        for _ in range(min(height, width) // 256 * int(value)):
            x, y = int(rng.integers(0, width - SIDE)), int(rng.integers(0, height - SIDE))
            damaged[y : y + SIDE, x : x + SIDE] = GREY
        return damaged
