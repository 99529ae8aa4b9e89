"""Tracking: which detections are the same face. No track crosses a cut."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from vidfake.faces.detect import face_size
from vidfake.faces.trajectory import FrameTimes, Trajectory
from vidfake.settings import ExtractSettings
from vidfake.types import Face, FloatArray, Track

HORIZON_SECONDS = 0.4
"""A face's motion is continued for at most so long: heads nod and turn back."""

MAX_SHAPE_CHANGE = 0.3
"""Greatest mean landmark distance, in face sizes and apart from the face's shift, between detections of one face:
a head that turns stays below, one upside down (another face, or a false one) does not."""

CALM_MOTION = 0.2
"""Mean landmark distance, in face sizes, that a face may move between detections without a closer look."""

MAX_SIZE_RATIO = 2.0
FORBIDDEN = 1e6


class Tracker:
    """Joins detections, given in order of time, into trajectories.

    At each moment the open trajectories and the faces found are matched one to one so that the sum of costs (see
    `link_cost`) is least: first against where each face should be if its motion went on, then, for what is left,
    against where it was last seen. A face of `start_confidence` that is still left begins a trajectory; a fainter
    one may only go on with one, since what detectors are unsure of is mostly no face.

    A trajectory ends at a cut, or `max_gap_seconds` after its last detection. It becomes a track, and gets the next
    `track_id`, at its first detection `min_track_seconds` or more after its birth; shorter ones are dropped.
    """

    def __init__(self, settings: ExtractSettings) -> None:
        self._settings = settings
        self._births = 0
        self._open: list[Trajectory] = []
        self.confirmed: list[Trajectory] = []
        self.shot_index = 0
        self.num_dropped = 0
        self._seen_seconds = -math.inf

    def add(self, pts_seconds: float, faces: Sequence[Face]) -> None:
        """The faces of one more frame, later than the last."""
        self._seen_seconds = pts_seconds
        self._end([t for t in self._open if pts_seconds - t.last_seconds > self._settings.max_gap_seconds])
        links, new = self._links(pts_seconds, faces)
        for trajectory, face in links:
            trajectory.add(pts_seconds, face)
        for face in sorted(new, key=lambda f: f.box):
            trajectory = Trajectory(birth=self._births, shot_index=self.shot_index)
            trajectory.add(pts_seconds, face)
            self._open.append(trajectory)
            self._births += 1
        self._confirm()

    def is_strained(self, pts_seconds: float, faces: Sequence[Face]) -> bool:
        """True when joining these faces next would be a guess that frames in between could settle.

        A face has come out of nowhere, or one seen last time is gone, or moved by more than `CALM_MOTION`.
        """
        links, new = self._links(pts_seconds, faces)
        joined = {trajectory.birth for trajectory, _ in links}
        lost = any(t.last_seconds == self._seen_seconds and t.birth not in joined for t in self._open)
        return bool(new) or lost or any(_motion(*link) > CALM_MOTION for link in links)

    def _links(self, pts_seconds: float, faces: Sequence[Face]) -> tuple[list[tuple[Trajectory, Face]], list[Face]]:
        """Which open trajectories the faces go on with, and the sure ones among the faces that are new."""
        waiting = [t for t in self._open if pts_seconds - t.last_seconds <= self._settings.max_gap_seconds]
        new = list(faces)
        links: list[tuple[Trajectory, Face]] = []
        for horizon in (HORIZON_SECONDS, 0.0):
            pairs = match(waiting, new, pts_seconds, settings=self._settings, horizon_seconds=horizon)
            links += [(waiting[i], new[j]) for i, j in pairs]
            waiting = [t for i, t in enumerate(waiting) if i not in {pair[0] for pair in pairs}]
            new = [face for j, face in enumerate(new) if j not in {pair[1] for pair in pairs}]
        return links, [face for face in new if face.confidence >= self._settings.start_confidence]

    def cut(self) -> None:
        """A new shot begins: every open trajectory ends."""
        self._end(self._open)
        self.shot_index += 1

    def finish(self) -> None:
        """The video is over."""
        self._end(self._open)
        self._seen_seconds = math.inf

    def is_settled(self, pts_seconds: float, *, reach_seconds: float) -> bool:
        """True when nothing that is still to come can change any track, smoothed, up to that moment."""
        return pts_seconds <= self._seen_seconds and all(
            pts_seconds < t.first_seconds
            or (t.track_id is not None and pts_seconds + reach_seconds <= t.last_seconds)
            for t in self._open
        )

    def tracks(self, frames: FrameTimes) -> list[Track]:
        """Every track, whole and smoothed, in order of `track_id`."""
        sigma = self._settings.smoothing_seconds
        return [t.track(frames, sigma_seconds=sigma) for t in self.confirmed]

    def _confirm(self) -> None:
        for t in self._open:
            if t.track_id is None and t.last_seconds - t.first_seconds >= self._settings.min_track_seconds:
                t.track_id = len(self.confirmed)
                self.confirmed.append(t)

    def _end(self, trajectories: list[Trajectory]) -> None:
        for t in trajectories:
            t.ended = True
            self.num_dropped += t.track_id is None
        self._open = [t for t in self._open if not t.ended]


