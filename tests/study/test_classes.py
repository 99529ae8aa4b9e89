"""Class scores of videos: kept, read back, and resampled into intervals of macro-F1 and recall."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_study
from made_studies import make_study, planted_classes
from sklearn.metrics import f1_score, recall_score

from vidfake.errors import StoreError, UndefinedMetricError
from vidfake.metrics.bootstrap import Clusters
from vidfake.study.analysis import StudyAnalysis, analyse
from vidfake.study.analysis_classes import MACRO, RECALL, ClassCalls, class_samples
from vidfake.study.analysis_words import conclusions, limits
from vidfake.study.classes import ClassScores
from vidfake.study.report import build_study_report
from vidfake.study.results import StudyFolder
from vidfake.study.run import run_study


def calls(*, seed: int = 0, sources: int = 9, rare: int = 2) -> ClassCalls:
    """Two arms under two seeds; class c only of some sources, so that resamples differ in what they hold."""
    rng = np.random.default_rng(seed)
    of = [(s, c) for s in range(sources) for c in range(3) if c < 2 or s < rare]
    labels = np.array([c for _, c in of])
    called = np.where(rng.random((2, 2, len(of))) < 0.6, labels, rng.integers(0, 3, (2, 2, len(of))))
    names = tuple(f"s{s}" for s, _ in of)
    return ClassCalls("t", "", ("x", "y"), (1, 2), called, labels, names, tuple(map(str, of)), ("real", "a", "b"))


def test_resampled_figures_agree_with_drawing_the_videos_one_by_one() -> None:
    given = calls()
    found = class_samples(given, num_resamples=40)
    clusters = Clusters.of(given.sources, given.labels > 0)
    counts = np.concatenate([clusters.draw(b, 0) for b in range(3)])[:40]
    assert found[MACRO].num_clusters == 2, "sources of the rarest class"
    kept = 0
    for r, count in enumerate(counts):
        rows = np.repeat(np.arange(len(given.labels)), count[clusters.of_video])
        present = np.unique(given.labels[rows])
        for a, s in np.ndindex(2, 2):
            y, called = given.labels[rows], given.calls[a, s, rows]
            expected = f1_score(y, called, labels=present, average="macro", zero_division=0)
            assert found[MACRO].samples[a, s, r] == pytest.approx(expected, abs=1e-12)
            if 2 in present:
                recall = recall_score(y, called, labels=[2], average="macro")
                assert found[RECALL + "b"].samples[a, s, kept] == pytest.approx(recall, abs=1e-12)
        kept += 2 in present
    assert found[RECALL + "b"].samples.shape[2] == kept < 40, "some resample lacks the rare class"
    expected = f1_score(given.labels, given.calls[1, 0], average="macro")
    assert found[MACRO].points[1, 0] == pytest.approx(expected, abs=1e-12)


def test_a_class_of_one_source_has_no_interval() -> None:
    with pytest.raises(UndefinedMetricError, match="all videos of b come from one source"):
        class_samples(calls(rare=1), num_resamples=20)
    given = calls()
    alone = replace(given, labels=np.zeros_like(given.labels))
    with pytest.raises(UndefinedMetricError, match="1 of the 3 classes"):
        class_samples(alone, num_resamples=20)


def test_scores_are_read_back_and_damage_is_told(tmp_path: Path) -> None:
    made = planted_classes(2.0, np.random.default_rng(0), sources=5, test="té")
    path, again = tmp_path / "a.npz", tmp_path / "b.npz"
    made.write(path)
    made.write(again)
    assert path.read_bytes() == again.read_bytes()
    read = ClassScores.read(path)
    assert (read.video_ids, read.sources, read.class_names) == (made.video_ids, made.sources, made.class_names)
    assert all(np.array_equal(read.scores[n], made.scores[n]) for n in made.scores)
    assert read.figures() == made.figures()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StoreError, match="Remove this run's"):
        ClassScores.read(path)
    with pytest.raises(StoreError, match="damaged"):
        ClassScores.read(tmp_path / "none.npz")


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> StudyAnalysis:
    gains = {"softmax": 1.0, "twin": 1.0, "better": 2.5}
    made = make_study(
        tmp_path_factory.mktemp("made"),
        gains,
        tasks=("manipulation",),
        clones={"twin": "softmax"},
        seeds=6,
        trials=2,
    )
    return analyse(made, table_only=True, num_resamples=400)


def test_macro_f1_has_an_interval_and_an_effect(analysed: StudyAnalysis) -> None:
    (task,) = analysed.tasks
    rows = task.classes["known"].figures
    effects = {arm: row[MACRO].effect for arm, row in rows.items()}
    assert effects["softmax"] is None
    twin, better = effects["twin"], effects["better"]
    assert twin is not None
    assert better is not None
    assert twin.interval is not None
    assert better.interval is not None
    assert (twin.difference, twin.interval.low, twin.interval.high) == (0, 0, 0)
    assert better.interval.low > 0
    assert better.delong_p is None, "a test of AUC only"
    for row in rows.values():
        for figure in row.values():
            assert figure.interval is not None
            assert figure.interval.low < figure.value.value < figure.interval.high
    records = analysed.runs.final["manipulation", "better"]
    mean = np.mean([r.attribution["known"]["macro_f1"] for r in records])
    assert rows["better"][MACRO].value.value == pytest.approx(mean, abs=1e-12)
    assert "for 1 of 2 losses above it" in " ".join(conclusions(analysed, task))
    assert "Macro-F1" not in " ".join(limits(analysed))


def test_every_form_of_the_report_has_the_intervals(analysed: StudyAnalysis, tmp_path: Path) -> None:
    page = build_study_report(analysed.runs.folder, tmp_path, num_resamples=100)
    with open(tmp_path / "classes.csv", encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {r["figure"] for r in rows} == {
        "macro_f1", "prototype_macro_f1", "recall of real", "recall of a", "recall of b",
    }  # fmt: skip
    assert all(float(r["low"]) < float(r["value"]) < float(r["high"]) for r in rows)
    with open(tmp_path / "table.csv", encoding="utf-8", newline="") as handle:
        better = next(r for r in csv.DictReader(handle) if r["arm"] == "better")
    assert float(better["macro_f1_difference_low"]) > 0
    assert better["macro_f1_test"] == "known"
    assert "Recall of each class on" in (tmp_path / "report.md").read_text("utf-8")
    assert "macro-F1 on known" in (tmp_path / "table.tex").read_text("utf-8")
    assert "by prototypes [interval]" in page.read_text("utf-8")


def test_results_of_the_older_format_have_no_interval_and_the_report_says_so(tmp_path: Path) -> None:
    made = make_study(
        tmp_path / "study", {"softmax": 1.0, "twin": 1.0}, tasks=("manipulation",), seeds=2, class_scores=False
    )
    state = made.state()
    assert state.format == 1
    analysis = analyse(made, num_resamples=50)
    assert analysis.tasks[0].classes == {}
    assert "4 of 4 final runs has deviations over seeds only" in " ".join(limits(analysis))
    build_study_report(made, tmp_path / "out", num_resamples=50)
    assert not (tmp_path / "out" / "classes.csv").exists()
    made.write_state(replace(state, format=3))
    with pytest.raises(StoreError, match="formats 1 and 2"):
        made.state()


def test_a_run_keeps_the_scores_that_its_figures_are_of(store: Path, tmp_path: Path) -> None:
    study = toy_study.study(
        store, tasks=("manipulation",), losses=("softmax", "supcon"), trials=1, seeds=(1,)
    )  # fmt: skip
    run_study(study, tmp_path, workers=0)
    folder = StudyFolder(tmp_path)
    for arm, heads in (("softmax", {"head", "prototype"}), ("supcon", {"prototype"})):
        (record,) = folder.records("manipulation", arm, "final")
        assert record.status == "ok", record.reason
        path = folder.run_folder("manipulation", arm, "final") / record.classes["people"]
        kept = ClassScores.read(path)
        assert set(kept.scores) == heads
        assert kept.figures() == record.attribution["people"]
        table = folder.table(record, "people")
        assert sorted(kept.video_ids) == sorted(table.video_id)
        assert len(set(kept.sources)) == 6
        assert path.stat().st_size < 20_000
