"""`vidfake score`: results, formats, exit codes, batches that go on and are resumed, files that are not videos."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest
from commands import empty_video, run

from vidfake.inference.result import schema

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


def results(out: str) -> list[dict]:  # type: ignore[type-arg]
    found = [json.loads(line) for line in out.splitlines()]
    for result in found:
        jsonschema.validate(result, schema())
    return found


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_a_face_is_scored_at_every_level(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, face_video: Path
) -> None:
    done = run(capsys, monkeypatch, "score", face_video, "--checkpoint", checkpoint, "--json")
    assert done.code == 0, done.err
    (result,) = results(done.out)
    (track,) = result["tracks"]
    (clip,) = track["clips"]
    assert len(clip["frames"]) == 4
    assert result["video"]["score"] == track["score"] == clip["score"]
    mean = sum(f["score"] for f in clip["frames"]) / 4
    assert result["video"]["frames_averaged_score"] == pytest.approx(mean)
    assert result["video"]["verdict"] == "inconclusive", "an untrained detector has no thresholds"
    assert result["decode"]["frames_decoded"] == 20
    assert result["input"]["bytes"] == face_video.stat().st_size


def test_the_table_is_for_people(capsys: Capture, monkeypatch: Patch, checkpoint: Path, face_video: Path) -> None:
    done = run(capsys, monkeypatch, "score", face_video, "--checkpoint", checkpoint)
    assert done.code == 0
    assert "inconclusive" in done.out
    assert "evidence" in done.out


def test_a_batch_goes_on_after_bad_files_and_is_resumed(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, face_video: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("this is no video")
    empty = empty_video(tmp_path / "nobody.mp4")
    arguments = ("score", text, empty, face_video, "--checkpoint", checkpoint, "--out", tmp_path / "out", "--json")
    first = run(capsys, monkeypatch, *arguments)
    assert first.code == 3
    assert [r["status"] for r in results(first.out)] == ["unreadable", "no_face", "ok"]
    assert len(list((tmp_path / "out").glob("*.json"))) == 3
    second = run(capsys, monkeypatch, *arguments)
    again = results(second.out)
    assert again[2] == results(first.out)[2], "a finished video is not scored again"
    assert again[0]["error"] == results(first.out)[0]["error"]


def test_the_same_file_gives_the_same_scores(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, face_video: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "renamed.bin"
    copy.write_bytes(face_video.read_bytes())
    both = run(capsys, monkeypatch, "score", face_video, copy, "--checkpoint", checkpoint, "--json")
    one, two = results(both.out)
    assert one["tracks"] == two["tracks"]
    assert one["input"]["sha256"] == two["input"]["sha256"]


BAD_FILES = ["missing", "folder", "text", "zero bytes", "cut moov", "noise", "permission", "16x16"]


@pytest.mark.parametrize("kind", BAD_FILES)
def test_one_clear_line_and_nothing_scored(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, face_video: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "clip.mp4"
    data = face_video.read_bytes()
    if kind == "folder":
        path.mkdir()
        (path / "x.mp4").write_text("no video")
    elif kind == "text":
        path.write_text("hello\n")
    elif kind == "zero bytes":
        path.write_bytes(b"")
    elif kind == "cut moov":
        path.write_bytes(data[: data.rindex(b"moov") + 40])
    elif kind == "noise":
        path.write_bytes(os.urandom(5000))
    elif kind == "permission":
        path.write_bytes(data)
        path.chmod(0)
        if os.access(path, os.R_OK):
            path.unlink()  # this user may read anything: the missing file stands in for it
    elif kind == "16x16":
        empty_video(path, side=16)
    before = path.read_bytes() if path.is_file() and os.access(path, os.R_OK) else None
    done = run(capsys, monkeypatch, "score", path, "--checkpoint", checkpoint, "--json")
    assert done.code == 4
    (result,) = results(done.out)
    assert result["status"] == ("no_face" if kind == "16x16" else "unreadable")
    assert result["video"]["score"] is None
    assert str(path) in result["error"] or kind == "16x16"
    assert "Traceback" not in done.err + done.out
    assert before is None or path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("score", "x.mp4"), "No detector was named"),
        (("score", "x.mp4", "--checkpoint", "nowhere.vidfake"), "nowhere.vidfake"),
        (("score", "@no-list.txt", "--checkpoint", "CHECKPOINT"), "cannot be read"),
        (("score", "x.mp4", "--checkpoint", "CHECKPOINT", "--readout", "knn"), "no read-out 'knn'"),
        (("list", "loses"), "Did you mean 'losses'?"),
        (("train", "no.toml"), "no such config file"),
    ],
)
def test_bad_usage_is_one_line_and_code_2(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.delenv("VIDFAKE_CHECKPOINT", raising=False)
    done = run(capsys, monkeypatch, *[str(checkpoint) if a == "CHECKPOINT" else a for a in arguments])
    assert done.code == 2
    assert words in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_debug_shows_the_traceback(monkeypatch: Patch) -> None:
    import sys

    from vidfake.cli.main import main
    from vidfake.errors import UnknownNameError

    monkeypatch.setattr(sys, "argv", ["vidfake", "list", "loses", "--debug"])
    with pytest.raises(UnknownNameError):
        main()


@pytest.mark.parametrize("change", ["byte", "newer"])
def test_a_damaged_or_newer_detector_is_refused(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, face_video: Path, tmp_path: Path, change: str
) -> None:
    import shutil

    copy = tmp_path / "copy.vidfake"
    shutil.copytree(checkpoint, copy)
    if change == "byte":
        tensors = bytearray((copy / "model.safetensors").read_bytes())
        tensors[-5] ^= 1
        (copy / "model.safetensors").write_bytes(tensors)
    else:
        text = (copy / "checkpoint.json").read_text()
        value = json.loads(text)
        value["format_version"] = 99
        (copy / "checkpoint.json").write_text(json.dumps(value))
    done = run(capsys, monkeypatch, "score", face_video, "--checkpoint", copy)
    assert done.code == 2
    assert ("newer" in done.err) if change == "newer" else ("SHA-256" in done.err)


def test_hostile_names_do_not_reach_the_terminal_as_they_are(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a\x1b[31m\u202egpj.mp4"
    path.write_text("no video")
    done = run(capsys, monkeypatch, "score", path, "--checkpoint", checkpoint)
    assert "\x1b[31m" not in done.out + done.err
    assert "\u202e" not in done.out + done.err
