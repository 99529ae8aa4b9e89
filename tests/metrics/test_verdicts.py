"""Verdicts on data of known truth, by origin and image statistics: false positives with exact intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from vidfake.inference.verdict import Thresholds, decide
from vidfake.metrics.groups import origin_group
from vidfake.metrics.sections import Resampling
from vidfake.metrics.summary import summarise
from vidfake.metrics.verdicts import Band, clopper_pearson, verdict_counts, verdicts
from vidfake.scores import ScoreTable

BAND = Band(likely_fake=1.0, likely_real=-1.0, false_positive_rate=0.05)


def table() -> ScoreTable:
    """Three reals of one origin, two of another, three fakes; one real has no score, two share a source."""
    return ScoreTable(
        video_id=list("abcdefgh"),
        label=[0, 0, 0, 0, 0, 1, 1, 1],
        manipulation=["none"] * 5 + ["swap"] * 3,
        source_id=["s", "s", "t", "u", "v", "s", "t", "w"],
        origin=["tv/news:1.mp4", "tv/news:2.mp4", "tv/news:3.mp4", "PyPI x: y.mp4", "PyPI x: z.mp4", "m", "m", "m"],
        status=["ok"] * 4 + ["no_face"] + ["ok"] * 3,
        video_score=[2.0, 1.0, -2.0, 0.5, np.nan, 3.0, 0.0, -1.0],
        attributes={"brightness": [0.1, 0.2, 0.3, 0.4, np.nan, 0.5, 0.6, 0.7]},
    )


@pytest.mark.parametrize(("hits", "number"), [(0, 14), (1, 14), (7, 14), (14, 14), (0, 1), (3, 300)])
def test_the_interval_is_the_exact_binomial_one(hits: int, number: int) -> None:
    oracle = binomtest(hits, number).proportion_ci(0.95, method="exact")
    assert clopper_pearson(hits, number) == pytest.approx((oracle.low, oracle.high), abs=1e-9)


@pytest.mark.parametrize("edges", [(1.0, -1.0), (-1.0, 1.0), (0.0, 0.0)], ids=["apart", "crossed", "equal"])
def test_verdicts_are_those_that_score_gives(edges: tuple[float, float]) -> None:
    values = np.array([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
    thresholds = Thresholds(*edges, 0.05, 0.05, 20, 20)
    words = [decide(float(v), thresholds, num_clips=3, overall_quality=1.0)[0] for v in values]
    names = {1.0: "likely_fake", 0.0: "inconclusive", -1.0: "likely_real"}
    assert [names[float(v)] for v in verdicts(values, Band(*edges, 0.05))] == words


def test_false_positives_by_origin() -> None:
    scores = table().video_score
    found = {(v.kind, v.name, v.label): v for v in verdict_counts(table(), scores, BAND)}
    news = found["origin", "tv/news", 0]
    assert (news.num_videos, news.num_sources, news.likely_fake, news.likely_real) == (3, 2, 2, 1)
    assert news.called_fake.value == pytest.approx(2 / 3)
    interval = news.called_fake.interval
    assert interval is not None
    assert interval.num_clusters == 2
    assert interval.low < binomtest(2, 3).proportion_ci(method="exact").low + 1e-12, "two sources know less than 3"
    package = found["origin", "PyPI x", 0]
    assert (package.inconclusive, package.no_score, package.called_fake.value) == (1, 1, 0.0)
    everyone = found["all", "all videos", 1]
    assert (everyone.likely_fake, everyone.inconclusive, everyone.likely_real) == (1, 1, 1)
    assert sum(v.num_videos for v in found.values() if v.kind == "origin") == 8
    dark = found["face brightness", next(n for k, n, _ in found if k == "face brightness"), 0]
    assert dark.num_videos == 2
    assert not any(kind == "data set" for kind, _, _ in found), "one data set is no grouping"


def test_a_group_without_a_score_has_no_rate() -> None:
    rows = verdict_counts(table(), np.full(8, np.nan), BAND)
    assert rows[0].called_fake.value is None
    assert "has a score" in rows[0].called_fake.reason


def test_a_summary_carries_them_only_with_a_band() -> None:
    how = Resampling(num_resamples=0)
    assert summarise(table(), how=how).verdicts == ()
    result = summarise(table(), how=how, band=BAND)
    assert result.verdict_false_positive_rate == 0.05
    assert len(result.verdicts) > 4


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("owner/repo:a/b.mp4 @refs", "owner/repo"),
        ("https://site.org/a/b.mp4", "site.org"),
        ("PyPI fer 1 sdist: x.mp4", "PyPI fer 1 sdist"),
        ("studio", "studio"),
        ("", ""),
    ],
)
def test_where_a_video_comes_from(text: str, group: str) -> None:
    assert origin_group(text) == group


def test_brightness_of_a_face_is_its_mean_luma() -> None:
    import torch

    from vidfake.inference.predict import face_brightness

    frames = torch.zeros(3, 3, 8, 8)
    frames[:, :, 2:6, 2:6] = torch.tensor([0.2, 0.4, 0.6])[:, None, None]
    expected = 0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6
    assert face_brightness(frames) == pytest.approx(expected, rel=1e-5)
    white = torch.full((1, 3, 7, 9), 255, dtype=torch.uint8)
    assert math.isclose(face_brightness(white), 1.0, rel_tol=1e-6)
