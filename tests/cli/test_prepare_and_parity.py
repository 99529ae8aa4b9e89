"""`prepare`, then the detector on its clips, gives what `score` gives on the videos: one path."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import EXTRACT, empty_video, run

from vidfake.data.clips import ClipDataset
from vidfake.data.store import ClipStore
from vidfake.inference.load import load_detector
from vidfake.inference.predict import predict

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch
SETTINGS = ("--set", "extract.crop_size=64", "--set", "extract.num_frames=4", "--set", "extract.min_frames=2")


def test_a_store_gives_exactly_the_scores_of_the_video(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, face_video: Path, tmp_path: Path
) -> None:
    nobody = empty_video(tmp_path / "nobody.mp4")
    manifest = tmp_path / "videos.csv"
    manifest.write_text(f"\ufeffpath,label\r\n{face_video},0\r\n{nobody},1\r\n", encoding="utf-8")
    prepared = run(
        capsys, monkeypatch, "prepare", manifest, tmp_path / "store", *SETTINGS, "--workers", 1, "--json"
    )
    assert prepared.code == 0, prepared.err
    report = json.loads(prepared.out)
    assert report["clips"] == 1
    assert [o["video_id"] for o in report["outcomes"] if o["status"] == "no_face"] == [str(nobody)]

    scored = run(capsys, monkeypatch, "score", face_video, "--checkpoint", checkpoint, "--json")
    result = json.loads(scored.out)
    detector = load_detector(checkpoint)
    store = ClipStore(tmp_path / "store", settings=EXTRACT)
    dataset = ClipDataset(store, class_names=("real", "fake"), num_frames=4)
    table = predict(detector.scorer, dataset)
    frames = [f["score"] for t in result["tracks"] for c in t["clips"] for f in c["frames"]]
    assert np.array_equal(table.frame_score, frames), "not nearly equal: equal"
    assert len(set(frames)) == 4, "and the scores depend on the pictures"
    assert table.clip_score.tolist() == [result["video"]["score"]]
    assert dict(zip(table.video_id, table.status, strict=True)) == {str(face_video): "ok", str(nobody): "no_face"}


def test_a_second_run_does_nothing_and_other_settings_are_refused(
    capsys: Capture, monkeypatch: Patch, face_video: Path, tmp_path: Path
) -> None:
    manifest = tmp_path / "videos.csv"
    manifest.write_text(f"path,label\n{face_video},0\n")
    store = tmp_path / "store"
    assert run(capsys, monkeypatch, "prepare", manifest, store, *SETTINGS, "--workers", 1).code == 0
    before = {p: p.stat().st_mtime_ns for p in store.rglob("*") if p.suffix in (".tar", ".json")}
    assert run(capsys, monkeypatch, "prepare", manifest, store, *SETTINGS, "--workers", 1).code == 0
    tars = [p for p in before if p.suffix == ".tar"]
    assert all(p.stat().st_mtime_ns == before[p] for p in tars)
    other = run(capsys, monkeypatch, "prepare", manifest, store, "--set", "extract.margin=1.5", "--workers", 1)
    assert other.code == 2
    assert "margin" in other.err
    assert "1.3" in other.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,lable\nx.mp4,1\n", "no column 'label'"),
        ("path,label\nx.mp4,2\n", ":2"),
        ("path,label\nx.mp4,1\n", "x.mp4"),
        ("", "manifest.csv"),
    ],
)
def test_a_wrong_manifest_names_file_and_line(
    capsys: Capture, monkeypatch: Patch, tmp_path: Path, text: str, words: str
) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(text)
    done = run(capsys, monkeypatch, "prepare", manifest, tmp_path / "store")
    assert done.code == 2
    assert words in done.err
    assert "manifest.csv" in done.err
    assert not (tmp_path / "store").exists()


def test_preparing_says_how_fast_it_was_and_where_the_time_went(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, face_video: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "v.mp4").write_bytes(face_video.read_bytes())
    arguments = ("prepare", folder, tmp_path / "store", "--unlabelled", "--workers", "1")
    first = run(capsys, monkeypatch, *arguments)
    for words in ("videos, ", "clips, ", "faces per second", "times real time", "decode", "detect"):
        assert words in first.err, first.err
    second = run(capsys, monkeypatch, *arguments)
    assert "per second" not in second.err, "nothing was done"
