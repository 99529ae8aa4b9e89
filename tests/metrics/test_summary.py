"""From a score table to every figure about it: levels, differences, pairs, groups, policies, comparisons."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score

from vidfake.errors import UndefinedMetricError
from vidfake.files import dump_json
from vidfake.metrics.calibration import fit_calibration
from vidfake.metrics.comparison import compare, compare_where_defined, rank_detectors
from vidfake.metrics.levels import level_rows, score_levels, video_auc
from vidfake.metrics.pairs import pair_wins
from vidfake.metrics.pooling import frames_averaged, pool_video
from vidfake.metrics.pooling_study import pooling_study
from vidfake.metrics.ranking import auc, eer
from vidfake.metrics.results import DatasetResult, Figure, figure, to_plain
from vidfake.metrics.sections import Resampling
from vidfake.metrics.summary import summarise
from vidfake.metrics.threshold import at_threshold, choose_threshold
from vidfake.scores import ScoreTable
from vidfake.settings import ScoreSettings

FEW = Resampling(num_resamples=200)


def make_table(num_sources: int = 60, *, gain: float = 1.0, seed: int = 0, name: str = "toy") -> ScoreTable:
    """Per source one real and two fakes by two methods; each twelfth video has no face; pairs for `swap`."""
    rng = np.random.default_rng(seed)
    n = 3 * num_sources
    method = np.arange(n) % 3
    source = np.arange(n) // 3
    label = (method > 0).astype(int)
    per_video = gain * label + rng.normal(0, 0.3, num_sources)[source] + rng.normal(0, 0.5, n)
    ok = np.arange(n) % 12 != 5
    scored = np.flatnonzero(ok)
    frames, clips = np.repeat(scored, 6), np.repeat(scored, 2)
    names = np.array(["none", "swap", "talk"], dtype=object)
    return ScoreTable(
        video_id=[f"{names[m]}/{s:03d}{'_999' if m else ''}.mp4" for m, s in zip(method, source, strict=True)],
        label=label,
        manipulation=names[method],
        source_id=[f"s{s}" for s in source],
        pair_id=[f"p{s}" if m < 2 else "" for m, s in zip(method, source, strict=True)],
        dataset="toyset",
        compression=["c23" if s % 2 else "c40" for s in source],
        status=np.where(ok, "ok", "no_face"),
        attributes={
            "face_pixels": rng.uniform(40, 300, n),
            "quality": rng.random(n),
            "num_faces": 1 + np.arange(n) % 4,
        },
        frame_video=frames,
        frame_pts_seconds=np.tile(np.arange(6) / 25, len(scored)),
        frame_score=per_video[frames] + rng.normal(0, 1, len(frames)),
        clip_video=clips,
        clip_start_seconds=np.tile([0.0, 2.5], len(scored)),
        clip_score=per_video[clips] + rng.normal(0, 0.4, len(clips)),
        detector=name,
    )


@pytest.fixture(scope="module")
def table() -> ScoreTable:
    return make_table()


@pytest.fixture(scope="module")
def result(table: ScoreTable) -> DatasetResult:
    validation = make_table(80, seed=9)
    scores = pool_video(validation)
    known = ~np.isnan(scores)
    chosen = choose_threshold(scores[known], validation.label[known])
    calibration = fit_calibration(scores[known], validation.label[known])
    return summarise(table, threshold=chosen, calibration=calibration, role="cross-dataset", how=FEW)


def test_headline_has_every_level_with_interval_and_coverage(table: ScoreTable, result: DatasetResult) -> None:
    levels = {row.level: row for row in result.sections[0].levels}
    assert list(levels) == ["frame", "frames_averaged", "clip", "video"]
    for name, row in levels.items():
        rows = level_rows(table, name)
        found = row.figures["auc"]
        assert found.value == pytest.approx(auc(rows.scores, rows.labels))
        assert found.value in found.interval
        assert found.interval.num_clusters == 60
        assert row.coverage.share == pytest.approx(165 / 180)
        assert row.coverage.reasons == {"no_face": 15}
        assert (row.num_rows, row.num_videos) == (len(rows.scores), 165)
    assert levels["video"].figures["eer"].value == pytest.approx(eer(*_video(table)))
    assert levels["video"].figures["eer"].interval is not None
    assert levels["frame"].figures["eer"].interval is None, "frames have an interval for the AUC only"
    assert result.headline() == levels["video"].figures["auc"]
    assert (result.dataset, result.role, result.manipulations) == (
        "toyset",
        "cross-dataset",
        {"swap": 60, "talk": 60},
    )


def _video(table: ScoreTable) -> tuple[np.ndarray, np.ndarray]:
    rows = level_rows(table, "video")
    return rows.scores, rows.labels


def test_small_rates_are_blank_with_the_reason(result: DatasetResult) -> None:
    figures = result.sections[0].levels[0].figures
    assert figures["tpr_at_0.1"].value is not None
    assert figures["tpr_at_0.01"] == Figure(None, reason=figures["tpr_at_0.01"].reason)
    assert "needs 500 real videos, there are 60" in figures["tpr_at_0.01"].reason, "videos count, not frames"


def test_differences_are_paired_on_common_videos(table: ScoreTable, result: DatasetResult) -> None:
    gaps = {(d.first, d.second): d for d in result.sections[0].differences}
    assert set(gaps) == {
        ("video", "frames_averaged"), ("video", "clip"), ("video", "frame"), ("frames_averaged", "frame")
    }  # fmt: skip
    gap = gaps["frames_averaged", "frame"]
    rows = [level_rows(table, name) for name in ("frames_averaged", "frame")]
    assert gap.auc.value == pytest.approx(auc(rows[0].scores, rows[0].labels) - auc(rows[1].scores, rows[1].labels))
    assert gap.auc.interval.low > 0
    assert gap.p_value < 0.05
    assert gap.num_videos == 165


def test_levels_with_different_videos_are_compared_on_those_of_both(table: ScoreTable) -> None:
    has_clips = np.zeros(len(table), bool)
    has_clips[:120] = True
    keep = has_clips[table.clip_video]
    columns = ("clip_video", "clip_track", "clip_index", "clip_start_seconds", "clip_score", "clip_quality")
    fewer = replace(table, **{name: getattr(table, name)[keep] for name in columns})
    result = summarise(fewer, how=FEW)
    gap = next(d for d in result.sections[0].differences if (d.first, d.second) == ("video", "frames_averaged"))
    common = has_clips & (table.status == "ok")
    expected = [auc(s[common], table.label[common]) for s in (pool_video(fewer), frames_averaged(fewer))]
    assert gap.auc.value == pytest.approx(expected[0] - expected[1])
    assert gap.num_videos == 110
    assert gap.auc.value in gap.auc.interval
    shares = [row.coverage.share for row in result.sections[0].levels]
    assert shares == pytest.approx([165 / 180, 165 / 180, 110 / 180, 110 / 180])


def test_pairs_are_apart_from_all_rows(table: ScoreTable, result: DatasetResult) -> None:
    pairs = result.section("pairs")
    assert (pairs.num_videos, pairs.num_real, pairs.num_fake) == (120, 60, 60)
    scores = pool_video(table)
    wins = [
        float(scores[3 * s + 1] > scores[3 * s])
        for s in range(60)
        if not np.isnan(scores[[3 * s, 3 * s + 1]]).any()
    ]
    assert pairs.pair_wins.value == pytest.approx(np.mean(wins))
    assert pairs.pair_wins.interval.low < pairs.pair_wins.value
    none = pair_wins(table, np.full(len(table), np.nan), FEW)
    assert none.value is None
    assert "No pair" in none.reason


def test_details(table: ScoreTable, result: DatasetResult) -> None:
    groups = {(g.kind, g.name, g.against): g for g in result.groups}
    swap = groups["manipulation", "swap", "all reals"]
    scores = pool_video(table)
    keep = ~np.isnan(scores) & ((table.label == 0) | (table.manipulation == "swap"))
    assert swap.auc.value == pytest.approx(auc(scores[keep], table.label[keep]))
    assert swap.auc.interval is not None
    assert {kind for kind, _, _ in groups} == {
        "manipulation", "compression", "face size", "face quality", "faces at once"
    }  # fmt: skip
    known = ~np.isnan(scores)
    expected = at_threshold(scores[known], table.label[known], result.threshold.value)
    assert result.balanced_accuracy.value == expected.balanced_accuracy
    before, after = result.calibration
    assert (before.method, after.method) == ("none", "platt")
    assert after.log_loss.value < before.log_loss.value
    assert after.cllr_min.value == pytest.approx(before.cllr_min.value)
    assert sum(d.num_videos for d in result.distributions) == 165
    assert all(sum(d.counts) == d.num_videos for d in result.distributions)
    assert result.deepfakebench.num_merged == 45, "both methods' files share their names"


def test_every_headline_figure_under_every_policy(table: ScoreTable, result: DatasetResult) -> None:
    """Against the same figures of scores that were filled in by hand."""
    lost = np.isin(np.arange(180), [3, 4, 30, 61])
    fewer = without(table, lost)
    scores, limit = np.where(lost, np.nan, pool_video(table)), result.threshold.value
    low, high = min(np.nanmin(scores), limit) - 9, max(np.nanmax(scores), limit) + 9
    filled = {"exclude": np.nan, "as_real": low, "as_fake": high, "as_chance": 0.0}
    paired = np.arange(180) % 3 < 2
    whole = summarise(fewer, threshold=result.threshold, how=FEW)
    found = {(p.rows, p.policy): p for p in whole.policies}
    assert list(found) == [(rows, policy) for rows in ("all", "pairs") for policy in filled]
    for (rows, policy), figures in found.items():
        values = np.where(np.isnan(scores), filled[policy], scores)
        keep = ~np.isnan(values) & (paired | (rows == "all"))
        values, labels = values[keep], table.label[keep]
        assert figures.num_videos == len(values)
        assert figures.auc.value == pytest.approx(roc_auc_score(labels, values))
        assert figures.average_precision.value == pytest.approx(average_precision_score(labels, values))
        assert figures.eer.value == eer(values, labels)
        assert figures.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(labels, values >= limit))
    assert found["all", "exclude"].auc == Figure(whole.headline().value)
    assert found["all", "exclude"].balanced_accuracy == whole.balanced_accuracy
    assert {p.rows for p in result.policies} == {"all"}, "only videos outside the pairs have no score there"


def without(table: ScoreTable, lost: np.ndarray) -> ScoreTable:
    """The table with no scores of the marked videos."""
    columns: dict[str, object] = {"status": np.where(lost, "no_face", table.status)}
    for kind, index in (("frame", table.frame_video), ("clip", table.clip_video)):
        names = [name for name in vars(table) if name.startswith(f"{kind}_")]
        columns |= {name: getattr(table, name)[~lost[index]] for name in names}
    return replace(table, **columns)  # type: ignore[arg-type]


def test_policies_say_no_more_than_there_is(table: ScoreTable) -> None:
    whole = replace(table.select(table.status == "ok"), attributes={})
    assert summarise(whole, how=FEW).policies == ()
    assert {p.balanced_accuracy for p in summarise(table, how=FEW).policies} == {None}


@pytest.mark.parametrize(("value", "policy", "called"), [(-1e6, "as_real", "real"), (1e6, "as_fake", "fake")])
def test_a_policy_decides_whatever_the_threshold(table: ScoreTable, value: float, policy: str, called: str) -> None:
    """With a threshold beyond every score, the 15 videos without one, all fakes of 120, are decided otherwise."""
    chosen = choose_threshold(pool_video(table)[table.status == "ok"], table.label[table.status == "ok"])
    found = summarise(table, threshold=replace(chosen, value=value), how=FEW).policies
    (figures,) = (p for p in found if p.policy == policy)
    tpr, fpr = (15 / 120, 0.0) if called == "fake" else (105 / 120, 1.0)
    assert figures.balanced_accuracy.value == pytest.approx((tpr + 1 - fpr) / 2)


def test_worst_errors_lead_with_the_worst(table: ScoreTable, result: DatasetResult) -> None:
    reals = [w for w in result.worst if w.label == 0]
    fakes = [w for w in result.worst if w.label == 1]
    scores = pool_video(table)
    assert reals[0].score == np.nanmax(scores[table.label == 0])
    assert fakes[0].score == np.nanmin(scores[table.label == 1])
    assert [w.score for w in reals] == sorted((w.score for w in reals), reverse=True)
    of_fakes = scores[(table.label == 1) & ~np.isnan(scores)]
    assert reals[0].rank == pytest.approx((of_fakes < reals[0].score).mean())
    assert all(w.seconds in (0.0, 2.5) for w in result.worst)


def test_results_are_json(result: DatasetResult) -> None:
    plain = json.loads(dump_json(to_plain(result)))
    assert plain["sections"][0]["levels"][3]["figures"]["auc"]["interval"]["num_clusters"] == 60
    assert to_plain({"a": np.float64("nan"), 1: (np.int64(3), np.array([1.5]))}) == {"a": None, "1": [3, [1.5]]}


@pytest.mark.parametrize("label", [0, 1, -1])
def test_one_class_gives_blanks_with_reasons_never_numbers(table: ScoreTable, label: int) -> None:
    alone = replace(table.select(table.label == max(label, 0)), attributes={})
    if label < 0:
        alone = replace(alone, label=np.full(len(alone), -1))
    result = summarise(alone, how=FEW)
    assert result.sections[0].levels == ()
    assert "both real and fake" in result.sections[0].reason
    assert result.headline().value is None
    assert all((p.auc.value, p.eer.value) == (None, None) for p in result.policies)
    assert result.calibration[0].log_loss.value is None
    json.dumps(to_plain(result), allow_nan=False)


def test_one_source_has_figures_without_intervals(table: ScoreTable) -> None:
    one = replace(table, source_id=["x"] * len(table))
    result = summarise(one, how=FEW)
    found = result.headline()
    assert found.value is not None
    assert found.interval is None
    assert "1 source" in result.sections[0].reason


def test_scores_of_other_tools_need_no_clips(table: ScoreTable) -> None:
    videos = ScoreTable(
        video_id=table.video_id, label=table.label, source_id=table.source_id, video_score=np.arange(180.0) % 7
    )
    result = summarise(videos, how=FEW)
    assert [row.level for row in result.sections[0].levels] == ["video"]
    assert "the file's own" in result.notes[0]
    frames = replace(table.select(np.arange(180) < 90), clip_video=[], clip_track=None, clip_index=None,
                     clip_start_seconds=None, clip_score=[], clip_quality=None)  # fmt: skip
    result = summarise(frames, how=FEW)
    assert result.headline_level == "frames_averaged"
    assert result.headline().value is not None


def test_the_same_seed_gives_the_same_bytes(table: ScoreTable) -> None:
    first, second = (dump_json(to_plain(summarise(table, how=FEW))) for _ in range(2))
    assert first == second


def test_comparison_is_paired_and_adjusted(table: ScoreTable) -> None:
    better = replace(table, clip_score=table.clip_score + 2.0 * table.label[table.clip_video], detector="better")
    same = replace(table, clip_score=4 * table.clip_score)
    rows = compare({"control": table, "better": better, "same": same}, "control", margin=0.01, how=FEW)
    found = {row.detector: row for row in rows}
    assert found["better"].verdict == "better"
    assert found["better"].holm_p_value == min(1.0, 2 * found["better"].p_value)
    assert found["better"].delong_p_value < 1e-4
    assert (found["same"].difference.value, found["same"].p_value, found["same"].delong_p_value) == (0.0, 1.0, 1.0)
    assert (found["same"].difference.interval.low, found["same"].difference.interval.high) == (0.0, 0.0)
    assert found["same"].verdict == "equivalent"
    assert found["same"].num_videos == 165


def test_comparison_uses_the_videos_that_both_scored(table: ScoreTable) -> None:
    part = table.select(np.arange(180) < 90)
    row = compare({"all": table, "part": part}, "all", how=FEW)[0]
    assert row.num_videos == len(level_rows(part, "video").scores)
    assert row.difference.value == 0.0
    foreign = replace(part, video_id=[f"x{i}" for i in range(90)])
    with pytest.raises(UndefinedMetricError):
        compare({"all": table, "foreign": foreign}, "all", how=FEW)


def test_without_resamples_a_comparison_has_no_interval(table: ScoreTable) -> None:
    better = replace(table, clip_score=table.clip_score + 2.0 * table.label[table.clip_video])
    (row,) = compare({"all": table, "better": better}, "all", margin=0.01, how=Resampling(num_resamples=0))
    assert row.difference.value == row.auc_detector - row.auc_control > 0
    assert row.difference.interval is None
    assert "No intervals" in row.difference.reason
    assert (row.p_value, row.holm_p_value, row.verdict) == (None, None, None)
    assert row.delong_p_value < 1e-4, "this one takes no resamples"


def test_a_comparison_that_does_not_exist_leaves_the_others_their_family(table: ScoreTable) -> None:
    better = replace(table, clip_score=table.clip_score + 2.0 * table.label[table.clip_video])
    foreign = replace(table, video_id=[f"x{i}" for i in range(len(table))])
    found = compare_where_defined({"all": table, "foreign": foreign, "better": better}, "all", how=FEW)
    assert [row.detector for row in found.rows] == ["better"]
    assert found.rows[0].holm_p_value == found.rows[0].p_value, "a family of one"
    assert set(found.undefined) == {"foreign"}


def test_every_detector_is_pooled_its_own_way(table: ScoreTable) -> None:
    highest = ScoreSettings(track_pooling="max")
    (row,) = compare({"mean": table, "max": table}, "mean", settings={"max": highest}, how=FEW)
    assert row.auc_detector == video_auc(table, highest)
    assert row.auc_control == video_auc(table) != row.auc_detector


def result_of(detector: str, dataset: str, auc_value: float | None) -> DatasetResult:
    level = SimpleNamespace(level="video", figures={"auc": Figure(auc_value)})
    section = SimpleNamespace(name="all", levels=(level,), reason="")
    return DatasetResult(detector, dataset, "", "video", 0, {}, (section,))  # type: ignore[arg-type]


def test_detectors_are_ranked_over_the_data_sets_that_all_have() -> None:
    figures = {"a": [0.9, 0.8, 0.7, None], "b": [0.8, 0.9, 0.6, 0.5], "c": [0.7, 0.7, 0.5, 0.9]}
    results = [result_of(name, f"set{i}", value) for name, row in figures.items() for i, value in enumerate(row)]
    ranking = rank_detectors(results)
    assert ranking.datasets == ("set0", "set1", "set2")
    assert list(ranking.mean_ranks) == ["a", "b", "c"]
    assert ranking.mean_ranks == pytest.approx({"a": 4 / 3, "b": 5 / 3, "c": 3.0})
    assert ranking.groups == (("a", "b", "c"),), "three data sets cannot tell them apart"
    assert rank_detectors(results[:8]) is None, "two detectors are no ranking"
    assert rank_detectors([r for r in results if r.dataset in ("set0", "set3")]) is None, "one common data set"


def test_pooling_is_chosen_on_validation_and_only_that_is_tested(table: ScoreTable) -> None:
    validation = make_table(40, seed=3)
    rows = pooling_study(validation, table)
    figures = [row.validation_auc.value for row in rows]
    assert figures == sorted(figures, reverse=True)
    assert [row.chosen for row in rows].count(True) == 1
    assert all((row.test_auc is not None) == row.chosen for row in rows)
    best = rows[0]
    scores = best.way.scores(table)
    known = ~np.isnan(scores)
    assert best.test_auc.value == pytest.approx(auc(scores[known], table.label[known]))
    by_way = {(r.way.unit, r.way.track_pooling, r.way.video_pooling): r.validation_auc.value for r in rows}
    default = score_levels(validation, ScoreSettings())["video"]
    assert by_way["tracks", "mean", "max"] == pytest.approx(auc(default.scores, default.labels))
    averaged = score_levels(validation)["frames_averaged"]
    assert by_way["frames", "", "mean"] == pytest.approx(auc(averaged.scores, averaged.labels))
    with pytest.raises(UndefinedMetricError, match="No pooling can be chosen"):
        pooling_study(validation.select(validation.label == 0))


def test_figure_helper_turns_undefined_into_a_blank() -> None:
    assert figure(auc, [1.0, 2.0], [0, 1]).value == 1.0
    assert figure(auc, [1.0], [0]).value is None
    assert "inf" in figure(lambda: float("inf")).reason
