"""Puts `support` on the import path; writes videos of moving discs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidfake.settings import ExtractSettings
from vidfake.video.writer import write_video

sys.path.insert(0, str(Path(__file__).parent / "support"))

from face_scenes import Disc, DiscDetector, draw


@pytest.fixture
def disc_detector() -> DiscDetector:
    return DiscDetector()


DiscsAt = Callable[[float], Sequence[Disc]]
"""The discs to be seen at a time in seconds."""


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """Writes a video of moving discs: `make_video(discs_at, seconds=…, frame_rate=…)` or with `pts_seconds`."""

    def make(
        discs_at: DiscsAt,
        *,
        seconds: float = 2.0,
        frame_rate: float = 25,
        pts_seconds: Sequence[float] | None = None,
        size: tuple[int, int] = (320, 240),
        ground_at: Callable[[float], int] = lambda t: 60,
        name: str = "video.mp4",
        **options: Any,
    ) -> Path:
        times = np.arange(round(seconds * frame_rate)) / frame_rate if pts_seconds is None else pts_seconds
        pictures = [
            (float(t), draw(discs_at(t), width=size[0], height=size[1], ground=ground_at(t))) for t in times
        ]
        path = tmp_path / name
        write_video(path, pictures, crf=12, **options)
        return path

    return make


@pytest.fixture
def settings() -> ExtractSettings:
    """Small crops, short clips, and the same detection interval everywhere."""
    return ExtractSettings(
        crop_size=64,
        num_frames=8,
        clip_interval_seconds=0.8,
        min_face_pixels=10,
        detect_interval_seconds=0.2,
        scan_interval_seconds=0.2,
    )
