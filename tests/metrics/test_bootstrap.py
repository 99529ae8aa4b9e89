"""The bootstrap: exact statistics, whole clusters, paired resamples, and intervals that keep their promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, t

from vidfake.errors import UndefinedMetricError
from vidfake.metrics import statistics
from vidfake.metrics.bootstrap import Clusters, Interval, bootstrap, interval, over_seeds, p_value
from vidfake.metrics.ranking import Curve, auc, curve
from vidfake.metrics.reliability import log_losses
from vidfake.metrics.statistics import AucStatistic, CurveStatistic, MeanStatistic


@st.composite
def clustered(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    n = draw(st.integers(2, 60))
    scores = np.array(draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n)), float)
    labels = np.array([0, 1, *draw(st.lists(st.integers(0, 1), min_size=n - 2, max_size=n - 2))])
    cluster = np.array([0, 1, *draw(st.lists(st.integers(0, 4), min_size=n - 2, max_size=n - 2))])
    counts = np.array(draw(st.lists(st.integers(0, 4), min_size=5, max_size=5)), np.int32)
    counts[:2] = np.maximum(counts[:2], 1)
    return scores, labels, cluster, counts


@pytest.mark.parametrize("chunk", [1, 3, 32_768])
@given(data=clustered())
@settings(max_examples=80, deadline=None)
def test_weighted_auc_equals_the_auc_of_repeated_rows(data, chunk: int) -> None:
    scores, labels, cluster, counts = data
    original, statistics.CHUNK = statistics.CHUNK, chunk
    try:
        statistic = AucStatistic(scores, labels, cluster)
    finally:
        statistics.CHUNK = original
    times = counts[cluster]
    expected = auc(np.repeat(scores, times), np.repeat(labels, times))
    assert statistic(counts)[0] == pytest.approx(expected, abs=1e-14)
    assert statistic(np.ones(5, np.int32))[0] == pytest.approx(auc(scores, labels), abs=1e-14)


def test_curve_and_mean_statistics_are_weighted_figures() -> None:
    rng = np.random.default_rng(0)
    labels, cluster = np.tile([0, 1], 30), np.repeat(np.arange(10), 6)
    scores = rng.normal(size=60) + labels
    counts = rng.integers(0, 3, 10).astype(np.int32)
    times = counts[cluster]
    repeated = curve(np.repeat(scores, times), np.repeat(labels, times))
    statistic = CurveStatistic(
        scores, labels, cluster, [Curve.auc, Curve.eer, lambda c: c.tpr_on(np.linspace(0, 1, 5))]
    )
    assert statistic.size == 7
    expected = [repeated.auc(), repeated.eer(), *repeated.tpr_on(np.linspace(0, 1, 5))]
    assert statistic(counts) == pytest.approx(expected)
    losses = log_losses(1 / (1 + np.exp(-scores)), labels)
    again = np.repeat(losses, times), np.repeat(labels, times)
    mean = (again[0][again[1] == 0].mean() + again[0][again[1] == 1].mean()) / 2
    assert MeanStatistic(losses, labels, cluster)(counts)[0] == pytest.approx(mean)


def test_ff_plus_plus_test_set_has_70_clusters() -> None:
    """140 originals in 70 pairs; each pair's videos, of all four methods, are one cluster."""
    source, label = [], []
    for pair in range(70):
        source += [f"pair{pair}"] * (2 + 8)
        label += [0, 0, *[1] * 8]
    clusters = Clusters.of(np.array(source, object), np.array(label))
    assert (clusters.number, len(clusters.strata)) == (70, 1)


def test_whole_clusters_are_drawn_and_both_classes_stay() -> None:
    source = np.array(["a", "a", "b", "c", "d", "d", "e"], object)
    label = np.array([0, 1, 0, 1, 0, 1, 1])
    assert Clusters.of(source, label).fewest == 3, "sources a, b and d have reals"
    clusters = Clusters.of(source, label)
    assert sorted(len(s) for s in clusters.strata) == [1, 2, 2]
    for block in range(20):
        for counts in clusters.draw(block, seed=3):
            assert counts.sum() == 5
            weight = counts[clusters.of_video]
            assert weight[label == 0].sum() > 0
            assert weight[label == 1].sum() > 0
            assert weight[0] == weight[1], "videos of one source come together"
            assert [int(counts[s].sum()) for s in clusters.strata] == [len(s) for s in clusters.strata]


