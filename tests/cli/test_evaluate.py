"""`vidfake evaluate`: every level with coverage, other people's scores, corruptions, and what it refuses."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from commands import empty_video, face_video, run

from vidfake.metrics.levels import level_rows
from vidfake.scores import ScoreTable
from vidfake.settings import ScoreSettings

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


def test_a_profile_is_that_of_score(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, manifest: Path, tmp_path: Path
) -> None:
    arguments = ("evaluate", checkpoint, manifest, "--resamples", 0, "--workers", 1, "--profile", "thorough")
    done = run(capsys, monkeypatch, *arguments, "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["protocol"]["profile"] == "thorough"
    (kept,) = (tmp_path / "out" / "work" / "scores").glob("*.jsonl")
    evaluated = dict(zip(*scored_videos(kept), strict=True))
    video = manifest.parent / "1-swap.mp4"
    own = run(capsys, monkeypatch, "score", video, "--checkpoint", checkpoint, "--json", "--profile", "thorough")
    plain = run(capsys, monkeypatch, "score", video, "--checkpoint", checkpoint, "--json")
    score, balanced = (json.loads(text.out)["video"]["score"] for text in (own, plain))
    assert abs(score - balanced) > 1e-3, "mirrored too: another score, or equal ones prove nothing"
    assert evaluated[video.name] == pytest.approx(score, abs=1e-4)
    store = next((tmp_path / "out" / "work" / "stores").iterdir())
    refused = run(capsys, monkeypatch, "evaluate", checkpoint, store, "--profile", "fast", "--out", tmp_path / "no")
    assert refused.code == 2
    assert "clip_interval_seconds" in refused.err
    unknown = run(capsys, monkeypatch, "evaluate", checkpoint, manifest, "--profile", "quick")
    assert unknown.code == 2
    assert "fast, balanced, thorough" in unknown.err


def scored_videos(path: Path) -> tuple[list[str], list[float]]:
    """Ids of the videos of a score table, and their scores as `score` pools them."""
    table = ScoreTable.read(path)
    rows = level_rows(table, "video", ScoreSettings())
    return [str(table.video_id[video]) for video in rows.video], rows.scores.tolist()


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


@pytest.fixture(scope="module")
def absent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of videos that are not on this disk, beside score files of other tools for it."""
    folder = tmp_path_factory.mktemp("absent set")
    rows = ["path,label,source_id,split"]
    ids = [(f"{source}-{label}.mp4", source, label) for source in range(6) for label in (0, 1)]
    rows += [f"{name},{label},s{source},{'test' if source < 4 else 'more'}" for name, source, label in ids]
    rows += ["lonely.mp4,1,s9,fakes"]
    (folder / "set.csv").write_text("\n".join(rows) + "\n")
    for file, gain in (("good", 9.0), ("fair", 2.5)):
        lines = [f"{name},{gain * label + (source * 7) % 5}" for name, source, label in ids]
        (folder / f"{file}.csv").write_text("video_id,score\n" + "\n".join(lines) + "\n")
    (folder / "half.csv").write_text("video_id,score\n" + "".join(f"{i}-1.mp4,{i}\n" for i in range(6)))
    return folder


