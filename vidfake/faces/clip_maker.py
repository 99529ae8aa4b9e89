"""Holds the frames that clip windows need until the faces in them are settled, then cuts the clips."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from vidfake.faces.crops import PixelSource, cut_crop
from vidfake.faces.quality import QUALITY_NAMES
from vidfake.faces.smooth import reach_seconds
from vidfake.faces.stopwatch import Stopwatch
from vidfake.faces.track import Tracker
from vidfake.faces.trajectory import FrameTimes, Trajectory
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip, FloatArray, Region
from vidfake.video.reader import DecodedFrame


@dataclass
class _Window:
    """Frames planned for one stretch of video; those that were decoded are held."""

    first_seconds: float
    last_seconds: float
    frames: list[DecodedFrame] = field(default_factory=list)


class ClipMaker:
    """Collects the frames of every clip window and cuts one clip per track and window.

    `windows` are the planned frame times of each window. A track that is in at least `min_frames` of a window's
    frames gives a clip of these. Clips come out by window, then by first frame, then by `track_id`.
    """

    def __init__(
        self,
        windows: Sequence[FloatArray],
        settings: ExtractSettings,
        *,
        bounds: Region,
        pixel_aspect: float,
        stopwatch: Stopwatch,
        on_clip: Callable[[FaceClip], None] | None,
    ) -> None:
        self._settings = settings
        self._bounds = bounds
        self._pixel_aspect = pixel_aspect
        self._stopwatch = stopwatch
        self._on_clip = on_clip
        self._windows = deque(_Window(float(times[0]), float(times[-1])) for times in windows)
        self._windows_of: dict[int, list[_Window]] = {}
        self._edges: set[int] = set()
        for window, times in zip(self._windows, windows, strict=True):
            keys = [_key(seconds) for seconds in times.tolist()]
            self._edges |= {keys[0], keys[-1]}
            for key in keys:
                self._windows_of.setdefault(key, []).append(window)
        self._clips_of_track: Counter[int] = Counter()
        self.max_frames_held = 0

    @property
    def num_clips(self) -> int:
        """Clips made so far."""
        return self._clips_of_track.total()

    def is_edge(self, pts_seconds: float) -> bool:
        """True for the first and last frame of a window: faces should be known there, not interpolated."""
        return _key(pts_seconds) in self._edges

    def is_inside(self, pts_seconds: float) -> bool:
        """True within any window that is still to be cut."""
        return any(w.first_seconds <= pts_seconds <= w.last_seconds for w in self._windows)

    def add(self, frame: DecodedFrame) -> None:
        """Hold the frame if a window needs it."""
        windows = self._windows_of.pop(_key(frame.pts_seconds), [])
        for window in windows:
            window.frames.append(frame)
        if windows:
            held = {frame.index for window in self._windows for frame in window.frames}
            self.max_frames_held = max(self.max_frames_held, len(held))

    def flush(self, tracker: Tracker, frames: FrameTimes) -> None:
        """Cut the clips of every window in which no face's place can change any more, and let its frames go."""
        reach = reach_seconds(self._settings.smoothing_seconds)
        while self._windows and tracker.is_settled(self._windows[0].last_seconds, reach_seconds=reach):
            self._cut(self._windows.popleft(), tracker.confirmed, frames)

    def _cut(self, window: _Window, trajectories: Sequence[Trajectory], frames: FrameTimes) -> None:
        found: list[tuple[float, int, Trajectory, list[DecodedFrame]]] = []
        for trajectory in trajectories:
            first, last = trajectory.first_seconds, trajectory.last_seconds
            present = [f for f in window.frames if first <= f.pts_seconds <= last]
            if len(present) >= self._settings.min_frames:
                assert trajectory.track_id is not None
                found.append((present[0].pts_seconds, trajectory.track_id, trajectory, present))
        for _, track_id, trajectory, present in sorted(found, key=lambda entry: entry[:2]):
            if self._on_clip is not None:
                self._on_clip(self._clip(trajectory, track_id, present, frames))
            self._clips_of_track[track_id] += 1

    def _clip(
        self, trajectory: Trajectory, track_id: int, present: Sequence[DecodedFrame], frames: FrameTimes
    ) -> FaceClip:
        seconds = np.array([frame.pts_seconds for frame in present])
        with self._stopwatch.stage("track"):
            places = trajectory.places(seconds, frames, sigma_seconds=self._settings.smoothing_seconds)
        crops = [
            cut_crop(
                _pixels_of(frame),
                landmarks,
                bounds=self._bounds,
                confidence=float(confidence),
                settings=self._settings,
                stopwatch=self._stopwatch,
                pixel_aspect=self._pixel_aspect,
            )
            for frame, landmarks, confidence in zip(present, places.landmarks, places.confidences, strict=True)
        ]
        return FaceClip(
            track_id=track_id,
            shot_index=trajectory.shot_index,
            clip_index=self._clips_of_track[track_id],
            faces=np.stack([crop.face for crop in crops]),
            pts_seconds=seconds,
            frame_indices=np.array([frame.index for frame in present], np.int64),
            boxes=places.boxes,
            landmarks=places.landmarks,
            crop_landmarks=np.stack([crop.landmarks for crop in crops]),
            quality={name: np.array([crop.quality[name] for crop in crops]) for name in QUALITY_NAMES},
            encoded=tuple(crop.encoded for crop in crops),
        )


def _pixels_of(frame: DecodedFrame) -> PixelSource:
    return lambda part: frame.rgb(region=part)


def _key(pts_seconds: float) -> int:
    """Frame times as whole microseconds: planned and decoded times may differ in the last bit."""
    return round(pts_seconds * 1e6)