def test_resamples_depend_on_the_seed_only() -> None:
    labels, source = np.tile([0, 1], 40), np.repeat(np.arange(20), 4)
    clusters = Clusters.of(source, labels)
    scores = np.random.default_rng(0).normal(size=80) + labels
    statistic = AucStatistic(scores, labels, clusters.of_video)
    alone = bootstrap([statistic], clusters, num_resamples=50, seed=1)[0]
    together = bootstrap([statistic, statistic], clusters, num_resamples=200, seed=1)[1]
    np.testing.assert_array_equal(alone, together[:50])
    assert not np.array_equal(alone, bootstrap([statistic], clusters, num_resamples=50, seed=2)[0])


def test_the_spread_equals_the_literal_bootstrap() -> None:
    rng = np.random.default_rng(5)
    source, labels = np.repeat(np.arange(30), 4), np.tile([0, 1, 1, 1], 30)
    scores = rng.normal(size=120) + labels + rng.normal(size=30)[source]
    clusters = Clusters.of(source, labels)
    ours = bootstrap([AucStatistic(scores, labels, clusters.of_video)], clusters, num_resamples=2000)[0][:, 0]
    literal = []
    for _ in range(2000):
        rows = np.concatenate([np.flatnonzero(source == c) for c in rng.integers(0, 30, 30)])
        literal.append(auc(scores[rows], labels[rows]))
    assert ours.mean() == pytest.approx(np.mean(literal), abs=3e-3)
    assert ours.std() == pytest.approx(np.std(literal), rel=0.08)


def test_identical_detectors_differ_by_exactly_nothing() -> None:
    rng = np.random.default_rng(0)
    source, labels = np.repeat(np.arange(15), 4), np.tile([0, 1], 30)
    scores = np.round(rng.normal(size=60) + labels, 1)
    clusters = Clusters.of(source, labels)
    first, second = (AucStatistic(s, labels, clusters.of_video) for s in (scores, np.exp(scores)))
    a, b = (samples[:, 0] for samples in bootstrap([first, second], clusters, num_resamples=500))
    assert set(a - b) == {0.0}
    found = interval(0.0, a - b, num_clusters=15, scale="difference")
    assert {found.low, found.high} == {0.0}
    assert p_value(0.0, a - b, num_clusters=15) == 1.0


def test_interval_and_p_value_agree_about_zero() -> None:
    samples = np.random.default_rng(0).normal(0.03, 0.02, 4000)
    reach = samples.std() * math.sqrt(70 / 69) * t.ppf(0.975, 69)
    found = interval(0.03, samples, num_clusters=70, scale="difference")
    assert (found.low, found.high) == pytest.approx((0.03 - reach, 0.03 + reach))
    assert p_value(reach, samples, num_clusters=70) == pytest.approx(0.05)
    assert p_value(5.0, samples, num_clusters=70) == 1 / 4001
    assert p_value(0.1, np.full(10, 0.1), num_clusters=70) == 1 / 11


def test_logit_intervals_stay_inside_and_flawless_figures_have_a_binomial_bound() -> None:
    rng = np.random.default_rng(0)
    samples = np.clip(np.round(rng.normal(0.98, 0.01, 2000), 3), 0, 1)
    found = interval(0.98, samples, num_clusters=30)
    assert 0.9 < found.low < 0.98 < found.high < 1
    assert 0.98 in found
    assert 0.5 not in found
    perfect = interval(1.0, np.array([0.9] * 50 + [1.0] * 950), num_clusters=30)
    assert perfect.high == 1
    assert perfect.low == pytest.approx(binomtest(30, 30).proportion_ci(0.95).low)
    never = interval(0.0, np.zeros(1000), num_clusters=3)
    assert never.low == 0
    assert never.high == pytest.approx(binomtest(0, 3).proportion_ci(0.95).high)
    assert interval(1.0, np.array([0.8] * 50 + [1.0] * 950), num_clusters=30).low == pytest.approx(0.8)
    all_ones = interval(0.99, np.ones(100), num_clusters=30)
    assert all_ones.low == pytest.approx(0.99)
    with pytest.raises(ValueError, match="confidence is 1"):
        interval(0.5, samples, num_clusters=30, confidence=1)


