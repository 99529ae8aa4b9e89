"""`run_evaluation`, what `vidfake evaluate` does, on detectors that were trained: splits, pooling study, report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from vidfake.cli.evaluate import run_evaluation
from vidfake.errors import ProtocolError, UsageError
from vidfake.metrics.pooling_study import pooling_study
from vidfake.metrics.ranking import auc
from vidfake.scores import ScoreTable


def test_a_split_the_report_and_the_pooling_study(runs: Path, sets: Path, tmp_path: Path) -> None:
    inputs = [runs / "makers", f"two={runs / 'binary'}", sets / "away", sets / "home"]
    result = run_evaluation(inputs, out=tmp_path, splits=["test"], resamples=50, pooling=True)
    assert [(r.detector, r.dataset) for r in result.results] == [
        ("makers", "away"), ("makers", "home"), ("two", "away"), ("two", "home"),
    ]  # fmt: skip
    assert {r.sections[0].num_videos for r in result.results} == {15}
    assert len(result.comparisons) == 2

    validation = ScoreTable.read(runs / "makers" / "validation.jsonl")
    assert [row.way for row in result.pooling] == [row.way for row in pooling_study(validation)]
    chosen = [row for row in result.pooling if row.chosen]
    assert chosen == [result.pooling[0]]
    (kept,) = (tmp_path / "work" / "scores").glob("makers-away-*.jsonl")
    table = ScoreTable.read(kept)
    assert chosen[0].test_auc.value == auc(chosen[0].way.scores(table), table.label), "of the first set, that split"

    plain = json.loads((tmp_path / "report.json").read_text())
    assert plain["protocol"] == {"splits": "test", "read-out": "as selected in training", "profile": "balanced"}
    assert plain["results"][0]["open_set_auc"]["value"] == result.results[0].open_set_auc.value
    assert plain["data"]["away"]["videos"] == "15 (5 real, 10 fake)"
    page = (tmp_path / "report.html").read_text()
    assert "Detectors compared" in page
    assert "unseen" in page


def test_a_pooling_is_chosen_on_the_scores_of_that_detector_only(runs: Path, sets: Path, tmp_path: Path) -> None:
    data, out = sets / "away", tmp_path / "out"
    with pytest.raises(UsageError, match="those of 'binary' are of the read-out 'native', not 'knn'"):
        run_evaluation([runs / "binary", data], out=out, readout="knn", pooling=True)
    with pytest.raises(UsageError, match=r"last\.vidfake: no validation scores of these weights"):
        run_evaluation([runs / "binary" / "last.vidfake", data], out=out, pooling=True)
    shutil.copytree(runs / "binary" / "best.vidfake", tmp_path / "best.vidfake")
    with pytest.raises(UsageError, match="no validation scores of these weights"):
        run_evaluation([tmp_path / "best.vidfake", data], out=out, pooling=True)
    assert not out.exists(), "refused before anything is scored"


def test_what_was_trained_on_is_measured_when_asked_for(runs: Path, tmp_path: Path) -> None:
    inputs = [runs / "binary", runs / "store"]
    with pytest.raises(ProtocolError, match="--allow-overlap"):
        run_evaluation(inputs, out=tmp_path, splits=["validation"], resamples=0)
    result = run_evaluation(inputs, out=tmp_path, splits=["validation"], resamples=0, allow_overlap=True)
    assert len(result.notes) == 1
    for name in ("report.html", "report.md"):
        assert "these figures are not a test" in (tmp_path / name).read_text()


def test_a_clip_store_has_no_videos_to_damage(runs: Path, sets: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a clip store; corruptions need the videos"):
        run_evaluation([runs / "binary", sets / "away"], out=tmp_path / "out", corrupt=["GB:1"])
    assert not (tmp_path / "out").exists(), "refused before anything is scored"
