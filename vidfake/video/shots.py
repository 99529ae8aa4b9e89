"""Cuts between shots, found on the thumbnails of frames that are decoded anyway."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vidfake.types import ByteArray

_MEMORY = 0.1  # weight of the newest difference in the running mean
_SAME_PICTURE_CORRELATION = 0.9  # a flash or a jump in exposure keeps the pattern of the picture
_FLASH_FRAMES = 5  # after a cut, a return to the picture before it within so many frames is not a second cut


class ShotDetector:
    """Says of each frame whether a new shot starts with it. O(1) memory.

    A frame starts a shot when its mean absolute luma difference from the frame before exceeds the running mean of
    such differences by `threshold` (0-255), and its pattern is not that of the frame before (correlation below 0.9:
    a flash brightens the same picture). Fast motion raises the running mean, and so the bar.
    Content-difference detection with an adaptive threshold; compare Lienhart, "Comparison of automatic shot
    boundary detection algorithms", SPIE 3656 (1999).
    """

    def __init__(self, threshold: float) -> None:
        if not threshold > 0:
            raise ValueError(f"shot threshold is {threshold}; it must be above 0 (luma levels, 0-255)")
        self._threshold = threshold
        self._previous: npt.NDArray[np.float32] | None = None
        self._before_cut: npt.NDArray[np.float32] | None = None
        self._since_cut = 0
        self._mean = 0.0

    def update(self, luma_thumbnail: ByteArray) -> bool:
        """Take the next frame's (H, W) thumbnail; True when it starts a new shot. The first frame does not."""
        picture = luma_thumbnail.astype(np.float32)
        previous, self._previous = self._previous, picture
        if previous is None:
            return False
        self._since_cut += 1
        difference = _difference(picture, previous)
        if (
            difference <= self._mean + self._threshold
            or _correlation(picture, previous) >= _SAME_PICTURE_CORRELATION
        ):
            self._mean += _MEMORY * (difference - self._mean)
            return False
        if self._returns(picture):
            self._before_cut = None
            return False
        self._before_cut, self._since_cut = previous, 0
        return True

    def _returns(self, picture: npt.NDArray[np.float32]) -> bool:
        """True when this is the picture from before a cut a few frames ago: that cut was a flash."""
        if self._before_cut is None or self._since_cut > _FLASH_FRAMES:
            return False
        return _difference(picture, self._before_cut) < self._threshold / 2


def _difference(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    return float(np.abs(a - b).mean())


def _correlation(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """Pearson correlation; 0 where a picture is flat."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 1e-6 else 0.0
