"""How much of one video is looked at: caps that end the work on a file made to be endless."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vidfake.types import BoolArray, FloatArray

FEWEST_ERRORS = 10
"""A handful of damaged frames is never too large a share of a short video."""

_EPSILON_SECONDS = 1e-6


@dataclass(frozen=True)
class VideoLimits:
    """Caps on one video. What lies beyond `max_seconds`, `max_frames` and `max_frame_rate` is passed over, and the
    result says so; a video of which more than `max_error_share` is damaged is unreadable.

    The size of a picture and the number of streams are capped in `vidfake.video.opening`, the number of faces in a
    frame by `ExtractSettings.max_faces`.
    """

    max_seconds: float = 6 * 3600.0  # from the first frame
    max_frames: int = 1_500_000  # decoded; six hours at 60 frames per second are 1,296,000
    max_frame_rate: float = 500.0  # frames that follow one another more closely are passed over
    max_error_share: float = 0.5  # damaged or missing frames, of all

    def __post_init__(self) -> None:
        for name in ("max_seconds", "max_frames", "max_frame_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        if not 0 < self.max_error_share <= 1:
            raise ValueError(f"max_error_share is {self.max_error_share}; above 0, at most 1")

    def allowed(self, pts_seconds: FloatArray) -> BoolArray:
        """(N,) bool: which frames at increasing `pts_seconds` (N,) are looked at; what a `LimitWatch` admits."""
        watch = LimitWatch(self)
        return np.array([watch.admits(seconds) for seconds in pts_seconds.tolist()], np.bool_)

    def too_damaged(self, num_errors: int, num_frames: int, *, damaged_frames: int = 0) -> bool:
        """Whether so much is broken that the rest says nothing. Of `num_errors`, `damaged_frames` are among the
        `num_frames` that could be shown, and the others are missing from them."""
        total = num_frames + num_errors - damaged_frames
        return num_errors >= FEWEST_ERRORS and num_errors > self.max_error_share * total


class LimitWatch:
    """Sees the times of one pass in order and says which frames are looked at.

    `hit` names the limits that bit: ``duration``, ``frames``, ``frame_rate``. After the first two `ended` is True:
    no later frame is admitted.
    """

    def __init__(self, limits: VideoLimits) -> None:
        self._limits = limits
        self._num_frames = 0
        self._first_seconds: float | None = None
        self._last_seconds = float("-inf")
        self._shortest_seconds = 1.0 / limits.max_frame_rate - _EPSILON_SECONDS
        self.hit: list[str] = []
        self.ended = False

    def admits(self, pts_seconds: float) -> bool:
        """Whether the frame at that time is looked at."""
        if self.ended:
            return False
        if self._first_seconds is None:
            self._first_seconds = pts_seconds
        if self._num_frames >= self._limits.max_frames:
            return self._end("frames")
        self._num_frames += 1
        if pts_seconds - self._first_seconds > self._limits.max_seconds + _EPSILON_SECONDS:
            return self._end("duration")
        if pts_seconds - self._last_seconds < self._shortest_seconds:
            if "frame_rate" not in self.hit:
                self.hit.append("frame_rate")
            return False
        self._last_seconds = pts_seconds
        return True

    def _end(self, name: str) -> bool:
        self.hit.append(name)
        self.ended = True
        return False
