"""Caps on one video: each ends the work where it should, and each is visible in the result when it bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from media_corpus import KINDS, with_tracks, write

from vidfake.errors import UnreadableVideoError
from vidfake.faces.detect import FaceDetector
from vidfake.faces.extract import ExtractionResult, extract_clips
from vidfake.sandbox import SandboxLimits, extract_in_child
from vidfake.settings import ExtractSettings
from vidfake.types import Face
from vidfake.video.limits import VideoLimits
from vidfake.video.opening import MAX_STREAMS
from vidfake.video.writer import write_video

SETTINGS = ExtractSettings(crop_size=32, num_frames=4, min_frames=2, min_face_pixels=1)


class NoFaces:
    def detect(self, rgb: Any) -> list[Face]:
        return []


class Crowd:
    """Eleven faces in every picture."""

    def detect(self, rgb: Any) -> list[Face]:
        shape = np.array([[3, 4], [7, 4], [5, 6], [3, 8], [7, 8]], np.float64)
        return [Face((5.0 * i, 0.0, 5.0 * i + 10, 12.0), shape + np.array([5.0 * i, 0]), 0.9) for i in range(11)]


def video(path: Path, frames: int, *, rate: float = 25) -> Path:
    pictures = (np.full((32, 64, 3), 40 + 2 * (i % 50), np.uint8) for i in range(frames))
    write_video(path, pictures, frame_rate=rate, options={"preset": "ultrafast"})
    return path


def extracted(path: Path, limits: VideoLimits, detector: FaceDetector | None = None) -> ExtractionResult:
    return extract_clips(path, SETTINGS, detector=detector or NoFaces(), limits=limits, threads=1)


def test_nothing_bites_an_ordinary_video(tmp_path: Path) -> None:
    result = extracted(video(tmp_path / "a.mp4", 30), VideoLimits())
    assert (result.limits_hit, result.num_frames_decoded) == ([], 30)


@pytest.mark.parametrize(
    ("limits", "name", "words", "frames"),
    [
        (VideoLimits(max_seconds=0.4), "duration", "only the first 0.4 s", 11),
        (VideoLimits(max_frames=7), "frames", "only the first 7 frames", 7),
        (VideoLimits(max_frame_rate=12.5), "frame_rate", "beyond 12.5 per second were passed over", 15),
    ],
)
def test_caps_on_length(tmp_path: Path, limits: VideoLimits, name: str, words: str, frames: int) -> None:
    result = extracted(video(tmp_path / "a.mp4", 30), limits)
    assert result.limits_hit == [name]
    assert result.num_frames_decoded == frames
    (warning,) = [w for w in result.warnings if "limit on" in w]
    assert words in warning


def test_decoding_ends_at_the_cap(tmp_path: Path) -> None:
    """The rest is not even decoded."""
    seen: list[int] = []
    path = video(tmp_path / "a.mp4", 200)
    extract_clips(path, SETTINGS, detector=NoFaces(), limits=VideoLimits(max_frames=9), on_frame=seen.append)
    assert 9 <= len(seen) <= 10
    assert set(seen) == {32 * 64}


def test_clips_lie_within_the_caps(face_video: Path) -> None:
    settings = ExtractSettings(crop_size=64, num_frames=4, min_frames=2, clip_interval_seconds=0.3)
    ends: list[float] = []
    limits = SandboxLimits(video=VideoLimits(max_seconds=1.2))
    extract_in_child(face_video, settings, on_clip=lambda c: ends.append(float(c.pts_seconds[-1])), limits=limits)
    assert len(ends) > 1
    assert max(ends) <= 1.2


def test_a_crowd_is_visible(tmp_path: Path) -> None:
    result = extracted(video(tmp_path / "a.mp4", 30), VideoLimits(), Crowd())
    assert result.limits_hit == ["faces"]
    assert any("more than 8 faces" in warning for warning in result.warnings)


def test_too_many_streams_are_visible(tmp_path: Path) -> None:
    kind = next(k for k in KINDS if k.codec == "libx264" and k.suffix == "mp4" and not k.rotation)
    path = write(kind, tmp_path)
    assert extracted(path, VideoLimits()).limits_hit == []
    most, many = with_tracks(path.read_bytes(), MAX_STREAMS), with_tracks(path.read_bytes(), 2000)
    assert most is not None
    assert many is not None
    (tmp_path / "most.mp4").write_bytes(most)
    result = extract_in_child(tmp_path / "most.mp4", SETTINGS)
    assert result.limits_hit == ["streams"]
    assert any(f"first {MAX_STREAMS} streams" in warning for warning in result.warnings)
    (tmp_path / "many.mp4").write_bytes(many)
    with pytest.raises(UnreadableVideoError, match=f"more than {MAX_STREAMS} streams"):
        extract_in_child(tmp_path / "many.mp4", SETTINGS)


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_a_file_that_is_mostly_damaged_is_unreadable(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.mkv"
    rng = np.random.default_rng(0)
    noise = (rng.integers(0, 255, (32, 64, 3), dtype=np.uint8) for _ in range(60))
    write_video(path, noise, frame_rate=25, options={"preset": "ultrafast"})
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for position, size in packets[1 : int(60 * share)]:
        data[position + 16 : position + size] = bytes(max(0, size - 16))
    path.write_bytes(data)
    if share < 0.5:
        assert extracted(path, VideoLimits()).decode_errors > 0
        return
    with pytest.raises(
        UnreadableVideoError, match=r"is damaged: 53 frames are broken or missing, \d+ could.* 50 %"
    ):
        extracted(path, VideoLimits())
    assert extracted(path, VideoLimits(max_error_share=1.0)).decode_errors > 30, "without the cap it would pass"


# ---- the watch alone


def test_what_is_admitted_lies_within_the_limits() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        times = np.cumsum(rng.choice([0.0005, 0.001, 0.04, 1.0], rng.integers(1, 60))) - 3
        limits = VideoLimits(
            max_seconds=float(rng.choice([1.0, 20.0])), max_frames=int(rng.integers(1, 80)), max_frame_rate=400.0
        )
        mask = limits.allowed(times)
        kept = times[mask]
        assert kept[0] == times[0]
        for seconds in times[: limits.max_frames][~mask[: limits.max_frames]]:
            too_late = seconds - times[0] > limits.max_seconds
            assert too_late or seconds - kept[kept < seconds].max() < 1 / 400, "only for a reason"
        assert kept[-1] - kept[0] <= limits.max_seconds + 1e-6
        assert len(kept) <= limits.max_frames
        assert len(kept) < 2 or np.diff(kept).min() > 1 / 400 - 2e-6


def test_a_frame_rate_at_the_cap_passes() -> None:
    assert VideoLimits(max_frame_rate=30).allowed(np.arange(300) / 30).all()
    assert VideoLimits(max_frame_rate=29.97).allowed(np.arange(300) * 1001 / 30000).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: VideoLimits(max_seconds=0),
        lambda: VideoLimits(max_frames=0),
        lambda: VideoLimits(max_frame_rate=math.nan),
        lambda: VideoLimits(max_error_share=0),
        lambda: SandboxLimits(memory_bytes=1 << 20),
        lambda: SandboxLimits(stall_seconds=0),
    ],
)
def test_limits_that_cannot_be(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="is"):
        make()


def test_patience_grows_with_honest_work_only() -> None:
    limits = SandboxLimits()
    assert limits.stall_seconds_for(0, 0) == 60
    assert limits.stall_seconds_for(4 << 30, 0) > 800  # the index of a large file is read first
    assert limits.stall_seconds_for(4 << 30, 1) == 60
    hour_of_hd = limits.total_seconds_for(10**9, 108_000, 108_000 * 1920 * 1080)
    assert hour_of_hd == limits.max_seconds, "an hour of HD on a slow machine is not cut short"
    assert limits.total_seconds_for(10**6, 300, 300 * 64 * 64) < 70
