"""`vidfake evaluate`: every level with coverage, other people's scores, corruptions, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import empty_video, face_video, run

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three real and three "fake" videos of three sources, and one without a face."""
    folder = tmp_path_factory.mktemp("set")
    rows = ["path,label,manipulation,source_id,pair_id,split,dataset"]
    for source in range(3):
        for label, name in enumerate(("none", "swap")):
            path = face_video(folder / f"{source}-{name}.mp4", frames=12, seed=10 * source + label)
            rows.append(f"{path.name},{label},{name},s{source},p{source},test,toy")
    empty_video(folder / "nobody.mp4")
    rows.append("nobody.mp4,0,none,s9,,test,toy")
    (folder / "test.csv").write_text("\n".join(rows) + "\n")
    return folder / "test.csv"


def test_levels_coverage_pairs_and_report(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, manifest: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ("evaluate", checkpoint, manifest, "--out", out, "--resamples", 50, "--workers", 1)
    done = run(capsys, monkeypatch, *arguments, "--json")
    assert done.code == 0, done.err
    (result,) = json.loads(done.out)["results"]
    everything, pairs = result["sections"]
    assert (everything["name"], pairs["name"]) == ("all", "pairs")
    levels = {level["level"]: level for level in everything["levels"]}
    assert list(levels) == ["frame", "frames_averaged", "clip", "video"]
    assert levels["video"]["num_videos"] == 6
    coverage = levels["video"]["coverage"]
    assert (coverage["num_scored"], coverage["num_videos"], coverage["reasons"]) == (6, 7, {"no_face": 1})
    assert levels["frame"]["num_rows"] == 24
    assert pairs["num_videos"] == 6
    assert {p.name for p in out.iterdir()} == {"report.html", "report.md", "report.json", "scores.csv", "work"}
    assert "nobody.mp4" in (out / "scores.csv").read_text()

    again = run(capsys, monkeypatch, *arguments)
    assert again.code == 0
    assert "Video-level" in again.out
    assert "85.7 %" in again.out


def test_score_files_of_others_stand_beside_ours(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, manifest: Path, tmp_path: Path
) -> None:
    perfect = tmp_path / "perfect.csv"
    perfect.write_text(
        "video_id,score\n"
        + "".join(f"{s}-{n}.mp4,{k + 0.01 * s}\n" for s in range(3) for k, n in enumerate(("none", "swap")))
    )
    arguments = (
        "evaluate",
        checkpoint,
        f"toy={manifest}",
        "--out",
        tmp_path / "out",
        "--resamples",
        50,
        "--workers",
        1,
    )
    done = run(capsys, monkeypatch, *arguments, "--scores", f"toy:{perfect}", "--control", "perfect", "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    theirs = next(r for r in result["results"] if r["detector"] == "perfect")
    assert theirs["sections"][0]["levels"][0]["figures"]["auc"]["value"] == 1.0
    assert [(c["detector"], c["control"]) for c in result["comparisons"]] == [("untrained", "perfect")]


def test_corruptions_give_points_and_leave_nothing_behind(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, manifest: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = (
        "evaluate",
        checkpoint,
        manifest,
        "--out",
        out,
        "--resamples",
        0,
        "--workers",
        1,
        "--corrupt",
        "GB:2",
    )
    done = run(capsys, monkeypatch, *arguments, "--json")
    assert done.code == 0, done.err
    points = json.loads(done.out)["corruptions"]
    assert [(p["kind"], p["severity"]) for p in points] == [("GB", 0), ("GB", 2)]
    assert not list(out.rglob("*.mkv"))
    before = manifest.parent.stat().st_mtime_ns
    assert run(capsys, monkeypatch, *arguments).code == 0, "the second run reads the kept tables"
    assert manifest.parent.stat().st_mtime_ns == before, "nothing is written beside the user's videos"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("CHECKPOINT",), "No data set was named"),
        (("CHECKPOINT", "nothing.txt"), "neither a detector"),
        (("CHECKPOINT", "MANIFEST", "--split", "nope"), "nope"),
        (("a=CHECKPOINT", "a=CHECKPOINT", "MANIFEST"), "two detectors are called 'a'"),
        (("CHECKPOINT", "MANIFEST", "--scores", "other:x.csv"), "DATASET:FILE"),
        (("CHECKPOINT", "MANIFEST", "--corrupt", "blurr"), "blurr"),
    ],
)
def test_what_is_refused(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, manifest: Path, tmp_path: Path,
    arguments: tuple[str, ...], words: str,
) -> None:  # fmt: skip
    real = [a.replace("CHECKPOINT", str(checkpoint)).replace("MANIFEST", str(manifest)) for a in arguments]
    done = run(capsys, monkeypatch, "evaluate", *real, "--out", tmp_path / "out", "--workers", 1, "--resamples", 0)
    assert done.code == 2
    assert words in done.err