def match(
    trajectories: Sequence[Trajectory],
    faces: Sequence[Face],
    pts_seconds: float,
    *,
    settings: ExtractSettings,
    horizon_seconds: float,
) -> list[tuple[int, int]]:
    """Pairs (trajectory, face) of least total cost; pairs that cannot be one face are left out."""
    if not trajectories or not faces:
        return []
    cost = np.full((len(trajectories), len(faces)), FORBIDDEN)
    for i, trajectory in enumerate(trajectories):
        box, landmarks = trajectory.predicted(pts_seconds, horizon_seconds=horizon_seconds)
        for j, face in enumerate(faces):
            cost[i, j] = link_cost(box, landmarks, face, link_iou=settings.link_iou)
    rows, columns = linear_sum_assignment(cost)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if cost[i, j] < FORBIDDEN]


def link_cost(box: FloatArray, landmarks: FloatArray, face: Face, *, link_iou: float) -> float:
    """How unlike a face is to one expected at `box` (4,) with `landmarks` (5, 2): 0 the same, FORBIDDEN another.

    (1 - IoU) + mean landmark distance in face sizes + |ln(size ratio)|. Boxes say where; landmarks and size tell
    two overlapping faces apart.
    """
    sizes = face_size(box.tolist()), face_size(face.box)
    overlap = iou(box, np.asarray(face.box))
    if overlap < link_iou or min(sizes) <= 0 or max(sizes) > MAX_SIZE_RATIO * min(sizes):
        return FORBIDDEN
    size = math.sqrt(sizes[0] * sizes[1])
    offset = face.landmarks - landmarks
    shape_change = np.linalg.norm(offset - offset.mean(axis=0), axis=1).mean() / size
    if shape_change > MAX_SHAPE_CHANGE:
        return FORBIDDEN
    distance = float(np.linalg.norm(offset, axis=1).mean()) / size
    return (1.0 - overlap) + distance + abs(math.log(sizes[1] / sizes[0]))


def _motion(trajectory: Trajectory, face: Face) -> float:
    """Mean landmark distance, in face sizes, from the last detection."""
    box, landmarks = trajectory.predicted(trajectory.last_seconds, horizon_seconds=0.0)
    size = math.sqrt(face_size(box.tolist()) * face_size(face.box))
    return float(np.linalg.norm(face.landmarks - landmarks, axis=1).mean()) / size


def iou(a: FloatArray, b: FloatArray) -> float:
    """Intersection over union of two boxes (4,)."""
    width = max(0.0, float(min(a[2], b[2]) - max(a[0], b[0])))
    height = max(0.0, float(min(a[3], b[3]) - max(a[1], b[1])))
    both = width * height
    union = float((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])) - both
    return both / union if union > 0 else 0.0
