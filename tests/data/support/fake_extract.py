"""Stands in for `faces.extract.extract_clips`: clips drawn from a file's bytes, or the trouble that these name.

A module of its own, importable by name, because worker processes import what they are given.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from vidfake.errors import StorageError, UnreadableVideoError
from vidfake.faces.codec import decode_crop, encode_crop
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip, Region, Track

SETTINGS = ExtractSettings(crop_size=32, num_frames=4, min_frames=2)


@dataclass(frozen=True)
class Info:
    path: str
    duration_seconds: float
    codec: str = "noise"


def extract(
    path: str, settings: ExtractSettings, *, region: Region | None, on_clip: Callable[[FaceClip], None]
) -> Any:
    text = Path(path).read_text()
    word, _, rest = text.partition(" ")
    if word == "unreadable":
        raise UnreadableVideoError(f"{Path(path).name}: not a video")
    if word == "full":
        raise StorageError("disk full")
    count = 0 if word == "empty" else int(rest or 3)
    for index in range(count):
        on_clip(clip(text, index, settings))
        if word == "slow" and multiprocessing.parent_process() is not None:
            time.sleep(0.03)
        if word == "late":
            raise UnreadableVideoError(f"{Path(path).name}: broke off")
        if word == "bug":
            raise ZeroDivisionError("a bug in here")
        if word == "segfault" or (word == "once" and not Path(f"{path}.tried").exists()):
            Path(f"{path}.tried").touch()
            os.kill(os.getpid(), signal.SIGSEGV)
    return SimpleNamespace(
        info=Info(path, 2.5 * count),
        status="ok" if count else "no_face",
        tracks=[track()] if count else [],
        num_frames_decoded=25,
        decode_errors=0,
        truncated=False,
        shot_starts_seconds=[0.0],
        timings={"decode": 0.25},
        warnings=[] if count else ["no face was found"],
        limits_hit=[],
    )


def clip(text: str, index: int, settings: ExtractSettings) -> FaceClip:
    rng = np.random.default_rng([*text.encode(), index])
    t, side = settings.num_frames, settings.crop_size
    raw = cv2.resize(rng.integers(0, 256, (4 * t, 4, 3), dtype=np.uint8), (side, side * t))
    encoded = tuple(encode_crop(face, quality=settings.jpeg_quality) for face in raw.reshape(t, side, side, 3))
    return FaceClip(
        track_id=0,
        shot_index=0,
        clip_index=index,
        faces=np.stack([decode_crop(data) for data in encoded]),
        pts_seconds=2.5 * index + np.arange(t) / 25,
        frame_indices=np.arange(t),
        boxes=rng.uniform(0, 500, (t, 4)),
        landmarks=rng.uniform(0, 500, (t, 5, 2)),
        crop_landmarks=rng.uniform(0, side, (t, 5, 2)),
        quality={"overall": rng.uniform(0, 1, t)},
        encoded=encoded,
    )


def track() -> Track:
    return Track(
        track_id=0,
        shot_index=0,
        frame_indices=np.arange(2),
        pts_seconds=np.array([0.0, 1.0]),
        boxes=np.array([[0, 0, 10.0, 10.0]] * 2),
        landmarks=np.zeros((2, 5, 2)),
        confidences=np.ones(2),
        detected=np.ones(2, dtype=bool),
    )
