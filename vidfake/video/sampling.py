"""Which frames make a clip: arithmetic on times alone, tested without a video."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vidfake.types import FloatArray

_EPSILON_SECONDS = 1e-6  # times come from divisions; equal ones may differ in the last bits


def plan_clips(
    start_seconds: float,
    end_seconds: float,
    *,
    num_frames: int,
    frame_interval_seconds: float,
    clip_interval_seconds: float,
    max_clips: int,
) -> list[FloatArray]:
    """Target times of the clips of a stretch of video whose first and last frame are at the given times.

    A clip lasts ``L = (num_frames - 1) * frame_interval_seconds``. As many clips as fit with their starts at least
    `clip_interval_seconds` apart, but at most `max_clips`, are spread evenly: the first starts at `start_seconds`,
    the last ends at `end_seconds`. One clip alone lies in the middle. A stretch shorter than L gives one clip from
    its start with as many targets as fit. With an interval of 0 (every frame) all targets of a clip are its start,
    and `choose_frames` takes consecutive frames from there.

    >>> plan = dict(num_frames=3, frame_interval_seconds=0.5, clip_interval_seconds=2.0, max_clips=3)
    >>> [clip.tolist() for clip in plan_clips(0.0, 5.0, **plan)]
    [[0.0, 0.5, 1.0], [2.0, 2.5, 3.0], [4.0, 4.5, 5.0]]
    >>> [clip.tolist() for clip in plan_clips(0.0, 101.0, **plan)]  # 51 would fit, 3 are allowed
    [[0.0, 0.5, 1.0], [50.0, 50.5, 51.0], [100.0, 100.5, 101.0]]
    >>> [clip.tolist() for clip in plan_clips(1.0, 3.0, **plan)]  # a second one would start within 2 s
    [[1.5, 2.0, 2.5]]
    >>> [clip.tolist() for clip in plan_clips(1.0, 1.7, **plan)]  # shorter than a clip
    [[1.0, 1.5]]
    """
    _check_plan(start_seconds, end_seconds, num_frames, frame_interval_seconds, clip_interval_seconds, max_clips)
    offsets = np.arange(num_frames) * frame_interval_seconds
    room = end_seconds - start_seconds - float(offsets[-1])
    if room < -_EPSILON_SECONDS:
        inside = offsets <= end_seconds - start_seconds + _EPSILON_SECONDS
        return [_within(start_seconds + offsets[inside], end_seconds)]
    num_clips = min(max_clips, 1 + math.floor((room + _EPSILON_SECONDS) / clip_interval_seconds))
    if num_clips == 1:
        return [_within(start_seconds + max(room, 0.0) / 2 + offsets, end_seconds)]
    return [_within(start_seconds + room * k / (num_clips - 1) + offsets, end_seconds) for k in range(num_clips)]


def choose_frames(pts_seconds: FloatArray, targets: FloatArray) -> npt.NDArray[np.int64]:
    """Indices of the frames nearest to the target times: strictly increasing, no frame twice.

    `pts_seconds` (N,) increases, `targets` (T,) does not decrease. Each target in turn takes the nearest frame
    (the earlier one of two equally near) among those that are after the frame taken before it and leave enough
    frames for the targets to come. The result has min(T, N) entries: with fewer frames than targets, all frames.

    >>> choose_frames(np.array([0.0, 0.1, 0.2, 0.3, 0.4]), np.array([0.0, 0.2, 0.4])).tolist()
    [0, 2, 4]
    >>> choose_frames(np.array([0.0, 0.5, 1.0, 1.5]), np.array([0.5, 0.6, 0.7])).tolist()  # denser than the frames
    [1, 2, 3]
    >>> choose_frames(np.array([0.0, 0.1, 0.2, 0.3]), np.array([0.3, 0.3, 0.3])).tolist()  # interval 0, at the end
    [1, 2, 3]
    >>> choose_frames(np.array([0.0, 0.1]), np.array([0.05, 0.3, 0.6])).tolist()  # a tie, and too few frames
    [0, 1]
    """
    num_frames = len(pts_seconds)
    num_chosen = min(len(targets), num_frames)
    if num_chosen < len(targets):
        return np.arange(num_frames, dtype=np.int64)
    chosen = np.empty(num_chosen, np.int64)
    lowest = 0
    for k, target in enumerate(targets):
        highest = num_frames - (num_chosen - k)
        after = int(np.searchsorted(pts_seconds, target, side="left"))
        before = after - 1
        nearest = after
        if after == num_frames or (before >= 0 and target - pts_seconds[before] <= pts_seconds[after] - target):
            nearest = before
        chosen[k] = min(max(nearest, lowest), highest)
        lowest = int(chosen[k]) + 1
    return chosen


def clip_spans(
    clips: Sequence[FloatArray], *, frame_seconds: float, padding_seconds: float
) -> list[tuple[float, float]]:
    """Stretches of video that hold all frames that clips can need: (start, end) pairs, sorted, merged.

    A clip of T targets needs T distinct frames: where `frame_seconds` (the frame duration) is longer than the
    clip's interval, they reach further than its targets, and before them at the end of a video.

    >>> clip_spans([np.array([1.0, 1.1]), np.array([1.4, 1.5]), np.array([9.0])], frame_seconds=0.04,
    ...            padding_seconds=0.2)
    [(0.8, 1.7), (8.8, 9.2)]
    >>> clip_spans([np.array([5.0, 5.0, 5.0])], frame_seconds=0.5, padding_seconds=0.0)  # every frame, at 2 fps
    [(4.0, 6.0)]
    """
    spans: list[tuple[float, float]] = []
    for clip in clips:
        first, last = float(clip[0]), float(clip[-1])
        missing = max(0.0, (len(clip) - 1) * frame_seconds - (last - first))
        reach = padding_seconds + missing
        spans.append((first - reach, last + reach))
    return merge_spans(spans)


def merge_spans(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Sorted spans without overlap.

    >>> merge_spans([(5.0, 6.0), (0.0, 2.0), (1.5, 3.0)])
    [(0.0, 3.0), (5.0, 6.0)]
    """
    merged: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if not start <= end:
            raise ValueError(f"span ({start}, {end}) does not end after it starts")
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _within(targets: FloatArray, end_seconds: float) -> FloatArray:
    return np.minimum(targets, end_seconds)


def _check_plan(
    start: float, end: float, num_frames: int, frame_interval: float, clip_interval: float, max_clips: int
) -> None:
    if not (math.isfinite(start) and math.isfinite(end) and start <= end):
        raise ValueError(f"a stretch from {start} to {end} s; it must be finite and end no earlier than it starts")
    if num_frames < 1 or max_clips < 1:
        raise ValueError(f"num_frames is {num_frames}, max_clips {max_clips}; both must be at least 1")
    if frame_interval < 0 or clip_interval <= 0:
        raise ValueError(
            f"frame interval {frame_interval} s, clip interval {clip_interval} s; at least 0 and above 0"
        )
