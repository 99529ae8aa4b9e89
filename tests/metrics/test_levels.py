"""The four levels of one table."""

from __future__ import annotations

import numpy as np
import pytest

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.levels import level_rows, score_levels, video_auc
from vidfake.scores import ScoreTable
from vidfake.settings import ScoreSettings


def make_table() -> ScoreTable:
    return ScoreTable(
        video_id=["r1", "r2", "f1", "f2", "u"],
        label=[0, 0, 1, 1, -1],
        frame_video=[0, 0, 1, 2, 2, 2, 3, 4],
        frame_score=[0.0, 3.0, 1.0, 2.0, 2.0, 5.0, 1.0, 9.0],
        clip_video=[0, 1, 2, 2, 3, 4],
        clip_track=[0, 0, 0, 1, 0, 0],
        clip_score=[0.0, 1.0, -5.0, 4.0, 2.0, 9.0],
    )


def test_each_level_has_its_own_rows() -> None:
    levels = score_levels(make_table())
    assert list(levels) == ["frame", "frames_averaged", "clip", "video"]
    assert levels["frame"].video.tolist() == [0, 0, 1, 2, 2, 2, 3], "the unlabelled video is left out"
    assert levels["frames_averaged"].scores.tolist() == [1.5, 1.0, 3.0, 1.0]
    assert levels["clip"].labels.tolist() == [0, 0, 1, 1, 1]
    assert levels["video"].scores.tolist() == [0.0, 1.0, 4.0, 2.0], "max over tracks"
    assert levels["frame"].num_videos == 4


def test_video_auc_follows_the_pooling() -> None:
    assert video_auc(make_table()) == 1.0
    assert video_auc(make_table(), ScoreSettings(video_pooling="mean")) == 0.5


def test_a_level_without_scores_is_absent() -> None:
    table = ScoreTable(video_id=["a", "b"], label=[0, 1], video_score=[0.1, 0.2])
    assert list(score_levels(table)) == ["video"]
    assert video_auc(table) == 1.0
    assert len(level_rows(table, "frame").scores) == 0


def test_no_score_and_one_class_are_errors() -> None:
    with pytest.raises(UndefinedMetricError, match="none of 2 videos"):
        video_auc(ScoreTable(video_id=["a", "b"], label=[0, 1], status="no_face"))
    with pytest.raises(UndefinedMetricError, match="both are needed"):
        video_auc(ScoreTable(video_id=["a"], label=[0], video_score=[0.1]))


def test_rows_of_some_videos() -> None:
    rows = level_rows(make_table(), "frame")
    kept = rows.of_videos(np.array([True, False, True, False, False]))
    assert kept.video.tolist() == [0, 0, 2, 2, 2]
