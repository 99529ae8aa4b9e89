"""`vidfake score`: results, formats, exit codes, batches that go on and are resumed, files that are not videos."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from commands import empty_video, run
from commands import face_video as make_face_video

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


BAD_FILES = ["missing", "folder", "text", "zero bytes", "cut moov", "noise", "permission", "16x16", "audio only"]


@contextmanager
def not_root() -> Iterator[None]:
    """As a user who may not read everything, where this process may change who it is."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def sound(path: Path) -> None:
    """An .mp4 with sound and no pictures."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


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
    elif kind == "16x16":
        empty_video(path, side=16)
    elif kind == "audio only":
        sound(path)
    before = path.read_bytes() if path.is_file() and kind != "permission" else None
    if kind == "permission":  # whoever may not read the file must still reach it, and the detector
        for folder in [*path.parents, *checkpoint.parents]:
            if folder.stat().st_uid == os.geteuid() and folder != Path(folder.anchor):
                folder.chmod(folder.stat().st_mode | 0o055)
        with not_root():
            done = run(capsys, monkeypatch, "score", path, "--checkpoint", checkpoint, "--json")
    else:
        done = run(capsys, monkeypatch, "score", path, "--checkpoint", checkpoint, "--json")
    assert done.code == 4
    (result,) = results(done.out)
    assert result["status"] == ("no_face" if kind == "16x16" else "unreadable")
    assert result["video"]["score"] is None
    assert str(path) in result["error"] or kind == "16x16"
    assert "Traceback" not in done.err + done.out
    assert before is None or path.read_bytes() == before


def test_damage_in_the_middle_is_counted_and_the_rest_scored(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, face_video: Path, tmp_path: Path
) -> None:
    data = bytearray(face_video.read_bytes())
    middle = data.index(b"mdat") + 4 + (len(data) - data.index(b"mdat")) // 3
    data[middle : middle + 300] = os.urandom(300)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    done = run(capsys, monkeypatch, "score", path, "--checkpoint", checkpoint, "--json")
    (result,) = results(done.out)
    assert result["status"] in ("ok", "no_face")
    assert result["decode"]["errors"] > 0 or result["decode"]["frames_decoded"] == 20


def test_one_frame_is_no_clip_and_says_so(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "one.mp4"
    make_face_video(path, frames=1)
    done = run(capsys, monkeypatch, "score", path, "--checkpoint", checkpoint, "--json")
    assert done.code == 4
    (result,) = results(done.out)
    assert result["status"] == "no_face"
    assert result["decode"]["frames_decoded"] == 1
    assert result["error"]


def test_paths_come_from_standard_input(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, face_video: Path
) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(f"{face_video}\n"))
    done = run(capsys, monkeypatch, "score", "-", "--checkpoint", checkpoint, "--json")
    assert done.code == 0
    assert [r["status"] for r in results(done.out)] == ["ok"]


def test_a_full_disk_loses_nothing_that_was_there(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, face_video: Path, tmp_path: Path
) -> None:
    import errno

    out = tmp_path / "out"
    assert run(capsys, monkeypatch, "score", face_video, "--checkpoint", checkpoint, "--out", out).code == 0
    (kept,) = out.glob("*.json")
    before = kept.read_bytes()
    other = tmp_path / "other.mp4"
    other.write_bytes(face_video.read_bytes())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    done = run(capsys, monkeypatch, "score", face_video, other, "--checkpoint", checkpoint, "--out", out)
    assert done.code == 1
    assert "No space left" in done.err
    assert "Traceback" not in done.err
    assert [p.name for p in out.iterdir()] == [kept.name]
    assert kept.read_bytes() == before


def test_a_mistyped_setting_stops_training_before_anything_is_read(
    capsys: Capture, monkeypatch: Patch, tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    config.write_text("[optim]\nepoch = 3\n")
    done = run(capsys, monkeypatch, "train", config)
    assert done.code == 2
    assert "Did you mean 'epochs'" in done.err


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
    monkeypatch.setattr("vidfake.default.shipped.FOLDER", checkpoint.with_name("none ships"))
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


def test_cached_clips_give_the_same_scores_without_the_video_being_decoded(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, face_video: Path, tmp_path: Path
) -> None:
    arguments = ("score", face_video, "--checkpoint", checkpoint, "--cache", tmp_path / "cache", "--json")
    plain = results(run(capsys, monkeypatch, *arguments[:4], "--json").out)[0]
    first, again = (results(run(capsys, monkeypatch, *arguments).out)[0] for _ in range(2))
    for result in (first, again):
        assert (result["video"], result["tracks"]) == (plain["video"], plain["tracks"])
        assert result["decode"] == plain["decode"]
    assert again["environment"]["decoded_in"] == "cache"
    assert first["environment"]["decoded_in"] == plain["environment"]["decoded_in"] == "sandbox"


def test_profiles_and_precision(capsys: Capture, monkeypatch: Patch, checkpoint: Path, tmp_path: Path) -> None:
    video = make_face_video(tmp_path / "long.mp4", frames=90)
    found = {}
    for name in ("fast", "balanced", "thorough"):
        done = run(capsys, monkeypatch, "score", video, "--checkpoint", checkpoint, "--profile", name, "--json")
        found[name] = results(done.out)[0]
        assert found[name]["environment"]["profile"] == name
    clips = {name: len(result["tracks"][0]["clips"]) for name, result in found.items()}
    assert clips["fast"] < clips["balanced"] < clips["thorough"]
    half = run(capsys, monkeypatch, "score", video, "--checkpoint", checkpoint, "--precision", "bfloat16", "--json")
    (rounded,) = results(half.out)
    assert rounded["environment"]["precision"] == "bfloat16"
    assert rounded["video"]["score"] == pytest.approx(found["balanced"]["video"]["score"], rel=0.05, abs=0.05)
    for wrong in (("--profile", "quick"), ("--precision", "half"), ("--cache-gib", "0")):
        refused = run(capsys, monkeypatch, "score", video, "--checkpoint", checkpoint, *wrong)
        assert refused.code == 2, wrong


@pytest.mark.skipif(os.name == "nt", reason="names there are UTF-16")
def test_a_name_that_is_no_utf8(capsys: Capture, monkeypatch: Patch, checkpoint: Path, tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xe2\x80\xae.mp4")
    with open(path, "wb") as handle:
        handle.write(b"no video")
    done = run(capsys, monkeypatch, "score", path, "--checkpoint", checkpoint, "--json", "--out", tmp_path / "out")
    assert done.code == 4, done.err
    (result,) = results(done.out)
    assert result["input"]["path"] == path
    assert done.out.isascii(), "nothing in it turns text round"
    (kept,) = (tmp_path / "out").iterdir()
    assert json.loads(kept.read_bytes())["input"]["path"] == path
    table = run(capsys, monkeypatch, "score", path, "--checkpoint", checkpoint)
    assert table.code == 4
    assert table.out.encode("utf-8")
