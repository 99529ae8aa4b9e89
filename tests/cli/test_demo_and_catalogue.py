"""`vidfake demo` from nothing to a report, `vidfake list`, `vidfake tracks`, `vidfake datasets`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import run

from vidfake.cli.catalogue import KINDS, load_registry
from vidfake.video.reader import open_video

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


def test_the_demo_runs_to_its_end(capsys: Capture, monkeypatch: Patch, tmp_path: Path) -> None:
    arguments = ("demo", "--out", tmp_path / "demo", "--recordings", 5, "--seconds", 1, "--epochs", 1)
    done = run(capsys, monkeypatch, *arguments)
    assert done.code == 0, done.err
    out = tmp_path / "demo"
    for name in ("report/report.html", "tracks.mp4", "runs/demo/best.vidfake/checkpoint.json", "demo.toml"):
        assert (out / name).exists(), name
    result = json.loads((out / "report" / "report.json").read_text())["results"][0]
    levels = {level["level"]: level["num_videos"] for level in result["sections"][0]["levels"]}
    assert levels["video"] == 2
    # a long path is folded in its cell, beside another column
    first_column = "".join(line.split("│")[1].strip() for line in done.out.splitlines() if line.count("│") > 2)
    assert "report.html" in first_column


@pytest.mark.parametrize("kind", KINDS)
def test_every_registry_can_be_listed(capsys: Capture, monkeypatch: Patch, kind: str) -> None:
    done = run(capsys, monkeypatch, "list", kind, "--json")
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [row["name"] for row in rows] == load_registry(kind).names()
    assert all(row["summary"] and row["source"] for row in rows)


def test_reconstructions_are_marked_in_the_listing(capsys: Capture, monkeypatch: Patch) -> None:
    table = run(capsys, monkeypatch, "list", "losses").out
    assert table.count("[reconstruction]") == sum(r.status == "reconstruction" for r in load_registry("losses"))


def test_tracks_are_drawn_and_the_video_itself_is_never_the_output(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, face_video: Path, tmp_path: Path
) -> None:
    out = tmp_path / "drawn.mp4"
    done = run(capsys, monkeypatch, "tracks", face_video, "--out", out, "--checkpoint", checkpoint, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["tracks"][0]["num_frames"] == 20
    with open_video(out) as reader:
        assert sum(1 for _ in reader.frames()) == 20
    before = face_video.read_bytes()
    refused = run(capsys, monkeypatch, "tracks", face_video, "--out", face_video)
    assert refused.code == 2
    assert face_video.read_bytes() == before


def test_a_folder_of_real_and_fake_becomes_a_manifest(capsys: Capture, monkeypatch: Patch, tmp_path: Path) -> None:
    for name in ("real/a.mp4", "real/b.mp4", "fake/a.mp4"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"not looked into")
    manifest = tmp_path / "m.csv"
    done = run(capsys, monkeypatch, "datasets", "scan", "folder", tmp_path / "set", "--out", manifest, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["num_videos"] == 3
    assert manifest.read_text().count("\n") == 4
    wrong = run(capsys, monkeypatch, "datasets", "scan", "ffp", tmp_path)
    assert wrong.code == 2
    assert "Did you mean 'ffpp'" in wrong.err


def test_help_and_import_stay_light() -> None:
    code = (
        "import sys, vidfake, vidfake.cli.main; assert 'torch' not in sys.modules; assert 'cv2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
