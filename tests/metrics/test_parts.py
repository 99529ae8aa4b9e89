"""Missing scores, groups, attribution and DeepfakeBench's definitions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, confusion_matrix, f1_score, recall_score
from sklearn.metrics import roc_auc_score as sklearn_auc

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.attribution import attribution, open_set_auc
from vidfake.metrics.deepfakebench import deepfakebench_figures, folder_name
from vidfake.metrics.groups import all_groups, by_manipulation, in_pairs, thirds
from vidfake.metrics.levels import level_rows, video_auc
from vidfake.metrics.missing import POLICIES, apply_policy, coverage
from vidfake.metrics.pooling import frames_averaged, pool_video
from vidfake.metrics.ranking import auc
from vidfake.scores import ScoreTable


@pytest.fixture
def table() -> ScoreTable:
    """Two sources, swapped by two methods; one fake without a face, one unlabelled video."""
    return ScoreTable(
        video_id=["r1", "r2", "r3", "s1", "s2", "t1", "u"],
        label=[0, 0, 0, 1, 1, 1, -1],
        manipulation=["none", "none", "none", "swap", "swap", "talk", ""],
        source_id=["1", "2", "3", "1", "2", "1", ""],
        pair_id=["p", "", "q", "p", "q2", "q", "p"],
        status=["ok", "ok", "ok", "ok", "no_face", "ok", "ok"],
        video_score=[0.0, 2.0, 1.0, 3.0, np.nan, 0.5, 9.0],
        attributes={
            "face_pixels": [50.0, 100.0, 300.0, np.nan, 64.0, 63.0, 10.0],
            "num_faces": [1, 1, 2, 2, 3, 7, 1],
        },
    )


def test_coverage_counts_what_was_lost(table: ScoreTable) -> None:
    found = coverage(table, ~np.isnan(pool_video(table)))
    assert (found.num_videos, found.num_scored, found.num_real_scored, found.num_fake_scored) == (6, 5, 3, 2)
    assert found.reasons == {"no_face": 1}
    assert found.share == pytest.approx(5 / 6)
    assert coverage(table, ~np.isnan(frames_averaged(table))).reasons == {"no score": 5, "no_face": 1}


def test_every_policy_for_missing_scores(table: ScoreTable) -> None:
    scores = pool_video(table)
    figures = {p: auc(*apply_policy(scores, table.label, p, chance_score=0.0)) for p in POLICIES}
    assert figures == {
        "exclude": pytest.approx(4 / 6),
        "as_real": pytest.approx(4 / 9),
        "as_fake": pytest.approx(7 / 9),
        "as_chance": pytest.approx(4.5 / 9),
    }
    assert np.isnan(scores[4]), "the scores themselves stay as they were"


def test_manipulations_against_their_own_reals_and_all(table: ScoreTable) -> None:
    found = [(g.name, g.against, table.video_id[g.videos].tolist()) for g in by_manipulation(table)]
    assert found == [
        ("swap", "its own reals", ["r1", "r2", "s1", "s2"]),
        ("swap", "all reals", ["r1", "r2", "r3", "s1", "s2"]),
        ("talk", "its own reals", ["r1", "t1"]),
        ("talk", "all reals", ["r1", "r2", "r3", "t1"]),
    ]


def test_pairs_need_both_sides(table: ScoreTable) -> None:
    assert table.video_id[in_pairs(table)].tolist() == ["r1", "r3", "s1", "t1"]


def test_groups_by_attribute(table: ScoreTable) -> None:
    found = {(g.kind, g.name): table.video_id[g.videos].tolist() for g in all_groups(table)}
    assert found["face size", "below 64 px"] == ["r1", "t1"]
    assert found["face size", "64 to 128 px"] == ["r2", "s2"]
    assert found["face size", "256 px and above"] == ["r3"]
    assert found["faces at once", "three and more"] == ["s2", "t1"]
    assert not any(kind == "compression" for kind, _ in found), "one compression is no grouping"
    assert len(thirds(np.array([np.nan]))) == 0
    assert thirds(np.array([1.0, 1.0, 1.0])).tolist() == [1.0]


def test_attribution_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    names = ["real", "swap", "talk", "never"]
    labels = rng.integers(0, 3, 200)
    scores = rng.normal(size=(200, 4)) + 1.5 * np.eye(4)[labels]
    found, called = attribution(scores, labels, names), scores.argmax(axis=1)
    classes = [0, 1, 2]
    assert found.macro_f1 == pytest.approx(f1_score(labels, called, average="macro", labels=classes))
    assert list(found.recall.values()) == pytest.approx(recall_score(labels, called, average=None, labels=classes))
    expected = [average_precision_score(labels == c, scores[:, c]) for c in classes]
    assert found.macro_average_precision == pytest.approx(np.mean(expected))
    np.testing.assert_array_equal(found.confusion, confusion_matrix(labels, called, labels=range(4)))
    assert found.absent == ("never",)
    assert found.accuracy == (labels == called).mean()


def test_attribution_refuses_what_it_cannot_measure() -> None:
    with pytest.raises(UndefinedMetricError, match="at least two classes"):
        attribution(np.zeros((2, 2)), [1, 1], ["a", "b"])
    with pytest.raises(ValueError, match="class indices 0..1"):
        attribution(np.zeros((2, 2)), [0, 2], ["a", "b"])
    with pytest.raises(ValueError, match="2 classes"):
        attribution(np.zeros((2, 3)), [0, 1], ["a", "b"])
    with pytest.raises(ValueError, match="1 class scores"):
        attribution([[0, np.nan], [0, 1]], [0, 1], ["a", "b"])


def test_open_set_auc_is_that_of_the_weakest_claim() -> None:
    scores = np.array([[5.0, 0.0], [0.0, 4.0], [1.0, 1.0], [0.0, 4.5]])
    unknown = np.array([False, False, True, True])
    assert open_set_auc(scores, unknown) == pytest.approx(sklearn_auc(unknown, [-5, -4, -1, -4.5]))


def collision() -> ScoreTable:
    """Two reals; two fakes of one name by different methods, one of which is missed."""
    return ScoreTable(
        video_id=["original/001.mp4", "original/002.mp4", "Deepfakes/001_002.mp4", "Face2Face/001_002.mp4"],
        label=[0, 0, 1, 1],
        frame_video=[0, 0, 1, 1, 2, 2, 3, 3],
        frame_score=[0.3, 0.3, 0.4, 0.4, 0.1, 0.1, 0.9, 0.9],
        scale="probability",
    )


def test_the_collision_case_of_deepfakebench() -> None:
    table = collision()
    averaged = level_rows(table, "frames_averaged")
    assert auc(averaged.scores, averaged.labels) == 0.5
    theirs = deepfakebench_figures(table)
    assert theirs.video_auc == 1.0
    assert (theirs.num_videos, theirs.num_groups, theirs.num_merged, theirs.num_mixed) == (4, 3, 1, 0)
    assert theirs.auc == 0.5


def test_clip_auc_is_printed_as_video_auc_there() -> None:
    table = ScoreTable(
        video_id=["r", "f"],
        label=[0, 1],
        clip_video=[0, 0, 1, 1],
        clip_score=[-1.0, 2.0, 1.0, 3.0],
    )
    theirs = deepfakebench_figures(table)
    assert (theirs.rows, theirs.video_auc) == ("clip", 0.75)
    assert video_auc(table) == 1.0


def test_mixed_labels_are_cut_to_real_there() -> None:
    table = ScoreTable(
        video_id=["a/x.mp4", "b/x.mp4", "c/y.mp4"],
        label=[0, 1, 1],
        frame_video=[0, 1, 2],
        frame_score=[-3.0, -1.0, 2.0],
    )
    theirs = deepfakebench_figures(table)
    assert (theirs.num_mixed, theirs.video_auc) == (1, 1.0)
    assert theirs.accuracy == pytest.approx(2 / 3)
    with pytest.raises(UndefinedMetricError, match="this table has none"):
        deepfakebench_figures(ScoreTable(video_id=["a"], label=[1], video_score=[0.1]))


@pytest.mark.parametrize(("video_id", "folder"), [
    ("FF/Deepfakes/c23/videos/000_003.mp4", "000_003"), ("000_003", "000_003"), ("a\\b\\c.AVI", "c"),
    ("clip.v2", "clip.v2"), ("a/b.c.mp4", "b.c"),
])  # fmt: skip
def test_folder_names(video_id: str, folder: str) -> None:
    assert folder_name(video_id) == folder
