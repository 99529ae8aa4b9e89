"""Preparing with the project's own extraction: real media, and files that are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vidfake.data.manifest import read_manifest
from vidfake.data.prepare import prepare
from vidfake.data.store import ClipStore
from vidfake.faces.extract import extract_clips
from vidfake.settings import ExtractSettings
from vidfake.types import FaceClip, Region, VideoRecord
from vidfake.video.writer import write_video

SETTINGS = ExtractSettings(crop_size=64, num_frames=8)


def test_files_that_are_no_videos_are_records_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video at all\n" * 100)
    (tmp_path / "zero.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    frames = np.random.default_rng(0).integers(0, 256, (12, 96, 128, 3), dtype=np.uint8)
    write_video(tmp_path / "noise.mp4", iter(frames), frame_rate=25)
    names = ["text", "zero", "folder", "gone", "noise"]
    records = [VideoRecord(name, str(tmp_path / f"{name}.mp4"), 0, "none", source_id=name) for name in names]
    outside = replace(records[4], video_id="outside", region=Region(100, 0, 90, 90))
    report = prepare([*records, outside], tmp_path / "s", SETTINGS, workers=0)
    assert [video_id for video_id, _ in report.unreadable] == [*names[:4], "outside"]
    assert all("unexpected" not in reason for _, reason in report.unreadable)
    assert all(f"{video_id}.mp4" in reason for video_id, reason in report.unreadable[:4])
    assert "region" in report.unreadable[4][1]
    assert [video_id for video_id, _ in report.no_face] == ["noise"]
    assert report.coverage == 0
    store = ClipStore(tmp_path / "s")
    assert {v.video_id: v.status for v in store.videos}["noise"] == "no_face"
    noise = store.record(next(v for v in store.videos if v.video_id == "noise"))
    assert noise["num_frames_decoded"] == 12
    assert noise["info"]["codec"] == "h264"
    assert noise["info"]["width"] == 128


@pytest.mark.data
def test_a_store_holds_the_clips_that_extraction_gives(data_root: Path, tmp_path: Path) -> None:
    """One small video, and both halves of one file: pixels, times and landmarks are equal to the last bit."""
    records = read_manifest(data_root / "videos.csv")
    whole = min((r for r in records if r.region is None), key=lambda r: Path(r.path).stat().st_size)
    half = min((r for r in records if r.region is not None), key=lambda r: Path(r.path).stat().st_size)
    chosen = [whole, *(r for r in records if r.path == half.path)]
    report = prepare(chosen, tmp_path / "s", SETTINGS, workers=2)
    assert report.coverage == 1
    store = ClipStore(tmp_path / "s", settings=SETTINGS)
    for record in chosen:
        clips: list[FaceClip] = []
        result = extract_clips(record.path, SETTINGS, region=record.region, on_clip=clips.append)
        stored = [clip for clip in store.clips if clip.video.video_id == record.video_id]
        assert len(stored) == len(clips) == result.num_clips > 0
        for a, b in zip(stored, clips, strict=True):
            assert np.array_equal(store.read_faces(a), b.faces)
            details = store.details(a)
            for name in ("pts_seconds", "boxes", "landmarks", "crop_landmarks", "frame_indices"):
                assert np.array_equal(getattr(details, name), getattr(b, name)), name
            assert details.quality.keys() == b.quality.keys()
            assert all(np.array_equal(details.quality[name], b.quality[name]) for name in b.quality)
        facts = store.record(stored[0].video)
        assert [t["track_id"] for t in facts["tracks"]] == [t.track_id for t in result.tracks]
