"""A clip store and a study of seconds: untrained convolution features, losses of every kind, three trials each."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2] / "train" / "support"))

import toy_runs

from vidfake.data.store_writer import ShardWriter, StoreWriter
from vidfake.models.interfaces import ENCODERS, FrameEncoder
from vidfake.models.weights import Published
from vidfake.study.definition import StudyData, StudyDefinition, StudyTest
from vidfake.types import VideoRecord

ENCODER = "study_toy"
CODE = "tests"
KINDS = ("none", "swap", "mouth", "warp")
SPLITS = {0: "validation", 1: "validation", 2: "test", 3: "test"}  # of 4 in 8 sources; the others train


def encoder(*, input_size: int = 32) -> FrameEncoder:
    """Fixed random filters: fakes can be told from them, not perfectly."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 16, 5, 2, 2), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
    return FrameEncoder(network, feature_dim=16, input_size=input_size)


def register() -> None:
    """Put the encoder into the registry of this process."""
    ENCODERS.register(ENCODER, source="tests", kind="frame", published=Published(head=()))(encoder)


def write_store(folder: Path, *, sources: int = 24, clips: int = 2) -> Path:
    """Per source a real video and a fake of three kinds; no source is in two splits."""
    with StoreWriter(folder, toy_runs.TOY_EXTRACT) as writer:
        for source in range(sources):
            for kind, name in enumerate(KINDS):
                record = VideoRecord(
                    video_id=f"{source:02d}-{name}",
                    path=f"/toy/{source:02d}-{name}.mp4",
                    label=int(kind > 0),
                    manipulation=name,
                    source_id=f"source{source:02d}",
                    split=SPLITS.get(source % 8, "train"),
                )
                with ShardWriter(folder, record, toy_runs.TOY_EXTRACT) as video:
                    for index in range(clips):
                        video.add_clip(toy_runs.toy_clip(10 * source + kind, fake=kind > 0, clip_index=index))
                    video.finish(status="ok")
        writer.finish()
    return folder


def study(store: Path, **changes: object) -> StudyDefinition:
    """Four arms, three trials and two seeds of eight steps."""
    values: dict[str, object] = {
        "name": "toy",
        "losses": ("softmax", "cosface"),
        "tasks": ("binary",),
        "trials": 3,
        "seeds": (1, 2),
        "steps": 8,
        "reference_clips": 40,
        "data": StudyData(store=str(store), validation_held_out=("warp",)),
        "tests": (StudyTest("people", split="test"),),
        "config": {
            "model": {
                "encoder": {"name": ENCODER, "weights": "none", "input_size": 32, "frozen": True},
                "aggregator": {"name": "mean"},
                "embedding_dim": 8,
                "dropout": 0.1,
            },
            "optim": {"batch_size": 12, "learning_rate": 0.01},
        },
    }
    return StudyDefinition(**{**values, **changes})  # type: ignore[arg-type]
