"""A verdict does not depend on luck: batch size, threads, sandbox, place in a batch, resumed or not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import commands
import pytest
import torch

from vidfake.inference import video as scoring
from vidfake.inference.batch import score_files
from vidfake.inference.load import LoadedDetector, load_detector
from vidfake.inference.video import score_video

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def detector(checkpoint: Path) -> LoadedDetector:
    return load_detector(checkpoint)


@pytest.fixture(scope="module")
def reference(detector: LoadedDetector, face_video: Path) -> dict[str, Any]:
    return score_video(face_video, detector, sandbox=False, threads=1).json


def judged(result: dict[str, Any]) -> dict[str, Any]:
    """What a verdict is made of: everything but where and how long."""
    return {name: result[name] for name in ("status", "decode", "tracks", "video", "thresholds", "model", "error")}


def figures(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [f for key in sorted(value) for f in figures(value[key])]
    if isinstance(value, list):
        return [f for item in value for f in figures(item)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def assert_same_verdict(one: dict[str, Any], two: dict[str, Any], tolerance: float = 0.0) -> None:
    """Bitwise, or every figure within `tolerance`."""
    if not tolerance:
        assert json.dumps(judged(one), sort_keys=True) == json.dumps(judged(two), sort_keys=True)
        return
    left, right = figures(judged(one)), figures(judged(two))
    assert len(left) == len(right) > 20
    assert max(abs(a - b) for a, b in zip(left, right, strict=True)) <= tolerance
    assert one["video"]["verdict"] == two["video"]["verdict"]


def test_the_scores_are_worth_comparing(reference: dict[str, Any]) -> None:
    scores = [f["score"] for t in reference["tracks"] for c in t["clips"] for f in c["frames"]]
    assert reference["status"] == "ok"
    assert max(scores) - min(scores) > 100 * TOLERANCE, "frames must differ, or equal scores prove nothing"


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_sandbox_and_decoder_threads(
    detector: LoadedDetector, face_video: Path, reference: dict[str, Any], threads: int
) -> None:
    assert_same_verdict(score_video(face_video, detector, threads=threads).json, reference)
    if threads != 1:
        assert_same_verdict(score_video(face_video, detector, threads=threads, sandbox=False).json, reference)


@pytest.mark.parametrize("clips", [2, 3, 64])
def test_batch_size(
    detector: LoadedDetector,
    face_video: Path,
    reference: dict[str, Any],
    clips: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scoring, "CPU_CLIPS", clips)
    assert_same_verdict(score_video(face_video, detector).json, reference, TOLERANCE)


def test_threads_of_the_detector(detector: LoadedDetector, face_video: Path, reference: dict[str, Any]) -> None:
    before = torch.get_num_threads()
    try:
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            assert_same_verdict(score_video(face_video, detector).json, reference, TOLERANCE)
    finally:
        torch.set_num_threads(before)


def test_position_in_a_batch_and_a_second_run(
    detector: LoadedDetector, face_video: Path, reference: dict[str, Any], tmp_path: Path
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    other = commands.empty_video(tmp_path / "other.mp4")
    copy = Path(shutil.copy(face_video, tmp_path / "copy.mp4"))
    orders = [[copy, other, text], [text, other, copy], [other, copy, text]]
    for number, order in enumerate(orders):
        out = tmp_path / f"out{number}"
        results = {
            s.result.json["input"]["path"]: s for s in score_files([str(p) for p in order], detector, out=out)
        }
        assert_same_verdict(results[str(copy)].result.json, reference)
        assert results[str(text)].result.status == "unreadable"
    again = list(score_files([str(copy)], detector, out=tmp_path / "out0"))
    assert again[0].resumed
    assert_same_verdict(again[0].result.json, reference)
    without = list(score_files([str(text), str(copy)], detector, sandbox=False))
    assert_same_verdict(without[1].result.json, reference)
