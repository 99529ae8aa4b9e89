"""Where in a video the clips lie: whole clip windows, chosen from frame times before anything is decoded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vidfake.settings import ExtractSettings
from vidfake.types import FloatArray
from vidfake.video.sampling import choose_frames, plan_clips


def plan_windows(
    pts_seconds: FloatArray, settings: ExtractSettings, *, variable_frame_rate: bool
) -> list[npt.NDArray[np.int64]]:
    """Positions in `pts_seconds` (N,) of each window's frames, in order of time.

    At a constant frame rate the frame interval is brought to a whole number of frames, at least one, and each
    window begins on a frame: so that the steps within a clip are even, at 24, 25, 30 and 60 frames per second.
    """
    if len(pts_seconds) == 0:
        return []
    interval = settings.frame_interval_seconds
    even = not variable_frame_rate and len(pts_seconds) > 1
    if even:
        frame_seconds = float(pts_seconds[-1] - pts_seconds[0]) / (len(pts_seconds) - 1)
        interval = max(1, round(interval / frame_seconds)) * frame_seconds
    plan = plan_clips(
        float(pts_seconds[0]),
        float(pts_seconds[-1]),
        num_frames=settings.num_frames,
        frame_interval_seconds=interval,
        clip_interval_seconds=settings.clip_interval_seconds,
        max_clips=settings.max_clips,
    )
    if even:
        plan = [targets + (_nearest(pts_seconds, targets[0]) - targets[0]) for targets in plan]
    return [choose_frames(pts_seconds, targets) for targets in plan]


def _nearest(pts_seconds: FloatArray, target: float) -> float:
    return float(pts_seconds[choose_frames(pts_seconds, np.array([target]))[0]])
