"""`tools/cross_dataset`: from folders of videos to a report, of a given detector or of one trained on the way."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from commands import write_checkpoint
from toy_runs import toy_config

from vidfake.config import to_toml
from vidfake.demo.media import portrait
from vidfake.faces.detect import build_detector
from vidfake.metrics.levels import video_auc
from vidfake.scores import ScoreTable
from vidfake.settings import ExtractSettings
from vidfake.synth.animate import animate
from vidfake.video.writer import write_video

PROTOCOL = """
summary = "Train at home, measure at home and away"

[[train.select]]
dataset = "home"
splits = ["train"]

[[validation.select]]
dataset = "home"
splits = ["validation"]

[[test.near.select]]
dataset = "home"
splits = ["test"]

[[test.far.select]]
dataset = "away"

[[test.elsewhere.select]]
dataset = "nowhere"
"""


@pytest.fixture(scope="module")
def tool(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    return load_tool("cross_dataset")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``home`` with three splits and ``away`` without, two reals and two fakes in each; a video without a face."""
    folder = tmp_path_factory.mktemp("two corpora")
    photo = portrait()
    face = build_detector(ExtractSettings()).detect(photo)[0]
    frames = np.stack(list(animate(photo, face, seed=3, num_frames=12, frame_rate=25, side=240)))
    checks = (np.indices((240, 240)).sum(0) // 4 % 2 * 8)[None, ..., None]
    places = ["home/train", "home/validation", "home/test", "away"]
    for number, place in enumerate(places):
        for label in ("real", "fake"):
            for copy in range(2):
                shade = frames.astype(int) + 4 * number + 2 * copy + (checks if label == "fake" else 0)
                below = "blend" if label == "fake" else ""
                path = folder / place / label / below / f"{copy}.mp4"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_video(path, np.clip(shade, 0, 255).astype(np.uint8), frame_rate=25)
    write_video(folder / "away" / "real" / "sky.mp4", np.full((8, 64, 64, 3), 200, np.uint8), frame_rate=25)
    (folder / "protocol.toml").write_text(PROTOCOL)
    return folder


@pytest.fixture
def arguments(corpora: Path, tmp_path: Path) -> list[str]:
    return [
        str(tmp_path / "all of it"), f"folder:home={corpora / 'home'}", f"folder:away={corpora / 'away'}",
        "--protocol", str(corpora / "protocol.toml"), "--workers", "1", "--resamples", "20",
    ]  # fmt: skip


def report_of(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "report" / "report.json").read_text())
    return found


def test_a_given_detector_is_measured_once(
    tool: ModuleType, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = Path(arguments[0])
    theirs = tmp_path / "theirs.csv"
    names = [f"away/{place}.mp4" for place in ("real/0", "real/1", "real/sky", "fake/blend/0", "fake/blend/1")]
    theirs.write_text("video_id,score\n" + "".join(f"{name},{i}\n" for i, name in enumerate(names)))
    arguments += ["--checkpoint", str(write_checkpoint(tmp_path)), "--scores", f"far:their detector={theirs}"]
    arguments += ["--corrupt", "GB:1"]
    assert tool.main(arguments) == 0, capsys.readouterr().err
    assert "test set elsewhere skipped: no manifest of nowhere" in capsys.readouterr().err

    report = report_of(out)
    assert [(r["detector"], r["dataset"]) for r in report["results"]] == [
        ("untrained", "near"), ("untrained", "far"), ("their detector", "far"),
    ]  # fmt: skip
    near, far, foreign = (r["sections"][0] for r in report["results"])
    assert [level["coverage"]["num_videos"] for level in (near["levels"][-1], far["levels"][-1])] == [4, 5]
    assert far["levels"][-1]["coverage"]["reasons"] == {"no_face": 1}
    assert foreign["levels"][-1]["figures"]["auc"]["value"] == 1.0
    assert [(c["dataset"], c["detector"]) for c in report["comparisons"]] == [("far", "their detector")]
    assert [(p["dataset"], p["severity"]) for p in report["corruptions"]] == [
        ("near", 0), ("near", 1), ("far", 0), ("far", 1),
    ]  # fmt: skip
    for dataset, found in (("near", near), ("far", far)):
        (kept,) = (out / "work" / "scores").glob(f"untrained-{dataset}-[0-9a-f]*.jsonl")
        assert video_auc(ScoreTable.read(kept)) == found["levels"][-1]["figures"]["auc"]["value"]
    protocol = json.loads((out / "protocol.json").read_text())
    assert report["protocol"]["hash"] == protocol["hash"]
    assert {role: counts["videos"] for role, counts in protocol["roles"].items()} == {
        "train": 4, "validation": 4, "test/near": 4, "test/far": 5,
    }  # fmt: skip
    assert protocol["skipped"] == {"elsewhere": "no manifest of nowhere"}
    assert shlex.split(report["command"][0]) == ["tools/cross_dataset", *arguments]
    assert (out / "report" / "report.html").stat().st_size > 10_000
    assert not (out / "runs").exists()

    before = {path: path.stat().st_mtime_ns for path in (out / "work" / "scores").iterdir()}
    monkeypatch.setattr("vidfake.evaluate.scoring.predict", None)
    assert tool.main(arguments) == 0, capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in (out / "work" / "scores").iterdir()}
    again = report_of(out)
    assert {**again, "created": ""} == {**report, "created": ""}


def test_a_detector_is_trained_on_the_way(
    tool: ModuleType, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = Path(arguments[0])
    (tmp_path / "config.toml").write_text(to_toml(toy_config(Path("unused"), Path("unused"))))
    arguments += ["--config", str(tmp_path / "config.toml"), "--set", "optim.epochs=1", "--test", "near"]
    assert tool.main(arguments) == 0, capsys.readouterr().err
    report = report_of(out)
    (result,) = report["results"]
    assert (result["detector"], result["dataset"], result["role"]) == ("toy", "near", "in-dataset")
    assert result["sections"][0]["levels"][-1]["coverage"]["num_scored"] == 4
    assert (out / "runs" / "toy" / "best.vidfake").is_dir()

    monkeypatch.setattr(tool, "train_run", None)
    assert tool.main(arguments) == 0, capsys.readouterr().err
    assert report_of(out)["results"] == report["results"]
    assert tool.main([*arguments, "--set", "optim.epochs=2"]) == 2
    assert "trained with other settings than this command asks for" in capsys.readouterr().err
    fewer = tmp_path / "fewer.toml"
    fewer.write_text(PROTOCOL.replace('"home"\nsplits = ["train"]', '"away"'))
    assert tool.main([*arguments, "--protocol", str(fewer)]) == 2
    assert "trained with other rows than this command asks for" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["OUT"], "No dataset was given"),
        (["OUT", "/data/ffpp"], "is not NAME=ROOT"),
        (["OUT", "folder=/a", "folder=/b"], "two roots are called 'folder'"),
        (["OUT", "nosuch=/a"], "nosuch"),
        (["OUT", "celebdf-v2:mine=/a"], "celebdf-v2"),
        (["OUT", "folder=/a", "--corrupt", "blurr"], "blurr"),
    ],
)
def test_what_is_refused(
    tool: ModuleType, changes: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main([text.replace("OUT", str(tmp_path / "out")) for text in changes]) == 2
    assert words in capsys.readouterr().err
