"""`vidfake synth`: fakes, their manifest and parameters; what cannot be done is said before or beside the rest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import commands
import numpy as np
import pytest
from PIL import Image

from vidfake.data.manifest import read_manifest
from vidfake.data.synthesize import MANIFEST
from vidfake.demo.media import portrait
from vidfake.video.reader import open_video

Run = tuple[pytest.CaptureFixture[str], pytest.MonkeyPatch]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return capsys, monkeypatch


def test_a_batch_with_a_bad_file_in_it_and_a_second_run_beside_it(
    cli: Run, face_video: Path, tmp_path: Path
) -> None:
    out, bad = tmp_path / "out", commands.empty_video(tmp_path / "empty.mp4")
    done = commands.run(
        *cli, "synth", bad, face_video, "--maker", "resynthesis + mouth_replace", "--out", out, "--mask", "--real",
        "--json",
    )  # fmt: skip
    assert done.code == 3
    failed, made = map(json.loads, done.out.splitlines())
    assert (failed["status"], failed["input"], failed["files"]) == ("failed", str(bad), {})
    assert "no face" in failed["error"]
    assert (made["status"], made["num_frames"], len(made["tracks"])) == ("ok", 20, 1)
    names = {name: Path(path).name for name, path in made["files"].items()}
    stem = "face.resynthesis+mouth_replace.0"
    assert names == {
        "fake": f"{stem}.mp4",
        "mask": f"{stem}.mask.mp4",
        "real": "face.real.mp4",
        "parameters": f"{stem}.json",
    }
    assert {p.name for p in out.iterdir()} == {*names.values(), MANIFEST}
    for name in ("fake", "mask", "real"):
        with open_video(out / names[name]) as reader:
            assert sum(1 for _ in reader.frames()) == 20

    told = json.loads((out / names["parameters"]).read_text())
    assert told["tracks"] == made["tracks"]
    assert [part["maker"] for part in told["tracks"][0]["parameters"]["parts"]] == ["resynthesis", "mouth_replace"]
    again = commands.run(*cli, "synth", face_video, "--maker", "self_blend", "--seed", 5, "--out", out)
    assert again.code == 0
    assert "face.self_blend.5.mp4" in again.out
    assert "no sound" in again.err
    rows = {r.video_id: r for r in read_manifest(out / MANIFEST)}
    assert set(rows) == {stem, "face.real", "face.self_blend.5"}
    assert {r.source_id for r in rows.values()} == {face_video.stem}
    assert (rows[stem].label, rows[stem].manipulation) == (1, "resynthesis+mouth_replace")
    assert rows["face.real"].label == 0
    assert rows[stem].extra["parameters"] == names["parameters"]


def test_several_makers_in_one_run(cli: Run, face_video: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    makers = ["--maker", "self_blend", "--maker", "mouth_replace", "--maker", " self_blend "]
    done = commands.run(*cli, "synth", face_video, *makers, "--out", out, "--json")
    assert done.code == 0
    made = [json.loads(line) for line in done.out.splitlines()]
    assert [one["maker"] for one in made] == ["self_blend", "mouth_replace"], "each once"
    rows = read_manifest(out / MANIFEST)
    assert {r.manipulation for r in rows} == {"self_blend", "mouth_replace"}
    pictures = [(out / Path(one["files"]["fake"]).name).read_bytes() for one in made]
    assert pictures[0] != pictures[1]
    alone = commands.run(*cli, "synth", face_video, "--maker", "mouth_replace", "--out", tmp_path / "alone")
    assert alone.code == 0
    (same,) = (tmp_path / "alone").glob("*.mp4")
    assert same.read_bytes() == pictures[1], "a fake does not depend on which others are made beside it"


def test_a_photograph_and_a_donor(cli: Run, face_video: Path, tmp_path: Path) -> None:
    photo, out = tmp_path / "photo.png", tmp_path / "out"
    Image.fromarray(portrait()).save(photo)
    done = commands.run(
        *cli, "synth", photo, face_video, "--maker", "swap_warp", "--donor", face_video, "--out", out, "--json"
    )
    assert done.code == 3
    made, refused = map(json.loads, done.out.splitlines())
    assert Path(made["files"]["fake"]).name == "photo.swap_warp.0.png"
    assert "is the donor itself" in refused["error"]
    still = commands.run(*cli, "synth", photo, "--maker", "temporal_face", "--out", out)
    assert still.code == 4
    assert "needs 2 frames" in still.err


def test_an_animated_photograph_is_manipulated_over_time(cli: Run, face_video: Path, tmp_path: Path) -> None:
    photo, out = tmp_path / "photo.png", tmp_path / "out"
    Image.fromarray(portrait()).save(photo)
    order = ["--maker", "mouth_replace", "--animate", "0.6", "--real", "--mask", "--json"]
    done = commands.run(*cli, "synth", photo, face_video, *order, "--out", out)
    assert done.code == 0
    made, other = map(json.loads, done.out.splitlines())
    names = {name: Path(path).name for name, path in made["files"].items()}
    assert names == {
        "fake": "photo.mouth_replace.0.mp4",
        "mask": "photo.mouth_replace.0.mask.mp4",
        "real": "photo.real.mp4",
        "animated": "photo.animated.mp4",
        "parameters": "photo.mouth_replace.0.json",
    }
    assert "animated" not in other["files"], "a video moves by itself"
    pictures = {}
    for name in ("fake", "mask", "real", "animated"):
        with open_video(out / names[name]) as reader:
            pictures[name] = np.stack([frame.rgb() for frame in reader.frames()]).astype(int)
        assert len(pictures[name]) == made["num_frames"] == 15
    assert min(np.abs(np.diff(pictures["animated"], axis=0)).mean(axis=(1, 2, 3))) > 0.2, "it moves throughout"
    assert np.abs(pictures["real"] - pictures["animated"]).mean() < 3
    assert pictures["animated"].shape[1:3] == portrait().shape[:2], "framed as the photograph"
    assert np.abs(pictures["animated"].mean(axis=(0, 1, 2)) - portrait().mean(axis=(0, 1))).max() < 8, "its colours"
    changed, masked = np.abs(pictures["fake"] - pictures["real"]).mean(-1), pictures["mask"].mean(-1)
    assert changed[masked > 200].mean() > 3 * changed[masked < 5].mean()
    told = json.loads((out / names["parameters"]).read_text())
    assert told["animate_seconds"] == 0.6
    assert told["files"]["animated"] == "photo.animated.mp4"
    rows = {row.video_id: row for row in read_manifest(out / MANIFEST)}
    assert {name for name in rows if name.startswith("photo")} == {"photo.mouth_replace.0", "photo.real"}

    again = commands.run(*cli, "synth", photo, *order, "--out", tmp_path / "again")
    assert again.code == 0
    assert (tmp_path / "again" / names["fake"]).read_bytes() == (out / names["fake"]).read_bytes()
    blank = tmp_path / "blank.png"
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(blank)
    nobody = commands.run(*cli, "synth", blank, *order[:4], "--out", out)
    assert nobody.code == 4
    assert "nothing to animate" in nobody.err
    assert not (out / "blank.animated.mp4").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--maker", "self_blnd"], "Did you mean 'self_blend'"),
        (["--maker", "swap_warp"], "--donor"),
        (["--maker", "self_blend", "--option", "drift=far"], "takes float"),
        (["--maker", "self_blend", "--option", "shift=-1"], "from 0 to"),
        (["--maker", "self_blend", "--option", "a.b=1"], "plain names"),
        (["--maker", "self_blend", "--maker", "resynthesis", "--option", "colour=0.1"], "one at a time"),
        (["--maker", "self_blend", "--tracks", "first"], "all, longest, or track ids"),
        (["--maker", "self_blend", "--crf", "99"], "from 0"),
        (["--maker", "self_blend", "--animate", "1000"], "0.2 to 60 s"),
    ],
)
def test_wrong_requests_are_refused_before_anything_is_read(
    cli: Run, tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = commands.run(*cli, "synth", tmp_path / "never_read.mp4", *arguments, "--out", tmp_path / "out")
    assert done.code == 2
    assert words in done.err
    assert not (tmp_path / "out").exists()


def test_no_file_of_the_user_is_written_over(cli: Run, face_video: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "a.mp4", tmp_path / "a.self_blend.0.mp4"
    for path in (one, two):
        shutil.copy(face_video, path)
    before = two.read_bytes()
    done = commands.run(*cli, "synth", one, two, "--maker", "self_blend", "--out", tmp_path)
    assert done.code == 2
    assert "written over" in done.err
    (tmp_path / MANIFEST).write_text("not,a manifest\n")
    done = commands.run(*cli, "synth", one, "--maker", "resynthesis", "--out", tmp_path)
    assert done.code == 2
    assert "path" in done.err
    assert two.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "a.self_blend.0.mp4", MANIFEST]
