"""One face's path through a shot: detections, filled in between and smoothed."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vidfake.faces.smooth import interpolate, reach_seconds, smooth
from vidfake.types import Face, FloatArray, Track


class FrameTimes:
    """Index and time of every frame that was looked at, in order; grows by 16 bytes per frame."""

    def __init__(self) -> None:
        self._indices = array("q")
        self._seconds = array("d")

    def add(self, index: int, pts_seconds: float) -> None:
        """Note one more frame; both numbers must be above the last."""
        self._indices.append(index)
        self._seconds.append(pts_seconds)

    def between(self, first: float, last: float) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """Indices and times of the frames with first <= pts_seconds <= last."""
        part = slice(bisect_left(self._seconds, first), bisect_right(self._seconds, last))
        return np.array(self._indices[part], np.int64), np.array(self._seconds[part], np.float64)


@dataclass(frozen=True)
class Places:
    """Where a face is at M moments: `boxes` (M, 4) and `landmarks` (M, 5, 2) smoothed, `confidences` (M,)."""

    boxes: FloatArray
    landmarks: FloatArray
    confidences: FloatArray


@dataclass
class Trajectory:
    """The detections of one face in one shot, in order of time.

    `birth` numbers trajectories as they begin. `track_id` is None until the face has been seen for long enough to
    count as a track; `ended` is True once no further detection can join.
    """

    birth: int
    shot_index: int
    track_id: int | None = None
    ended: bool = False
    _seconds: list[float] = field(default_factory=list)
    _rows: list[FloatArray] = field(default_factory=list)

    def add(self, pts_seconds: float, face: Face) -> None:
        """One more detection, later than the last."""
        self._seconds.append(pts_seconds)
        self._rows.append(np.concatenate([np.asarray(face.box), face.landmarks.ravel(), [face.confidence]]))

    @property
    def first_seconds(self) -> float:
        """Time of the first detection."""
        return self._seconds[0]

    @property
    def last_seconds(self) -> float:
        """Time of the last detection so far."""
        return self._seconds[-1]

    def predicted(self, pts_seconds: float, *, horizon_seconds: float) -> tuple[FloatArray, FloatArray]:
        """Box (4,) and landmarks (5, 2) expected at a moment: the last two detections' motion goes on unchanged,
        for at most `horizon_seconds`."""
        row = self._rows[-1]
        if len(self._rows) > 1 and horizon_seconds > 0:
            step = self._seconds[-1] - self._seconds[-2]
            share = min(pts_seconds - self._seconds[-1], horizon_seconds) / step
            motion = (row[4:14] - self._rows[-2][4:14]).reshape(5, 2).mean(axis=0) * share
            row = row + np.concatenate([np.tile(motion, 7), [0.0]])
        return row[:4], row[4:14].reshape(5, 2)

    def places(self, at: FloatArray, frames: FrameTimes, *, sigma_seconds: float) -> Places:
        """Smoothed places at the moments `at` (M,), increasing, between the first and the last detection.

        Between detections the face moves in a straight line through every frame of `frames`; that path is smoothed.
        Only detections and frames within the smoothing's reach of `at` have a say.
        """
        reach = reach_seconds(sigma_seconds)
        low = max(self.first_seconds, float(at[0]) - reach)
        high = min(self.last_seconds, float(at[-1]) + reach)
        _, seconds = frames.between(low, high)
        # the detections on both sides of the outermost frames in reach
        part = slice(max(0, bisect_right(self._seconds, low) - 1), bisect_left(self._seconds, high) + 1)
        known, rows = np.array(self._seconds[part]), np.stack(self._rows[part])
        path = interpolate(known, rows, seconds)
        smoothed = smooth(seconds, path[:, :14], at, sigma_seconds=sigma_seconds)
        return Places(
            boxes=smoothed[:, :4],
            landmarks=smoothed[:, 4:].reshape(-1, 5, 2),
            confidences=interpolate(known, rows[:, 14:], at)[:, 0],
        )

    def track(self, frames: FrameTimes, *, sigma_seconds: float) -> Track:
        """The whole trajectory as a `Track`. It must have its `track_id`."""
        if self.track_id is None:
            raise ValueError("a trajectory without a track_id is not a track")
        indices, seconds = frames.between(self.first_seconds, self.last_seconds)
        places = self.places(seconds, frames, sigma_seconds=sigma_seconds)
        return Track(
            track_id=self.track_id,
            shot_index=self.shot_index,
            frame_indices=indices,
            pts_seconds=seconds,
            boxes=places.boxes,
            landmarks=places.landmarks,
            confidences=places.confidences,
            detected=np.isin(seconds, np.array(self._seconds)),
        )
