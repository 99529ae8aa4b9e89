"""Poolings against literal loops, and clip -> track -> video against a hand-worked table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidfake.errors import ConfigError
from vidfake.metrics.pooling import POOLINGS, frames_averaged, pool, pool_tracks, pool_video
from vidfake.scores import ScoreTable
from vidfake.settings import ScoreSettings


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def literal_confident(p: np.ndarray, t: float = 0.8) -> float:
    n, sure = len(p), int((p > t).sum())
    if sure > n // 2.5 and sure > 11:
        return float(p[p > t].mean())
    if (p < 0.2).sum() > 0.9 * n:
        return float(p[p < 0.2].mean())
    return float(p.mean())


def literal(name: str, x: np.ndarray) -> float:
    ordered, n = np.sort(x), len(x)
    if name == "top_k":
        return float(ordered[-max(1, math.ceil(n / 4)) :].mean())
    if name == "trimmed":
        cut = n // 10
        return float(ordered[cut : n - cut].mean())
    if name == "noisy_or":
        return 1 - math.prod(1 - p for p in x)
    if name == "confident":
        return literal_confident(x)
    return float({"mean": np.mean, "median": np.median, "max": np.max}[name](x))


groups_of_scores = st.lists(
    st.lists(st.one_of(st.floats(0.001, 0.999), st.sampled_from([0.1, 0.5, 0.9, 0.95])), min_size=1, max_size=45),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("name", POOLINGS.names())
@given(data=groups_of_scores)
@settings(max_examples=60, deadline=None)
def test_every_pooling_equals_its_literal_version(name: str, data: list[list[float]]) -> None:
    values = np.concatenate([np.array(g) for g in data])
    groups = np.repeat(np.arange(len(data)) * 3, [len(g) for g in data])
    shuffle = np.random.default_rng(0).permutation(len(values))
    names, pooled = pool(values[shuffle], groups[shuffle], name, scale="probability")
    assert names.tolist() == (np.arange(len(data)) * 3).tolist()
    assert pooled == pytest.approx([literal(name, np.array(g)) for g in data], abs=1e-9)


@pytest.mark.parametrize("name", ["noisy_or", "confident"])
@given(data=groups_of_scores)
@settings(max_examples=60, deadline=None)
def test_probability_poolings_agree_on_both_scales(name: str, data: list[list[float]]) -> None:
    p = np.concatenate([np.array(g) for g in data])
    groups = np.repeat(np.arange(len(data)), [len(g) for g in data])
    _, as_probability = pool(p, groups, name, scale="probability")
    _, as_logit = pool(np.log(p / (1 - p)), groups, name, scale="raw")
    assert [logistic(x) for x in as_logit] == pytest.approx(as_probability, abs=1e-9)


def test_noisy_or_keeps_order_where_probabilities_saturate() -> None:
    values = np.array([30.0, 40.0, 800.0, -800.0, -900.0])
    _, pooled = pool(values, np.arange(5), "noisy_or", scale="raw")
    assert pooled == pytest.approx(values), "one value is itself, however extreme"


@pytest.mark.parametrize("name", [name for name in POOLINGS.names() if name != "noisy_or"])
def test_a_group_of_equal_values_pools_to_that_value(name: str) -> None:
    for value in (0.1, 0.3, 0.7):
        _, pooled = pool([value] * 7, [0] * 7, name, scale="probability")
        assert pooled[0] == pytest.approx(value, abs=1e-15)


def test_no_rows_pool_to_nothing() -> None:
    for name in POOLINGS.names():
        names, pooled = pool([], [], name)
        assert len(names) == len(pooled) == 0


@pytest.mark.parametrize(("name", "options"), [
    ("top_k", {"share": 0}), ("top_k", {"at_least": 0}), ("trimmed", {"share": 0.5}), ("confident", {"low": 0.9}),
])  # fmt: skip
def test_options_out_of_range_are_refused(name: str, options: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        POOLINGS.build(name, **options)


@pytest.fixture
def table() -> ScoreTable:
    """`a` has two tracks (means 1 and 4, the second of poor quality), `b` one, `c` none, `d` only a video score."""
    return ScoreTable(
        video_id=["a", "b", "c", "d"],
        label=[1, 0, 0, 1],
        status=["ok", "ok", "no_face", "ok"],
        video_score=[np.nan, np.nan, np.nan, 9.0],
        clip_video=[1, 0, 0, 0],
        clip_track=[7, 0, 0, 1],
        clip_score=[-2.0, 0.0, 2.0, 4.0],
        clip_quality=[0.1, 0.9, 0.7, 0.2],
        frame_video=[0, 0, 1],
        frame_score=[1.0, 3.0, -1.0],
    )


def test_clips_pool_to_tracks_then_video(table: ScoreTable) -> None:
    video, track, score, quality = pool_tracks(table)
    assert [video.tolist(), track.tolist(), score.tolist()] == [[0, 0, 1], [0, 1, 7], [1.0, 4.0, -2.0]]
    assert quality == pytest.approx([0.8, 0.2, 0.1])
    np.testing.assert_array_equal(pool_video(table), [4.0, -2.0, np.nan, 9.0])


def test_a_poor_track_counts_only_where_there_is_no_better(table: ScoreTable) -> None:
    pooled = pool_video(table, ScoreSettings(quality_floor=0.5))
    np.testing.assert_array_equal(pooled, [1.0, -2.0, np.nan, 9.0])
    mean = pool_video(table, ScoreSettings(video_pooling="mean"))
    np.testing.assert_array_equal(mean, [2.5, -2.0, np.nan, 9.0])


def test_frames_are_averaged_per_video(table: ScoreTable) -> None:
    np.testing.assert_array_equal(frames_averaged(table), [2.0, -1.0, np.nan, np.nan])
