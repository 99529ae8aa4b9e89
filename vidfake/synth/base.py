"""What a maker of fakes is: a real clip in, a manipulated clip with its mask and parameters out, seeded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vidfake.registry import Registry
from vidfake.types import ByteArray, FloatArray


@dataclass(frozen=True)
class MakerClip:
    """Aligned faces of one track: `faces` (T, S, S, 3) uint8 RGB and their `landmarks` (T, 5, 2) in the crop."""

    faces: ByteArray
    landmarks: FloatArray

    def __post_init__(self) -> None:
        if self.faces.ndim != 4 or self.faces.dtype != np.uint8 or self.faces.shape[3] != 3:
            raise ValueError(f"faces must be (T, S, S, 3) uint8, got {self.faces.shape} {self.faces.dtype}")
        if self.landmarks.shape != (len(self.faces), 5, 2):
            raise ValueError(f"landmarks must be ({len(self.faces)}, 5, 2), got {self.landmarks.shape}")


@dataclass(frozen=True)
class MadeClip:
    """`faces` (T, S, S, 3) uint8; `mask` (T, S, S) float32 in [0, 1], above 0 wherever a pixel was changed;
    `parameters` says what was drawn, JSON-ready."""

    faces: ByteArray
    mask: FloatArray
    parameters: dict[str, Any] = field(default_factory=dict)


Maker = Callable[[MakerClip, np.random.Generator], MadeClip]
DonorMaker = Callable[[MakerClip, MakerClip, np.random.Generator], MadeClip]
"""A maker that uses another person's face: (clip, donor, generator). Its row has the detail `needs_donor=True`."""
AnyMaker = Maker | DonorMaker
MAKERS: Registry[AnyMaker] = Registry("maker")
