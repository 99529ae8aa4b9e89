"""Frames lost, frozen or blacked out on the way."""

from __future__ import annotations

import numpy as np

from vidfake.corruptions.base import Event, TimingCorruption, register

FAMILY = "timing"


@register("frame_drop", source="own", family=FAMILY)
class FrameDrop(TimingCorruption):
    """Frames are missing; the others keep their times, so a file becomes one of variable frame rate."""

    levels = (0.05, 0.1, 0.2, 0.35, 0.5)
    parameter = "share of frames"

    def event(self, value: float, rng: np.random.Generator) -> Event:
        """Dropped with probability `value`."""
        return "drop" if rng.random() < value else "show"


@register("frame_repeat", source="own", family=FAMILY)
class FrameRepeat(TimingCorruption):
    """Frames are replaced by the last one shown: a stuttering picture of the same length."""

    levels = (0.05, 0.1, 0.2, 0.35, 0.5)
    parameter = "share of frames"

    def event(self, value: float, rng: np.random.Generator) -> Event:
        """Frozen with probability `value`."""
        return "repeat" if rng.random() < value else "show"


@register("black_frames", source="own", family=FAMILY)
class BlackFrames(TimingCorruption):
    """Frames are black."""

    levels = (0.02, 0.05, 0.1, 0.2, 0.3)
    parameter = "share of frames"

    def event(self, value: float, rng: np.random.Generator) -> Event:
        """Black with probability `value`."""
        return "black" if rng.random() < value else "show"