def test_score_files_alone_need_no_videos(
    capsys: Capture, monkeypatch: Patch, absent: Path, tmp_path: Path
) -> None:
    out = tmp_path / "an out folder"
    arguments = [
        "evaluate", f"set={absent / 'set.csv'}", "--scores", f"set:{absent / 'good.csv'}",
        "--scores", f"set:second={absent / 'good.csv'}", "--scores", f"set:{absent / 'fair.csv'}",
        "--scores", f"set:{absent / 'half.csv'}", "--split", "test", "--split", "more", "--control", "fair",
        "--out", out, "--resamples", 0,
    ]  # fmt: skip
    done = run(capsys, monkeypatch, *arguments, "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert [r["detector"] for r in result["results"]] == ["good", "second", "fair", "half"]
    assert [r["sections"][0]["num_videos"] for r in result["results"]] == [12] * 4
    found = {c["detector"]: c for c in result["comparisons"]}
    assert list(found) == ["good", "second"]
    for row in found.values():
        assert row["control"] == "fair"
        assert row["difference"]["value"] == pytest.approx(row["auc_detector"] - row["auc_control"])
        assert (row["difference"]["interval"], row["p_value"], row["holm_p_value"]) == (None, None, None)
        assert row["auc_detector"] == 1.0 > row["auc_control"]
    assert any("'half' is not compared with 'fair' on set" in note for note in result["notes"])
    command = json.loads((out / "report.json").read_text())["command"]
    assert [shlex.split(line) for line in command] == [["vidfake", *map(str, arguments), "--json"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("SET",), "nothing to measure"),
        (("SET", "--scores", "set:GOOD", "--scores", "set:GOOD"), "two detectors are called 'good' on set"),
        (("SET", "--scores", "set:a=GOOD", "--scores", "set:a=FAIR"), "DATASET:NAME=FILE"),
        (("SET", "CHECKPOINT", "--scores", "set:untrained=GOOD"), "13 of 13 files do not exist"),
        (("SET", "--scores", "set:GOOD", "--control", "goood"), "Detectors here: good. Did you mean 'good'?"),
        (("SET", "--scores", "set:GOOD", "--corrupt", "GB:1"), "--corrupt needs a detector"),
        (("SET", "--scores", "set:GOOD", "--pooling-study"), "--pooling-study needs a detector"),
        (("SET", "--scores", "set:GOOD", "--readout", "knn"), "--readout needs a detector"),
        (("SET", "--higher-is", "fake"), "none was named with --scores"),
        (("SET", "--scores", "set:GOOD", "--split", "fakes"), "0 real and 1 fake videos"),
        (("SET", "--scores", "set:GOOD", "--margin", "0"), "--margin is 0.0"),
        (("SET", "--scores", "set:GOOD", "--margin", "0.1"), "--margin needs intervals"),
    ],
)
def test_what_is_refused_of_score_files(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, absent: Path, tmp_path: Path,
    arguments: tuple[str, ...], words: str,
) -> None:  # fmt: skip
    places = {
        "SET": f"set={absent / 'set.csv'}",
        "GOOD": str(absent / "good.csv"),
        "FAIR": str(absent / "fair.csv"),
    }
    real = [a.replace("CHECKPOINT", str(checkpoint)) for a in arguments]
    for word, place in places.items():
        real = [a.replace(word, place) for a in real]
    done = run(capsys, monkeypatch, "evaluate", *real, "--out", tmp_path / "out", "--resamples", 0)
    assert done.code == 2, done.err
    assert words in done.err
    assert not (tmp_path / "out").exists(), "refused before anything is done"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("CHECKPOINT",), "No data set was named"),
        (("CHECKPOINT", "nothing.txt"), "neither a detector"),
        (("CHECKPOINT", "MANIFEST", "--split", "nope"), "nope"),
        (("a=CHECKPOINT", "a=CHECKPOINT", "MANIFEST"), "two detectors are called 'a'"),
        (("CHECKPOINT", "MANIFEST", "--scores", "other:x.csv"), "DATASET:FILE"),
        (
            ("CHECKPOINT", "test=MANIFEST", "--scores", "test:untrained=SCORES"),
            "two detectors are called 'untrained'",
        ),
        (("CHECKPOINT", "MANIFEST", "--pooling-study"), "no validation scores of these weights"),
        (("CHECKPOINT", "MANIFEST", "--corrupt", "blurr"), "blurr"),
    ],
)
def test_what_is_refused(
    capsys: Capture, monkeypatch: Patch, checkpoint: Path, manifest: Path, tmp_path: Path,
    arguments: tuple[str, ...], words: str,
) -> None:  # fmt: skip
    scores = manifest.parent / "some.csv"
    scores.write_text("video_id,score\n0-none.mp4,0\n0-swap.mp4,1\n")
    places = {"CHECKPOINT": checkpoint, "MANIFEST": manifest, "SCORES": scores}
    real = list(arguments)
    for word, place in places.items():
        real = [a.replace(word, str(place)) for a in real]
    done = run(capsys, monkeypatch, "evaluate", *real, "--out", tmp_path / "out", "--workers", 1, "--resamples", 0)
    assert done.code == 2
    assert words in done.err
