"""Statistics of a study: planted differences, identical losses, refusals, and independent oracles."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_studies import exclude, make_study
from sklearn.metrics import roc_auc_score

from vidfake.metrics.bootstrap import Clusters
from vidfake.scores import ScoreTable
from vidfake.study import analysis_bootstrap
from vidfake.study.analysis import StudyAnalysis, analyse, warnings_of
from vidfake.study.analysis_bootstrap import auc_samples, resamples_for
from vidfake.study.analysis_effects import comparisons_carried, family, judged, seeds_needed
from vidfake.study.analysis_ranks import independent_blocks, rank_ranges, ranking
from vidfake.study.analysis_runs import StudyRuns
from vidfake.study.analysis_scores import TableReader, TestScores
from vidfake.study.analysis_search import best_so_far
from vidfake.study.analysis_words import conclusions, limits
from vidfake.study.definition import stored_hash

GAINS = {"softmax": 1.0, "twin": 1.0, "third": 1.0, "cosface": 1.8, "broken": -0.5}
TWINS = {"twin": "softmax", "third": "softmax"}


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> StudyAnalysis:
    folder = make_study(
        tmp_path_factory.mktemp("made"),
        GAINS,
        clones=TWINS,
        failed_trials={"cosface": 3},
        failed_seeds={"broken": (2,)},
    )
    exclude(folder, "binary", "npair", "needs 3 classes")
    return analyse(folder)


def drawn(
    seed: int, *, arms: int = 4, seeds: int = 10, sources: int = 20, training: float = 0.3, gain: Any = 1.0
) -> TestScores:
    """Arms of one gain (or a gain each) whose runs differ by independent training noise only."""
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1, 1], sources)
    hard = rng.normal(0, 1, len(labels)) + np.repeat(rng.normal(0, 0.7, sources), 3)
    gains = np.broadcast_to(gain, arms)[:, None, None]
    scores = gains * labels + hard + training * rng.normal(0, 1, (arms, seeds, len(labels)))
    return TestScores(
        "t", "video", "", tuple(f"a{i}" for i in range(arms)), tuple(range(seeds)), scores, labels,
        tuple(f"s{i // 3}" for i in range(len(labels))), tuple(map(str, range(len(labels)))), 0,
    )  # fmt: skip


def test_planted_differences_are_found_and_identical_losses_are_equivalent(analysed: StudyAnalysis) -> None:
    (task,) = analysed.tasks
    assert task.family is not None
    verdicts = {e.arm: e.verdict for e in task.family.effects}
    assert verdicts == {"twin": "equivalent", "third": "equivalent", "cosface": "better", "broken": "worse"}
    twin = task.effect("twin")
    assert twin is not None
    assert twin.interval is not None
    assert (twin.difference, twin.interval.low, twin.interval.high, twin.p) == (0, 0, 0, 1)
    words = " ".join(conclusions(analysed, task))
    assert "cosface (+" in words
    assert "2 of 4 losses are equivalent" in words
    assert "No test is of another corpus" in " ".join(limits(analysed))


def test_failed_runs_are_counted_and_shown(analysed: StudyAnalysis) -> None:
    (task,) = analysed.tasks
    budgets = {b.arm: b for b in task.budgets}
    assert (budgets["cosface"].trials, budgets["cosface"].failed_trials) == (8, 3)
    assert budgets["cosface"].best_so_far[:3] == (None, None, None)
    assert budgets["broken"].failed_seeds == 1
    assert task.effect("broken").num_seeds == 9  # type: ignore[union-attr]
    assert budgets["cosface"].reasons == {"diverged: loss is NaN": 3}


def test_the_difference_is_the_mean_over_seeds_of_paired_differences(analysed: StudyAnalysis) -> None:
    folder, runs = analysed.runs.folder, analysed.runs
    gaps = []
    for ours, theirs in zip(runs.final["binary", "cosface"], runs.final["binary", "softmax"], strict=True):
        areas = []
        for record in (ours, theirs):
            table = folder.table(record, "known")
            score = [table.clip_score[table.clip_video == i].mean() for i in range(len(table))]
            areas.append(roc_auc_score(table.label, score))
        gaps.append(areas[0] - areas[1])
    effect = analysed.tasks[0].effect("cosface")
    assert effect is not None
    assert effect.difference == pytest.approx(np.mean(gaps), abs=1e-12)
    assert effect.seed_deviation == pytest.approx(np.std(gaps, ddof=1), abs=1e-12)


def test_too_few_seeds_refuse_claims_and_say_how_many_are_needed(tmp_path: Path) -> None:
    found = analyse(make_study(tmp_path, GAINS, seeds=5, clones=TWINS), table_only=True)
    task = found.tasks[0]
    assert task.family is not None
    assert {e.verdict for e in task.family.effects} == {"no claim"}
    assert all(e.holm_p is None and e.interval is not None for e in task.family.effects)
    assert "at least 8 seeds are needed" in conclusions(found, task)[0]


# both ends of each column of the table in docs/loss_study.md
BOUNDS = ((1, 6), (2, 7), (3, 7), (4, 8), (6, 8), (7, 9), (12, 9), (13, 10), (25, 10), (26, 11), (51, 11), (52, 12),
          (102, 12))  # fmt: skip


@pytest.mark.parametrize(("comparisons", "needed"), BOUNDS)
def test_seeds_needed(comparisons: int, needed: int) -> None:
    assert seeds_needed(comparisons, 0.05) == needed
    assert comparisons_carried(needed, 0.05) >= comparisons > comparisons_carried(needed - 1, 0.05)


def test_the_seeds_of_the_docs_are_those() -> None:
    page = (Path(__file__).parents[2] / "docs" / "loss_study.md").read_text("utf-8")
    header, row = (re.search(rf"(?m)^\| {name}.*$", page) for name in (r"comparisons \(alpha", "seeds needed"))
    assert header is not None
    assert row is not None
    ends = [int(n) for cell in header[0].split("|")[2:-1] for n in (cell.split("–") * 2)[:2]]
    seeds = [int(n) for n in row[0].split("|")[2:-1] for _ in range(2)]
    assert dict(zip(ends, seeds, strict=True)) == dict(BOUNDS)


@pytest.mark.parametrize("ties", [False, True])
def test_resampled_areas_agree_with_drawing_the_videos_one_by_one(ties: bool) -> None:
    scores = drawn(0, arms=2, seeds=2, sources=8)
    scores = replace(scores, scores=np.round(scores.scores) if ties else scores.scores)
    found = auc_samples(scores, num_resamples=20, seed=3)
    clusters = Clusters.of(scores.sources, scores.labels)
    counts = np.concatenate([clusters.draw(b, 3) for b in range(2)])[:20]
    for r, count in enumerate(counts):
        rows = np.repeat(np.arange(len(scores.labels)), count[clusters.of_video])
        for a in range(2):
            for s in range(2):
                expected = roc_auc_score(scores.labels[rows], scores.scores[a, s, rows])
                assert found.samples[a, s, r] == pytest.approx(expected, abs=1e-12)


def test_many_clusters_take_the_other_way_to_the_same_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = drawn(1, arms=2, seeds=2)
    quick = auc_samples(scores, num_resamples=40)
    monkeypatch.setattr(analysis_bootstrap, "MOST_CLUSTERS", 0)
    assert np.array_equal(auc_samples(scores, num_resamples=40).samples, quick.samples)


def test_the_interval_is_that_of_a_plain_hierarchical_bootstrap() -> None:
    """Oracle: resample seeds, then sources, in two loops, each spread corrected for the number it came from."""
    scores = drawn(2, arms=2, seeds=10, sources=30, gain=np.array([1.0, 1.4]))
    found = family("t", auc_samples(scores, num_resamples=2000), {"a1": "a0"}, alpha=0.05, margin=0.01)
    rng = np.random.default_rng(5)
    reals, fakes = scores.labels == 0, scores.labels == 1
    source = np.array([int(s[1:]) for s in scores.sources])
    draws = []
    for _ in range(1500):
        seeds = rng.integers(0, 10, 10)
        weight = np.bincount(rng.integers(0, 30, 30), minlength=30)[source]
        areas = []
        for a in (0, 1):
            wins = scores.scores[a][:, None, fakes] > scores.scores[a][:, reals, None]
            pairs = weight[reals][:, None] * weight[fakes][None]
            areas.append((wins * pairs).sum(axis=(1, 2)) / pairs.sum())
        draws.append((areas[1] - areas[0])[seeds].mean())
    assert found.effects[0].standard_error == pytest.approx(np.std(draws) * math.sqrt(10 / 9), rel=0.12)


def test_holm_over_what_was_declared_also_where_arms_failed() -> None:
    scores = drawn(3, arms=5, gain=np.array([1.0, 1.25, 1.2, 1.1, 1.0]), training=0.1)
    samples = auc_samples(scores, num_resamples=400)
    found = family("t", samples, {f"a{i}": "a0" for i in (1, 2, 3, 4)}, alpha=0.05, margin=0.01)
    p = sorted((e.p or 0.0, e.arm) for e in found.effects)
    expected: dict[str, float] = {}
    running = 0.0
    for i, (value, arm) in enumerate(p):
        running = max(running, min(1.0, value * (4 - i)))
        expected[arm] = running
    assert {e.arm: e.holm_p for e in found.effects} == pytest.approx(expected)
    assert p[0][0] * 10 == pytest.approx(min(e.holm_p or 1.0 for e in judged(found, 10).effects))


def test_enough_resamples_for_the_smallest_p_of_a_family() -> None:
    assert resamples_for(3, 0.05) == 2000
    assert 1 / (resamples_for(100, 0.05) + 1) < 0.05 / 100


def _false_claims(studies: int, resamples: int) -> tuple[int, int]:
    claims = equal = 0
    for i in range(studies):
        samples = auc_samples(drawn(100 + i, arms=3, seeds=10, training=0.3), num_resamples=resamples)
        found = family("t", samples, {"a1": "a0", "a2": "a0"}, alpha=0.05, margin=0.1)
        verdicts = [e.verdict for e in found.effects]
        claims += any(v in ("better", "worse", "different but within the margin") for v in verdicts)
        equal += verdicts.count("equivalent")
    return claims, equal


def test_three_alike_losses_are_seldom_called_different() -> None:
    claims, equal = _false_claims(40, 200)
    assert claims <= 5  # binomial(40, 0.05) exceeds 5 once in a hundred
    assert equal >= 70, "with a wide margin nearly all are equivalent"


@pytest.mark.slow
def test_three_alike_losses_keep_the_nominal_rate() -> None:
    claims, _ = _false_claims(400, 1000)
    print(f"{claims} of 400 studies of alike losses claim a difference")
    assert claims <= 31  # binomial(400, 0.05): mean 20, exceeded 1 % of the time


def test_the_quick_reader_agrees_with_the_full_one(analysed: StudyAnalysis, tmp_path: Path) -> None:
    runs, reader = analysed.runs, TableReader()
    for arm in ("softmax", "cosface"):
        for record in runs.finished("binary", arm)[:3]:
            path = runs.folder.run_folder("binary", arm, "final") / record.tables["known"]["native"]
            quick, full = reader.read(path), ScoreTable.read(path)
            for name in (
                "video_id",
                "label",
                "clip_video",
                "clip_score",
                "frame_video",
                "frame_score",
                "source_id",
            ):
                assert np.array_equal(getattr(quick, name), getattr(full, name)), name
            bare = reader.read(path, frames=False)
            assert len(bare.frame_score) == 0
            assert np.array_equal(bare.clip_score, full.clip_score)


def test_changes_and_broken_rules_are_said(tmp_path: Path) -> None:
    folder = make_study(tmp_path, {"softmax": 1.0, "other": 1.1}, seeds=3)
    state = folder.state()
    change = {"what": "study", "before": "aa", "after": "bb", "differing": ["equivalence_margin"]}
    store = {"what": "store", "before": "aa", "after": "bb", "differing": []}
    folder.write_state(replace(state, changes=[change, store], hash="0" * 64))
    record = folder.records("binary", "other", "final")[0]
    folder.write_record(replace(record, chosen_trial=99, marks=["code changed"], code_version="0.2"))
    folder.record_path("binary", "softmax", "search", 0).unlink()
    warnings = " ".join(analyse(folder, table_only=True).warnings)
    for words in (
        "The study file changed after the first run (equivalence_margin)", "The clip store changed",
        "edited by hand", "final runs are of trial 99", "1 of", "code changed", "different values of code_version",
        "budgets are not equal",
    ):  # fmt: skip
        assert words in warnings, words


def test_the_same_study_gives_the_same_analysis(analysed: StudyAnalysis) -> None:
    again = analyse(analysed.runs.folder)
    assert again.tasks[0].family == analysed.tasks[0].family
    assert again.tasks[0].ranks == analysed.tasks[0].ranks


def test_a_missing_control_is_said(tmp_path: Path) -> None:
    found = analyse(make_study(tmp_path, {"other": 1.0, "more": 1.1}, seeds=2), table_only=True)
    assert found.tasks[0].family is not None
    assert set(found.tasks[0].family.missing) == {"other", "more"}
    assert "no runs" in found.tasks[0].family.missing["other"]


def test_tests_that_share_sources_are_one_block() -> None:
    sources = {"a": ["x", "y"], "b": ["z"], "c": ["y", "w"], "d": ["z", "w"]}
    assert sorted(map(sorted, independent_blocks(sources))) == [["a", "b", "c", "d"]]
    assert len(independent_blocks({"a": ["x"], "b": ["y"]})) == 2
    figures = {t: {"p": 0.9, "q": 0.8, "r": 0.7} for t in ("a", "b")}
    assert isinstance(ranking(figures, [["a", "b"]]), str)
    assert not isinstance(ranking(figures, [["a"], ["b"]]), str)


def test_rank_ranges_hold_the_rank() -> None:
    rows = rank_ranges(auc_samples(drawn(4, gain=np.array([0.2, 1.0, 1.0, 3.0])), num_resamples=100))
    assert (rows[0].arm, rows[-1].arm) == ("a3", "a0")
    assert (rows[0].low, rows[0].high, rows[0].first_share) == (1, 1, 1)
    assert sum(r.first_share for r in rows) == pytest.approx(1)


def test_best_so_far_of_no_trial() -> None:
    assert best_so_far([]) == ()


def test_a_study_of_before_a_setting_was_added_was_not_edited(tmp_path: Path) -> None:
    made = make_study(tmp_path, {"softmax": 1.0, "twin": 1.0}, seeds=1, trials=1, tests=("known",), sources=3)
    state = made.state()
    older = {name: value for name, value in state.definition.items() if name != "reference_clips"}
    made.write_state(replace(state, definition=older, hash=stored_hash(older)))
    assert made.state().study.hash != made.state().hash
    assert "edited" not in " ".join(warnings_of(StudyRuns.read(made)))
