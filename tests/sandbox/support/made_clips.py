"""A clip and a result without a video, and whether two of them are equal to the last bit."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from vidfake.faces.codec import decode_crop, encode_crop
from vidfake.faces.extract import ExtractionResult
from vidfake.faces.quality import QUALITY_NAMES
from vidfake.types import FaceClip, Track
from vidfake.video.info import VideoInfo


def clip(seed: int = 0, *, count: int = 3) -> FaceClip:
    """`count` faces of 32 x 32 pixels of one track; `seed` is its number too."""
    rng = np.random.default_rng(seed)
    encoded = tuple(
        encode_crop(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8), quality=95) for _ in range(count)
    )
    return FaceClip(
        track_id=2,
        shot_index=1,
        clip_index=seed,
        faces=np.stack([decode_crop(data) for data in encoded]),
        pts_seconds=np.arange(count) / 25,
        frame_indices=np.arange(count),
        boxes=rng.normal(100, 50, (count, 4)),
        landmarks=rng.normal(100, 50, (count, 5, 2)),
        crop_landmarks=rng.normal(16, 5, (count, 5, 2)),
        quality={name: rng.random(count) for name in QUALITY_NAMES},
        encoded=encoded,
    )


def result(**changes: Any) -> ExtractionResult:
    """One track and one clip, in every field something else than nothing."""
    info = VideoInfo(
        container="mp4", codec="h264", width=64, height=48, coded_width=64, coded_height=48, rotation_degrees=0,
        mirrored=False, pixel_aspect_ratio=1.0, duration_seconds=None, start_seconds=-0.5, average_frame_rate=25.0,
        num_frames=None, pixel_format="yuv420p", bit_depth=8, colour_space="bt601", colour_range="limited",
        hdr=False, has_audio=False, num_video_streams=1, bytes=100,
    )  # fmt: skip
    track = Track(
        track_id=0,
        shot_index=0,
        frame_indices=np.arange(3),
        pts_seconds=np.arange(3) / 25,
        boxes=np.ones((3, 4)),
        landmarks=np.ones((3, 5, 2)),
        confidences=np.ones(3),
        detected=np.array([True, False, True]),
    )
    made = ExtractionResult(
        info=info, status="ok", tracks=[track], num_clips=1, num_frames_decoded=3, num_detections=2,
        decode_errors=0, truncated=False, shot_starts_seconds=[0.0], max_frames_held=3, timings={"decode": 0.1},
        warnings=["ä"],
        limits_hit=["faces"],
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def assert_same(one: Any, two: Any, name: str = "") -> None:
    """Equal to the last bit and of the same types, but for the timings."""
    assert type(one) is type(two), name
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            if field.name != "timings":
                assert_same(getattr(one, field.name), getattr(two, field.name), f"{name}.{field.name}")
    elif isinstance(one, np.ndarray):
        assert one.dtype == two.dtype, name
        np.testing.assert_array_equal(one, two, err_msg=name)
    elif isinstance(one, dict):
        assert one.keys() == two.keys(), name
        for key in one:
            assert_same(one[key], two[key], f"{name}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(two), name
        for left, right in zip(one, two, strict=True):
            assert_same(left, right, name)
    else:
        assert one == two, name