def test_no_difference_of_two_rates_is_beyond_one() -> None:
    wild = interval(0.1, np.array([-0.9, 0.9] * 50), num_clusters=2, scale="difference")
    assert (wild.low, wild.high) == (-1, 1)


def test_margin() -> None:
    assert Interval(-0.005, 0.009, 0.9, 70, 2000).inside(0.01)
    assert not Interval(-0.005, 0.011, 0.9, 70, 2000).inside(0.01)


def test_seeds_add_their_own_spread() -> None:
    rng = np.random.default_rng(0)
    test_noise = rng.normal(0, 0.01, 20_000)
    seed_effects = rng.normal(0, 0.02, 8)
    means = over_seeds(0.8 + seed_effects[:, None] + test_noise)
    expected = math.sqrt(0.01**2 + seed_effects.var(ddof=1) / 8)
    assert means.std() == pytest.approx(expected, rel=0.03)
    assert means.mean() == pytest.approx(0.8 + seed_effects.mean(), abs=1e-3)
    np.testing.assert_allclose(over_seeds(np.tile(test_noise, (5, 1))), test_noise, atol=1e-15)
    with pytest.raises(UndefinedMetricError, match="nothing about retraining"):
        over_seeds(test_noise[None])


def test_one_source_has_no_interval() -> None:
    for sources, word in ((["a", "a", "a"], "real"), (["a", "b", "b"], "fake"), (["a", "b", "c"], "fake")):
        with pytest.raises(UndefinedMetricError, match=f"all {word} videos come from 1 source"):
            Clusters.of(sources, [0, 0, 1])
    with pytest.raises(UndefinedMetricError, match="both are needed"):
        AucStatistic([1.0, 2.0], [1, 1], np.array([0, 1]))
    with pytest.raises(ValueError, match="num_resamples is 0"):
        bootstrap([], Clusters.of(["a", "b"], [0, 0]), num_resamples=0)


def simulate(draws: int, separation: float, correlation: float, fakes_per_real: int) -> dict[str, float]:
    """Coverage at 70 clusters of 2 reals and their fakes: a random effect per source and class, two detectors."""
    rng = np.random.default_rng(1)
    labels = np.tile(np.repeat([0, 1], [2, 2 * fakes_per_real]), 70)
    source = np.repeat(np.arange(70), 2 + 2 * fakes_per_real)
    clusters = Clusters.of(source, labels)
    truth = norm.cdf(np.array([separation, 0.8 * separation]) / math.sqrt(2))
    hits = {"auc": 0, "difference": 0}
    for draw in range(draws):
        effects = rng.normal(0, math.sqrt(correlation), (2, 70))[labels, source]
        common = effects + rng.normal(0, math.sqrt(1 - correlation), len(labels))
        other = 0.7 * common + math.sqrt(1 - 0.49) * rng.normal(size=len(labels))
        detectors = [common + separation * labels, other + 0.8 * separation * labels]
        statistics_ = [AucStatistic(s, labels, clusters.of_video) for s in detectors]
        points = [auc(s, labels) for s in detectors]
        a, b = (x[:, 0] for x in bootstrap(statistics_, clusters, num_resamples=400, seed=draw))
        hits["auc"] += truth[0] in interval(points[0], a, num_clusters=70)
        gap = interval(points[0] - points[1], a - b, num_clusters=70, scale="difference")
        hits["difference"] += truth[0] - truth[1] in gap
    return {name: count / draws for name, count in hits.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("separation", "correlation", "fakes_per_real"),
    [(1.0, 0.5, 4), (1.8, 0.5, 4), (2.5, 0.3, 1)],
)
def test_95_percent_intervals_cover_93_to_97_percent(
    separation: float, correlation: float, fakes_per_real: int
) -> None:
    """True AUC 0.76, 0.90 and 0.96. The binomial error of 1,000 draws is 0.7 %."""
    covered = simulate(1000, separation, correlation, fakes_per_real)
    for name, share in covered.items():
        assert 0.93 <= share <= 0.97, f"{name}: {share:.3f}"
