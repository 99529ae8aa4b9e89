"""A store made through child processes has the same bytes, and loses only the file that attacks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import rigged_child

from vidfake.data.prepare import prepare
from vidfake.data.store import ClipStore
from vidfake.sandbox import SandboxLimits, close_children, extraction, process
from vidfake.settings import ExtractSettings
from vidfake.types import VideoRecord

SETTINGS = ExtractSettings(crop_size=64, num_frames=4, min_frames=2, clip_interval_seconds=0.5)


def contents(store: Path) -> dict[str, bytes]:
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}


def test_stores_are_equal_with_and_without_the_sandbox(face_video: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    records = [VideoRecord("face", str(face_video), 0), VideoRecord("text", str(text), 1)]
    made = {}
    for name, workers, sandbox in (("here", 0, False), ("child", 0, True), ("workers", 1, True)):
        report = prepare(records, tmp_path / name, SETTINGS, workers=workers, sandbox=sandbox)
        assert (report.num_ok, len(report.unreadable)) == (1, 1)
        made[name] = contents(tmp_path / name)
    assert made["here"] == made["child"] == made["workers"]
    assert len(ClipStore(tmp_path / "child").clips) > 2


def test_an_attack_loses_one_record(face_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close_children()
    monkeypatch.setattr(process, "_BOOT", rigged_child.BOOT)
    monkeypatch.setattr(extraction, "SandboxLimits", lambda: SandboxLimits(stall_seconds=2.0))
    names = ["good-1", "late", "good-2"]
    paths = [shutil.copy(face_video, tmp_path / f"{name}.mp4") for name in names]
    records = [VideoRecord(name, str(path), 0) for name, path in zip(names, paths, strict=True)]
    report = prepare(records, tmp_path / "store", SETTINGS, workers=0)
    close_children()
    assert (report.finished, report.num_ok) == (True, 2)
    ((name, reason),) = report.unreadable
    assert name == "late"
    assert "ended by signal 11" in reason
    clips = ClipStore(tmp_path / "store").clips
    assert {clip.video.video_id for clip in clips} == {"good-1", "good-2"}, (
        "clips from before the crash are not kept"
    )
