"""The word `default` at the command line, the card in results, and the way from a report into the card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest
from commands import face_video, run

from vidfake.default.card import read_card
from vidfake.errors import UsageError
from vidfake.inference.result import schema

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return face_video(tmp_path_factory.mktemp("videos") / "face.mp4", frames=20)


def test_score_uses_it_and_says_so(capsys: Capture, monkeypatch: Patch, default: Path, video: Path) -> None:
    done = run(capsys, monkeypatch, "score", video, "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    jsonschema.validate(result, schema())
    card = read_card(default)
    assert card is not None
    assert result["model"]["card"] == card.short()
    assert result["model"]["sha256"] == card.weights.sha256
    assert result["thresholds"]["likely_fake"] == 0.5
    named = run(capsys, monkeypatch, "score", video, "--json", "--checkpoint", "default")
    assert json.loads(named.out)["tracks"] == result["tracks"]
    people = run(capsys, monkeypatch, "score", video)
    assert f"SHA-256 {card.weights.sha256}" in people.err
    assert "vidfake card" in people.err


def test_the_environment_comes_first(
    capsys: Capture, monkeypatch: Patch, default: Path, trained: Path, video: Path
) -> None:
    monkeypatch.setenv("VIDFAKE_CHECKPOINT", str(trained))
    result = json.loads(run(capsys, monkeypatch, "score", video, "--json").out)
    assert result["model"]["card"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("score", "x.mp4"), "No detector was named"),
        (("card",), "No detector was named"),
        (("score", "x.mp4", "--checkpoint", "default"), "none ships with this version"),
        (("tracks", "VIDEO", "--out", "t.mp4", "--checkpoint", "default"), "none ships with this version"),
        (("evaluate", "default", "HOME"), "none ships with this version"),
    ],
)
def test_without_one_it_is_a_clear_error(
    capsys: Capture, monkeypatch: Patch, home: Path, video: Path, arguments: tuple[str, ...], words: str
) -> None:
    known = {"HOME": home, "VIDEO": video}
    done = run(capsys, monkeypatch, *[known.get(word, word) for word in arguments])
    assert done.code == 2
    assert words in done.err


def test_a_folder_called_default_is_not_taken_silently(
    capsys: Capture, monkeypatch: Patch, default: Path, home: Path, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(default, tmp_path / "default")
    done = run(capsys, monkeypatch, "evaluate", "default", home)
    assert done.code == 2
    assert str(tmp_path / "default") in done.err


def test_tracks_draws_its_scores(
    capsys: Capture, monkeypatch: Patch, default: Path, video: Path, tmp_path: Path
) -> None:
    done = run(capsys, monkeypatch, "tracks", video, "--out", tmp_path / "t.mp4", "--checkpoint", "default")
    assert done.code == 0, done.err
    assert (tmp_path / "t.mp4").stat().st_size > 0


def test_evaluate_then_the_card_has_the_figures(
    capsys: Capture,
    monkeypatch: Patch,
    default: Path,
    trained: Path,
    home: Path,
    tmp_path: Path,
    ship_tool: ModuleType,
) -> None:
    out = tmp_path / "evaluation"
    options = ("--out", out, "--resamples", 50, "--workers", 1)
    done = run(capsys, monkeypatch, "evaluate", "default", home, *options)
    assert done.code == 0, done.err
    copy = tmp_path / "detector.vidfake"
    shutil.copytree(default, copy)
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n<!-- card -->\nprevious card\n<!-- /card -->\n\nAfter.\n")
    assert ship_tool.main(["--out", str(copy), "--report", str(out / "report.json"), "--docs", str(page)]) == 0
    report = json.loads((out / "report.json").read_text())
    (result,) = report["results"]
    card = read_card(copy)
    assert card is not None
    auc = {level["level"]: level["figures"]["auc"]["value"] for level in result["sections"][0]["levels"]}
    assert {m.level: m.auc for m in card.measured if m.rows == "all"} == auc
    assert set(auc) == {"frame", "frames_averaged", "clip", "video"}
    reals = next(v for v in card.verdicts if (v.by, v.truth) == ("all", "real"))
    assert reals.num_videos == 6
    assert reals.likely_fake + reals.inconclusive + reals.likely_real + reals.no_score == 6
    assert any(p.by == "face brightness" for p in card.parts)
    assert card.measured_with == ("vidfake evaluate default home --out evaluation --resamples 50 --workers 1",)
    text = page.read_text()
    assert text.startswith("# Page")
    assert text.endswith("After.\n")
    assert "previous card" not in text
    assert "on anything but toys" in text
    monkeypatch.setattr("vidfake.default.shipped.FOLDER", copy)
    shown = run(capsys, monkeypatch, "card")
    assert shown.out.strip() in text
    plain = json.loads(run(capsys, monkeypatch, "card", "--json").out)
    assert plain["weights"]["sha256"] == card.weights.sha256
    again = ship_tool.run(trained, copy)
    assert again.measured == card.measured, "the same weights keep their figures"
    quick = report | {"protocol": report["protocol"] | {"profile": "fast"}}
    (tmp_path / "quick.json").write_text(json.dumps(quick))
    with pytest.raises(UsageError, match="made with the profile 'fast'"):
        ship_tool.run(trained, copy, reports=[tmp_path / "quick.json"])
    report["results"][0]["facts"]["detector sha256"] = "0" * 64
    (tmp_path / "other.json").write_text(json.dumps(report))
    with pytest.raises(UsageError, match="no result of the shipped weights"):
        ship_tool.run(trained, copy, reports=[tmp_path / "other.json"])
    assert read_card(copy) == again, "and a wrong report takes none away"


def test_a_report_of_other_weights_is_refused(default: Path, tmp_path: Path, ship_tool: ModuleType) -> None:
    copy = tmp_path / "detector.vidfake"
    shutil.copytree(default, copy)
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"format": "vidfake-report", "results": [{"facts": {"detector sha256": "0" * 64}}]}))
    with pytest.raises(UsageError, match="no result of the shipped weights"):
        ship_tool.run(None, copy, reports=[path])
    with pytest.raises(UsageError, match="no card there to renew"):
        ship_tool.run(None, tmp_path / "nowhere")
