"""Variants of the settings (aggregators) under each loss: paired effects, their mean over losses, every form."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from made_studies import make_study

from vidfake.study.analysis import StudyAnalysis, analyse
from vidfake.study.analysis_variants import Variants, control_variant
from vidfake.study.analysis_words import conclusions
from vidfake.study.definition import StudyDefinition, Variant
from vidfake.study.report import build_study_report

GAINS = {
    "softmax@mean": 1.0, "softmax@lstm": 1.0, "softmax@transformer": 2.2,
    "supcon@mean": 1.4, "supcon@lstm": 1.4, "supcon@transformer": 2.6,
}  # fmt: skip
CLONES = {"softmax@lstm": "softmax@mean", "supcon@lstm": "supcon@mean"}


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> StudyAnalysis:
    made = make_study(
        tmp_path_factory.mktemp("made"), GAINS, clones=CLONES, seeds=6, trials=1, control="softmax@mean",
        tests=("known",), failed_seeds={"supcon@transformer": (6,)},
    )  # fmt: skip
    return analyse(made, table_only=True, num_resamples=300)


def of(analysed: StudyAnalysis) -> Variants:
    found = analysed.tasks[0].variants
    assert found is not None
    return found


def test_each_variant_is_compared_with_the_control_variant_under_its_own_loss(analysed: StudyAnalysis) -> None:
    found = of(analysed)
    assert (found.control, found.names) == ("mean", ("mean", "lstm", "transformer"))
    same, larger = found.effects["supcon"]["lstm"], found.effects["supcon"]["transformer"]
    assert same.interval is not None
    assert (same.difference, same.interval.low, same.interval.high) == (0, 0, 0)
    assert larger.interval is not None
    assert larger.interval.low > 0
    assert larger.num_seeds == 5, "the failed seed is no pair"
    runs = analysed.runs
    gaps = [
        ours.tests["known"]["native"]["video_auc"] - theirs.tests["known"]["native"]["video_auc"]  # type: ignore[operator]
        for ours, theirs in zip(
            runs.finished("binary", "supcon@transformer"), runs.finished("binary", "supcon@mean")[:5], strict=True
        )
    ]
    assert larger.difference == pytest.approx(np.mean(gaps), abs=1e-12)
    assert larger.holm_p is None, "exploratory"


def test_the_effect_over_losses_is_the_mean_of_theirs_over_common_seeds(analysed: StudyAnalysis) -> None:
    found = of(analysed)
    assert found.averaged == ("softmax", "supcon")
    overall = found.overall["transformer"]
    assert overall.num_seeds == 5
    both = [
        np.mean([r.tests["known"]["native"]["video_auc"] for r in analysed.runs.finished("binary", arm)[:5]])
        for arm in ("softmax@transformer", "supcon@transformer", "softmax@mean", "supcon@mean")
    ]
    assert overall.difference == pytest.approx((both[0] + both[1] - both[2] - both[3]) / 2, abs=1e-12)
    assert overall.interval is not None
    assert overall.interval.low > 0
    assert found.overall["lstm"].difference == 0
    across, within = found.spread_over_variants(), found.spread_over_losses()
    assert across is not None
    assert within is not None
    assert across > within > 0
    words = " ".join(conclusions(analysed, analysed.tasks[0]))
    assert "transformer +0." in words
    assert "highest of 3 variants under one loss" in words


def test_every_form_of_the_report_has_the_table(analysed: StudyAnalysis, tmp_path: Path) -> None:
    page = build_study_report(analysed.runs.folder, tmp_path, num_resamples=50)
    with open(tmp_path / "variants.csv", encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 6 + 2, "losses by variants, and the means over losses"
    assert {r["difference"] for r in rows if r["variant"] == "mean"} == {""}
    assert rows[-1]["loss"] == "mean over losses"
    assert float(rows[-1]["low"]) > 0
    for name in ("report.md", "table.tex"):
        assert "transformer minus mean" in (tmp_path / name).read_text("utf-8")
    assert "Losses by variant" in page.read_text("utf-8")


def test_control_variant_is_named_by_the_control_or_the_first() -> None:
    variants = (Variant("a"), Variant("b"))
    assert control_variant(StudyDefinition(control="softmax@b", variants=variants)) == "b"
    assert control_variant(StudyDefinition(control="softmax", variants=variants)) == "a"
    assert control_variant(StudyDefinition()) == ""


def test_a_study_without_variants_has_no_such_table(tmp_path: Path) -> None:
    made = make_study(tmp_path / "study", {"softmax": 1.0, "cosface": 1.0}, seeds=2, trials=1, tests=("known",))
    assert analyse(made, table_only=True, num_resamples=20).tasks[0].variants is None
    build_study_report(made, tmp_path / "out", num_resamples=20)
    assert not (tmp_path / "out" / "variants.csv").exists()
