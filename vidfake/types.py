"""The nouns that carry data between layers. Frozen, and each checks its own shape when made.

Conventions (docs/glossary.md): label 0 real, 1 fake; a score is higher = more likely fake; time is
`pts_seconds`; a box is `x0, y0, x1, y1` in pixels of the upright frame, end exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

REAL, FAKE = 0, 1
NO_MANIPULATION = "none"

Status = Literal["ok", "no_face", "unreadable"]
"""What became of one video. Anything but ``ok`` has no score."""

Level = Literal["frame", "clip", "track", "video"]


@dataclass(frozen=True)
class Region:
    """Part of a picture, in pixels of the upright frame: the only part that a manifest row is about."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.x < 0 or self.y < 0 or self.width <= 0 or self.height <= 0:
            raise ValueError(f"region {self.as_text()!r}: x and y must be >= 0, width and height > 0")

    def as_text(self) -> str:
        """As written in a manifest: ``x y width height``."""
        return f"{self.x} {self.y} {self.width} {self.height}"


@dataclass(frozen=True)
class VideoRecord:
    """One manifest row: one video, or one region of one.

    `video_id` is set once, by whoever made the manifest, and is the only name of the video from here on.
    `label` is None where it is unknown (scoring only). `extra` keeps columns that vidfake does not use.
    """

    video_id: str
    path: str
    label: int | None = None
    manipulation: str = ""
    source_id: str = ""
    pair_id: str = ""
    region: Region | None = None
    split: str = ""
    dataset: str = ""
    compression: str = ""
    identity: str = ""
    origin: str = ""
    license: str = ""
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Face:
    """One detection in one frame. `landmarks` (5, 2): right eye, left eye, nose, right and left mouth corner,
    "right" being the person's own right (left in the picture)."""

    box: tuple[float, float, float, float]
    landmarks: FloatArray
    confidence: float

    def __post_init__(self) -> None:
        if self.landmarks.shape != (5, 2):
            raise ValueError(f"landmarks must be (5, 2), got {self.landmarks.shape}")


@dataclass(frozen=True)
class Track:
    """The same face through consecutive frames of one shot.

    All arrays run over the N frames in which the face is known (detected, or interpolated between detections):
    `frame_indices` (N,) in the decoded video, `pts_seconds` (N,), `boxes` (N, 4), `landmarks` (N, 5, 2) smoothed,
    `confidences` (N,), `detected` (N,) False where interpolated.
    """

    track_id: int
    shot_index: int
    frame_indices: npt.NDArray[np.int64]
    pts_seconds: FloatArray
    boxes: FloatArray
    landmarks: FloatArray
    confidences: FloatArray
    detected: BoolArray

    def __post_init__(self) -> None:
        n = len(self.frame_indices)
        for name, array, shape in (
            ("pts_seconds", self.pts_seconds, (n,)),
            ("boxes", self.boxes, (n, 4)),
            ("landmarks", self.landmarks, (n, 5, 2)),
            ("confidences", self.confidences, (n,)),
            ("detected", self.detected, (n,)),
        ):
            if array.shape != shape:
                raise ValueError(f"track {self.track_id}: {name} must be {shape}, got {array.shape}")
        if n and np.any(np.diff(self.pts_seconds) <= 0):
            raise ValueError(f"track {self.track_id}: pts_seconds must increase")


@dataclass(frozen=True)
class FaceClip:
    """`num_frames` aligned faces of ONE track, time-ordered.

    `faces` (T, S, S, 3) uint8 RGB aligned crops; `pts_seconds` (T,), `frame_indices` (T,), `boxes` (T, 4) and
    `landmarks` (T, 5, 2) in the upright frame, `crop_landmarks` (T, 5, 2) in the crop,
    `quality` per face: name -> (T,) with the names of `vidfake.faces.quality.QUALITY_NAMES`.
    `clip_index` counts the clips of one track from 0. `encoded` holds the codec's bytes that `faces` was decoded
    from, so that a store keeps these and never compresses a crop twice; empty where there are none.
    """

    track_id: int
    shot_index: int
    clip_index: int
    faces: ByteArray
    pts_seconds: FloatArray
    frame_indices: npt.NDArray[np.int64]
    boxes: FloatArray
    landmarks: FloatArray
    crop_landmarks: FloatArray
    quality: dict[str, FloatArray]
    encoded: tuple[bytes, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        t = len(self.faces)
        if self.faces.ndim != 4 or self.faces.shape[3] != 3 or self.faces.dtype != np.uint8:
            raise ValueError(f"faces must be (T, S, S, 3) uint8, got {self.faces.shape} {self.faces.dtype}")
        for name, array, shape in (
            ("pts_seconds", self.pts_seconds, (t,)),
            ("frame_indices", self.frame_indices, (t,)),
            ("boxes", self.boxes, (t, 4)),
            ("landmarks", self.landmarks, (t, 5, 2)),
            ("crop_landmarks", self.crop_landmarks, (t, 5, 2)),
        ):
            if array.shape != shape:
                raise ValueError(f"clip: {name} must be {shape}, got {array.shape}")
        if t > 1 and np.any(np.diff(self.pts_seconds) <= 0):
            raise ValueError("clip: pts_seconds must increase")
        if len(self.encoded) not in (0, t):
            raise ValueError(f"clip: encoded holds {len(self.encoded)} faces of {t}; give all or none")

    def __repr__(self) -> str:
        span = f"{self.pts_seconds[0]:.2f}-{self.pts_seconds[-1]:.2f} s" if len(self.pts_seconds) else "empty"
        return f"FaceClip(track {self.track_id}, clip {self.clip_index}, {self.faces.shape}, {span})"
