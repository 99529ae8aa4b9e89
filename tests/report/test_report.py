"""The report: complete, self-contained, safe with hostile names, and opened in a real browser."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from pages import HIDDEN, Page, browse, markdown_tables

from vidfake.metrics.calibration import fit_calibration
from vidfake.metrics.comparison import compare
from vidfake.metrics.pooling import pool_video
from vidfake.metrics.pooling_study import pooling_study
from vidfake.metrics.results import Figure
from vidfake.metrics.sections import Resampling
from vidfake.metrics.summary import summarise
from vidfake.metrics.threshold import choose_threshold
from vidfake.report import CorruptionPoint, EvaluationResult, Media, ScoreRows, build_report
from vidfake.scores import ScoreTable

HOSTILE = '"><script>document.title="owned"</script><img src=x onerror=alert(1)>\u202e\x07\u200b|`=1+1'
FEW = Resampling(num_resamples=60)


def make_table(seed: int, name: str, gain: float = 1.0) -> ScoreTable:
    """30 sources of a real, a paired fake and another fake; a hostile name, manipulation and source among them."""
    rng = np.random.default_rng(seed)
    n, method = 90, np.arange(90) % 3
    label = (method > 0).astype(int)
    ok = np.arange(n) != 4
    scored = np.flatnonzero(ok)
    per_video = gain * label + rng.normal(0, 0.6, n)
    ids = [f"set/{i:03d}.mp4" for i in range(n)]
    ids[0] = ids[0] + HOSTILE
    per_video[0] = 9.0  # a real that is the worst error
    frames, clips = np.repeat(scored, 4), np.repeat(scored, 2)
    return ScoreTable(
        video_id=ids,
        label=label,
        manipulation=np.array(["none", "swap", f"talk{HOSTILE}"], object)[method],
        source_id=[f"=s{i // 3}" for i in range(n)],
        pair_id=[f"p{i // 3}" if i % 3 < 2 else "" for i in range(n)],
        status=np.where(ok, "ok", "no_face"),
        frame_video=frames,
        frame_score=per_video[frames] + rng.normal(0, 0.5, len(frames)),
        clip_video=clips,
        clip_start_seconds=np.tile([0.0, 62.5], len(scored)),
        clip_score=per_video[clips] + rng.normal(0, 0.2, len(clips)),
        detector=name,
    )


def jpeg() -> bytes:
    return cv2.imencode(".jpg", np.full((64, 64, 3), 128, np.uint8))[1].tobytes()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    validation, table, other = make_table(1, "ours"), make_table(2, "ours"), make_table(2, f"theirs {HOSTILE}", 0.5)
    scores = pool_video(validation)
    known = ~np.isnan(scores)
    chosen = choose_threshold(scores[known], validation.label[known])
    calibration = fit_calibration(scores[known], validation.label[known], "isotonic")
    results = [
        summarise(
            table,
            dataset=f"set {HOSTILE}",
            threshold=chosen,
            calibration=calibration,
            role="cross-dataset",
            how=FEW,
        ),
        summarise(other, dataset="set", how=FEW),
        summarise(table.select(table.label == 0), dataset="reals only", how=FEW),
    ]
    auc = results[0].headline()
    corruptions = [
        CorruptionPoint("ours", "set", kind, severity, HOSTILE, auc, 1.0)
        for kind, severity in (("clean", 0), ("blur", 1), ("blur", 2), ("noise", 1))
    ]
    corruptions.append(CorruptionPoint("ours", "set", "noise", 2, "", Figure(None, reason="nothing scored"), 0.0))
    worst = results[0].worst[0]
    evaluation = EvaluationResult(
        f"Evaluation {HOSTILE}",
        tuple(results),
        created="2025-01-01",
        comparisons=compare({"ours": table, "theirs": other}, "theirs", margin=0.01, how=FEW, dataset="set"),
        corruptions=tuple(corruptions),
        pooling=pooling_study(validation, table),
        protocol={"train": HOSTILE},
        data={"set": {"SHA-256": "ab" * 32}},
        environment={"python": "3"},
        command=(f"vidfake evaluate '{HOSTILE}'",),
        notes=(HOSTILE,),
    )
    media = {(results[0].dataset, worst.video_id): Media(jpeg(), Path("/videos/a b#c.mp4"))}
    rows = [ScoreRows.of(table, dataset="set", calibration=calibration), ScoreRows.of(other, dataset="set")]
    return build_report(evaluation, tmp_path_factory.mktemp("report"), scores=rows, media=media)


def test_the_page_needs_nothing_outside_and_runs_nothing(report: Path) -> None:
    page = Page(report.read_text(encoding="utf-8"))
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "iframe", "object", "embed", "link", "base", "form"}
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes), f"<{tag}> has a handler"
        assert not set(attributes) & {"srcset", "action", "formaction", "data"}
        if tag == "img":
            assert attributes["src"].startswith("data:image/jpeg;base64,")
        if "href" in attributes:
            assert attributes["href"].startswith(("#", "file:///"))
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "url(" not in report.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["report.html", "report.md", "scores.csv"])
def test_no_control_or_direction_character_survives(report: Path, name: str) -> None:
    text = report.with_name(name).read_text(encoding="utf-8")
    assert not HIDDEN.search(text)
    assert "\ufffd" in text, "they are replaced, visibly"


def test_hostile_names_are_shown_as_text(report: Path) -> None:
    page = Page(report.read_text(encoding="utf-8"))
    assert '<script>document.title="owned"</script>' in page.text
    markdown = report.with_name("report.md").read_text(encoding="utf-8")
    body = "\n".join(line for line in markdown.splitlines() if not line.startswith("    "))
    assert "<script" not in body.replace("\\<script", "")
    assert len(markdown_tables(body)) > 10


def test_the_headline_is_there_with_intervals_and_coverage(report: Path) -> None:
    page = Page(report.read_text(encoding="utf-8"))
    for words in (
        "Frame-level", "Frames averaged", "Clip-level", "Video-level", "Pairs only", "Coverage", "98.9 %",
        "Paired difference in AUC", "ROC", "DET", "Score distributions", "Reliability", "Worst errors", "1:02.5",
        "Videos without a score", "DeepfakeBench", "Detectors compared", "Holm", "Corruptions", "Pooling",
        "Data and protocol", "ab" * 32, "Reproduce", "vidfake evaluate", "cross-dataset", "At the threshold chosen",
    ):  # fmt: skip
        assert words in page.text, words
    found = json.loads(report.with_name("report.json").read_text(encoding="utf-8"))
    auc = next(row for row in found["results"][0]["sections"][0]["levels"] if row["level"] == "video")["figures"][
        "auc"
    ]
    shown = f"{auc['value']:.3f}[{auc['interval']['low']:.3f}, {auc['interval']['high']:.3f}]"
    assert shown in page.text.replace("\n", "")
    assert (found["format"], found["version"]) == ("vidfake-report", 1)


def test_what_does_not_exist_is_a_dash_with_its_reason(report: Path) -> None:
    page = Page(report.read_text(encoding="utf-8"))
    reasons = [a.get("title", "") for tag, a in page.tags if tag == "span" and a.get("class") == "blank"]
    assert any("needs 500 real videos" in reason for reason in reasons)
    assert "No level has scores of both real and fake videos here." in page.text
    assert "nan" not in re.sub(r"base64,\S+", "", page.text.lower()).split()


def test_scores_csv_is_complete_and_no_formula(report: Path) -> None:
    with open(report.with_name("scores.csv"), encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 180
    table = make_table(2, "ours")
    scores = pool_video(table)
    for i in (0, 1, 4, 89):
        assert rows[i]["label"] == str(table.label[i])
        assert rows[i]["status"] == table.status[i]
        assert (float(rows[i]["video_score"]) if rows[i]["video_score"] else np.nan) == pytest.approx(
            scores[i], nan_ok=True, abs=0
        )
        assert rows[i]["source_id"].startswith("'=")
    assert (rows[0]["num_clips"], rows[0]["num_frames"], rows[4]["num_clips"]) == ("2", "4", "0")
    assert 0 < float(rows[0]["probability"]) < 1
    assert rows[90]["probability"] == ""
    assert float(rows[1]["video_score"]) == scores[1], "numbers come back exactly"
    text_cells = [row[name] for row in rows for name in ("detector", "video_id", "manipulation", "source_id")]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in text_cells)


def test_equal_evaluations_give_equal_bytes(tmp_path: Path) -> None:
    table = make_table(3, "ours")
    pages = []
    for name in ("a", "b"):
        evaluation = EvaluationResult("t", (summarise(table, dataset="d", how=FEW),))
        build_report(evaluation, tmp_path / name, scores=[ScoreRows.of(table, dataset="d")])
        pages.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
    assert pages[0] == pages[1]
    assert set(pages[0]) == {"report.html", "report.md", "report.json", "scores.csv"}


@pytest.mark.parametrize("thumbnail", [b"<svg onload=alert(1)>", b"\xff\xd8\xff" + bytes(300_000), b""])
def test_a_thumbnail_must_be_a_small_jpeg(tmp_path: Path, thumbnail: bytes) -> None:
    table = make_table(3, "ours")
    result = summarise(table, dataset="d", how=FEW)
    media = {("d", result.worst[0].video_id): Media(thumbnail)}
    with pytest.raises(ValueError, match="must be a JPEG"):
        build_report(EvaluationResult("t", (result,)), tmp_path, media=media)
    assert not (tmp_path / "report.html").exists()


def test_scores_without_clips_and_an_empty_evaluation_are_reported(tmp_path: Path) -> None:
    table = make_table(3, "ours")
    videos = ScoreTable(video_id=table.video_id, label=table.label, video_score=np.arange(90.0), detector="d")
    result = summarise(videos, dataset="d", how=replace(FEW, num_resamples=0))
    page = build_report(EvaluationResult("t", (result,)), tmp_path / "one").read_text(encoding="utf-8")
    assert "No intervals were asked for." in page
    assert build_report(EvaluationResult("t", ()), tmp_path / "none").exists()


def test_a_real_browser_opens_the_page(report: Path, tmp_path: Path) -> None:
    profile, picture = tmp_path / "profile", tmp_path / "page.png"
    browse(report, profile, "--window-size=1240,2400", f"--screenshot={picture}")
    image = cv2.imread(str(picture))
    assert image.shape[:2] == (2400, 1240)
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 100, "something is drawn"
    blue = (image[..., 0].astype(int) - image[..., 2]) > 60
    assert blue.sum() > 500, "curves are drawn in their colours"
    assert (image[:, -60:] == 255).all(), "nothing runs out of the page to the right"
    dumped = browse(report, profile, "--dump-dom")
    assert not any(tag == "script" for tag, _ in Page(dumped).tags)
    assert "<title>owned" not in dumped, "nothing in the page ran"
