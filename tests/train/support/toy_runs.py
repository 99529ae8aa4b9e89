"""A clip store whose fakes can be learnt: a checkerboard over noise that flickers from frame to frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from torch import nn

from vidfake.data.store_writer import ShardWriter, StoreWriter
from vidfake.faces.quality import QUALITY_NAMES
from vidfake.models.interfaces import FrameEncoder
from vidfake.settings import (
    AggregatorSettings,
    DataSettings,
    EncoderSettings,
    ExtractSettings,
    ModelSettings,
    OptimSettings,
    RunConfig,
)
from vidfake.types import FaceClip, VideoRecord

TOY_ENCODER = "toy"


def toy_encoder(*, input_size: int = 32) -> FrameEncoder:
    """Two convolutions: learns the checkerboard in a few steps."""
    network = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(8, 16, 5, stride=2, padding=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip
    return FrameEncoder(network, feature_dim=16, input_size=input_size)


TOY_EXTRACT = ExtractSettings(crop_size=32, num_frames=4, min_frames=2)


def toy_clip(seed: int, *, fake: bool, clip_index: int) -> FaceClip:
    rng = np.random.default_rng([seed, clip_index])
    t, side = TOY_EXTRACT.num_frames, TOY_EXTRACT.crop_size
    base = cv2.resize(rng.integers(60, 190, (4, 4, 3), dtype=np.uint8), (side, side)).astype(float)
    faces = np.repeat(base[None], t, axis=0) + rng.normal(0, 4, (t, side, side, 3))
    if fake:
        board = (np.indices((side, side)).sum(0) // 4 % 2 * 2 - 1)[..., None]
        faces += board * 25 * (1 + 0.5 * (-1.0) ** np.arange(t))[:, None, None, None]
    landmarks = np.tile([[12, 13], [20, 13], [16, 17], [13, 21], [19, 21]], (t, 1, 1)).astype(float)
    return FaceClip(
        track_id=0,
        shot_index=0,
        clip_index=clip_index,
        faces=np.clip(faces, 0, 255).astype(np.uint8),
        pts_seconds=2.5 * clip_index + np.arange(t) / 25,
        frame_indices=np.arange(t),
        boxes=np.tile([0.0, 0.0, 32.0, 32.0], (t, 1)),
        landmarks=landmarks,
        crop_landmarks=landmarks,
        quality={name: np.full(t, 0.8) for name in QUALITY_NAMES},
    )


def write_toy_store(folder: Path, *, sources: int = 12, clips: int = 2, shuffled: bool = False) -> Path:
    """Per source a real video and two fakes of different names; every third source is for validation."""
    rng = np.random.default_rng(0)
    with StoreWriter(folder, TOY_EXTRACT) as writer:
        for source in range(sources):
            for kind, name in enumerate(("none", "swap", "mouth")):
                fake = kind > 0
                record = VideoRecord(
                    video_id=f"{source:02d}-{name}",
                    path=f"/toy/{source:02d}-{name}.mp4",
                    label=int(fake),
                    manipulation=name,
                    source_id=f"source{source:02d}",
                    split="validation" if source % 3 == 2 else "train",
                    dataset="toy",
                )
                looks_fake = bool(rng.random() < 2 / 3) if shuffled else fake
                with ShardWriter(folder, record, TOY_EXTRACT) as video:
                    for clip_index in range(clips):
                        video.add_clip(toy_clip(10 * source + kind, fake=looks_fake, clip_index=clip_index))
                    video.finish(status="ok")
        empty = VideoRecord(
            video_id="empty", path="/toy/empty.mp4", label=0, manipulation="none", split="validation"
        )
        with ShardWriter(folder, empty, TOY_EXTRACT) as video:
            video.finish(status="no_face", reason="no face was found")
        writer.finish()
    return folder


def toy_config(store: Path, out: Path, **changes: object) -> RunConfig:
    """A run of seconds: a small untrained encoder at 32 pixels."""
    values: dict[str, object] = {
        "name": "toy",
        "out": str(out),
        "extract": TOY_EXTRACT,
        "data": DataSettings(store=str(store), augment=(), workers=0),
        "model": ModelSettings(
            encoder=EncoderSettings(name=TOY_ENCODER, weights="none", input_size=32),
            aggregator=AggregatorSettings(name="mean"),
            embedding_dim=16,
            dropout=0.1,
        ),
        "optim": OptimSettings(
            epochs=4, batch_size=8, encoder_learning_rate=1e-2, learning_rate=1e-2, weight_decay=0.0
        ),
    }
    return RunConfig(**{**values, **changes})  # type: ignore[arg-type]
