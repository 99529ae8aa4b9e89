"""Generated crops and small stores: smooth noise stands for faces."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vidfake.data.store import ClipStore
from vidfake.data.store_writer import ShardWriter, StoreWriter
from vidfake.faces.codec import decode_crop, encode_crop
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip, VideoRecord

SETTINGS = ExtractSettings(crop_size=32, num_frames=6, min_frames=2)


def make_clip(
    seed: int, *, track_id: int = 0, clip_index: int = 0, num_faces: int = 6, side: int = 32, start: float = 0.0
) -> FaceClip:
    """A clip of `num_faces` noise pictures, its `encoded` bytes (JPEG) and the pixels these decode to."""
    rng = np.random.default_rng([seed, track_id, clip_index])
    raw = cv2.resize(rng.integers(0, 256, (num_faces * 4, 4, 3), dtype=np.uint8), (side, side * num_faces))
    encoded = tuple(
        encode_crop(face, quality=SETTINGS.jpeg_quality) for face in raw.reshape(num_faces, side, side, 3)
    )
    return FaceClip(
        track_id=track_id,
        shot_index=0,
        clip_index=clip_index,
        faces=np.stack([decode_crop(data) for data in encoded]),
        pts_seconds=start + np.arange(num_faces) / 25,
        frame_indices=np.arange(num_faces),
        boxes=rng.uniform(0, 500, (num_faces, 4)),
        landmarks=rng.uniform(0, 500, (num_faces, 5, 2)).astype(np.float32),
        crop_landmarks=rng.uniform(0, side, (num_faces, 5, 2)),
        quality={"sharpness": rng.uniform(0, 1, num_faces), "size": rng.uniform(0, 1, num_faces)},
        encoded=encoded,
    )


def make_record(video_id: str, label: int | None = 0, **values: str) -> VideoRecord:
    manipulation = values.pop("manipulation", "none" if label == 0 else "swap" if label == 1 else "")
    return VideoRecord(
        video_id=video_id,
        path=f"/videos/{video_id}.mp4",
        label=label,
        manipulation=manipulation,
        source_id=values.pop("source_id", video_id),
        **values,
    )


def write_store(path: Path, videos: list[tuple[VideoRecord, list[FaceClip]]]) -> Path:
    """A finished store of these videos; one without clips is a `no_face`."""
    with StoreWriter(path, SETTINGS) as writer:
        for record, clips in videos:
            with ShardWriter(path, record, SETTINGS) as video:
                for clip in clips:
                    video.add_clip(clip)
                video.finish(status="ok" if clips else "no_face")
        writer.finish()
    return path


def small_store(folder: Path) -> ClipStore:
    """Three real videos, a fake of two of them, three clips each (the last one short); and one without faces."""
    videos = []
    for number, (name, label, source) in enumerate(
        [("a", 0, "a"), ("b", 0, "b"), ("c", 0, "c"), ("a-swap", 1, "a"), ("b-swap", 1, "b")]
    ):
        clips = [make_clip(number, clip_index=i, num_faces=6 if i < 2 else 3, start=2.5 * i) for i in range(3)]
        videos.append((make_record(name, label, source_id=source, split="train", dataset="toy"), clips))
    videos.append((make_record("empty", 0, split="train"), []))
    return ClipStore(write_store(folder / "store", videos))
