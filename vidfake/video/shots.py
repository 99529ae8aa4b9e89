"""Cuts between shots, found on the thumbnails of frames that are decoded anyway."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vidfake.types import ByteArray

_Picture = npt.NDArray[np.float32]

_MEMORY = 0.1  # weight of the newest difference in the running mean
_FLAT_DEVIATION = 8.0  # luma levels; a picture with less in it (black, white, a full flash) is passed over
_DARK = 24.0  # luma levels; letterbox bars stay the same across a cut and are not compared
# Same scene, if either holds. Of 973 joins of different
# talking-head videos, 3 in 1000 meet either (docs/video.md).
_SAME_EDGES = 0.2  # correlation of brightness gradients: a flash keeps edges where they are
_SAME_SHIFTED = (
    0.65  # share of the difference that is left after the best shift: a pan or a shake moves the picture
)
_MAX_SHIFT = (4, 8)  # thumbnail pixels, vertical and horizontal


class ShotDetector:
    """Says of each frame whether a new shot starts with it. O(1) memory.

    A frame is a candidate when its mean absolute luma difference from the frame before exceeds the running mean
    of such differences by `threshold` (0-255): lasting motion raises the bar. A candidate starts a shot unless it
    shows the same scene: the frame before it, moved (a pan, a shake), or the edges of the last frame but one (a
    flash; and not of the one before, because a cut often leaves one frame that blends both shots).
    Frames without content are passed over, and the first one after them is a candidate: a white flash is no cut,
    and two shots joined by a fade through black are told apart.

    Adaptive pixel difference after Lienhart, "Comparison of automatic shot boundary detection algorithms",
    SPIE 3656 (1999); the scene tests are our own.
    """

    def __init__(self, threshold: float) -> None:
        if not threshold > 0:
            raise ValueError(f"shot threshold is {threshold}; it must be above 0 (luma levels, 0-255)")
        self._threshold = threshold
        self._previous: _Picture | None = None
        self._last_but_one: _Picture | None = None
        self._passed_over = False
        self._mean = 0.0

    def update(self, luma_thumbnail: ByteArray) -> bool:
        """Take the next frame's (H, W) thumbnail; True when it starts a new shot. The first frame does not."""
        picture = luma_thumbnail.astype(np.float32)
        if float(picture.std()) < _FLAT_DEVIATION:
            self._passed_over = True
            return False
        after_nothing, self._passed_over = self._passed_over, False
        previous, older = self._previous, self._last_but_one
        self._last_but_one, self._previous = previous, picture
        if previous is None:
            return False
        difference = _difference(picture, previous)
        candidate = after_nothing or difference > self._mean + self._threshold
        if candidate and not self._same_scene(picture, previous, previous if older is None else older):
            self._last_but_one = None
            return True
        self._mean += _MEMORY * (difference - self._mean)
        return False

    @staticmethod
    def _same_scene(picture: _Picture, previous: _Picture, older: _Picture) -> bool:
        moved = shifted_difference(picture, previous) < _SAME_SHIFTED * _difference(picture, previous)
        return moved or edge_correlation(picture, older) > _SAME_EDGES


def edge_correlation(a: _Picture, b: _Picture) -> float:
    """Correlation, -1 to 1, of the brightness gradients of two thumbnails, without bars that are dark in both."""
    lit = np.maximum(a, b) >= _DARK
    inside = lit[:-1, :-1] & lit[1:, :-1] & lit[:-1, 1:]
    if inside.mean() < 0.1:
        inside = np.ones_like(inside)
    gradients = [
        np.concatenate([np.diff(p, axis=0)[:, :-1][inside], np.diff(p, axis=1)[:-1][inside]]) for p in (a, b)
    ]
    norm = float(np.linalg.norm(gradients[0]) * np.linalg.norm(gradients[1]))
    return float(gradients[0] @ gradients[1]) / norm if norm > 0 else 0.0


def shifted_difference(a: _Picture, b: _Picture) -> float:
    """Least mean absolute difference of two thumbnails over shifts of up to a ninth of their height and width."""
    height, width = a.shape
    down, right = _MAX_SHIFT
    return min(
        _difference(
            a[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)],
            b[max(0, -y) : height + min(0, -y), max(0, -x) : width + min(0, -x)],
        )
        for y in range(-down, down + 1)
        for x in range(-right, right + 1)
    )


def _difference(a: _Picture, b: _Picture) -> float:
    return float(np.abs(a - b).mean())
