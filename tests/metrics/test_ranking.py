"""Ranking figures against scikit-learn, torchmetrics, literal slow versions, closed forms and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.ranking import (
    Curve,
    RankedScores,
    auc,
    average_precision,
    check_fpr_support,
    curve,
    eer,
    tpr_at_fpr,
)


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Few distinct values, so that ties are common; both classes present."""
    n = draw(st.integers(2, 40))
    scores = draw(st.lists(st.integers(-4, 4), min_size=n, max_size=n))
    labels = draw(st.lists(st.integers(0, 1), min_size=n - 2, max_size=n - 2))
    return np.array(scores, float), np.array([0, 1, *labels])


def slow_auc(scores: np.ndarray, labels: np.ndarray) -> float:
    wins = [1.0 if f > r else 0.5 if f == r else 0.0 for f in scores[labels == 1] for r in scores[labels == 0]]
    return sum(wins) / len(wins)


@given(scored())
@settings(max_examples=150, deadline=None)
def test_auc_equals_every_independent_version(data: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = data
    assert auc(scores, labels) == pytest.approx(slow_auc(scores, labels), abs=1e-14)
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@given(scored())
@settings(max_examples=100, deadline=None)
def test_average_precision_and_partial_auc_equal_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = data
    assert average_precision(scores, labels) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    for limit in (0.05, 0.1, 0.5):
        ours = curve(scores, labels).partial_auc(limit)
        assert ours == pytest.approx(roc_auc_score(labels, scores, max_fpr=limit), abs=1e-12)
    assert curve(scores, labels).partial_auc(1.0) == pytest.approx(auc(scores, labels), abs=1e-12)


def test_auc_and_ap_equal_torchmetrics() -> None:
    from torchmetrics.functional.classification import binary_auroc, binary_average_precision

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 500)
    scores = np.round(1 / (1 + np.exp(-rng.normal(labels, 1.0))), 2)
    tensors = torch.tensor(scores), torch.tensor(labels)
    assert auc(scores, labels) == pytest.approx(float(binary_auroc(*tensors)), abs=1e-6)
    assert average_precision(scores, labels) == pytest.approx(float(binary_average_precision(*tensors)), abs=1e-6)


@given(scored())
@settings(max_examples=100, deadline=None)
def test_auc_properties(data: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = data
    value = auc(scores, labels)
    assert auc(np.exp(scores / 3) - 7, labels) == value, "a monotone map changes nothing"
    assert auc(-scores, labels) == pytest.approx(1 - value, abs=1e-14)
    assert auc(scores, 1 - labels) == pytest.approx(1 - value, abs=1e-14)
    assert auc(np.tile(scores, 3), np.tile(labels, 3)) == pytest.approx(value, abs=1e-14), "duplicates"
    shuffle = np.random.default_rng(1).permutation(len(scores))
    assert auc(scores[shuffle], labels[shuffle]) == value


@given(scored(), st.data())
@settings(max_examples=100, deadline=None)
def test_integer_weights_mean_repeated_rows(data: tuple[np.ndarray, np.ndarray], more: st.DataObject) -> None:
    scores, labels = data
    weights = np.array(more.draw(st.lists(st.integers(0, 3), min_size=len(scores), max_size=len(scores))))
    weights[:2] = np.maximum(weights[:2], 1)  # both classes stay
    weighted = RankedScores(scores, labels).curve(weights.astype(float))
    repeated = curve(np.repeat(scores, weights), np.repeat(labels, weights))
    for figure in (Curve.auc, Curve.average_precision, Curve.eer):
        assert figure(weighted) == pytest.approx(figure(repeated), abs=1e-12)
    assert weighted.tpr_at_fpr(0.1) == pytest.approx(repeated.tpr_at_fpr(0.1))
    assert weighted.partial_auc(0.2) == pytest.approx(repeated.partial_auc(0.2), abs=1e-12)


@given(scored())
@settings(max_examples=150, deadline=None)
def test_eer_does_not_change_when_classes_swap(data: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = data
    value = eer(scores, labels)
    assert 0 <= value <= 1
    assert eer(-scores, 1 - labels) == pytest.approx(value, abs=1e-12)
    assert eer(scores * 3 + 1, labels) == pytest.approx(value, abs=1e-12)


def test_eer_closed_forms() -> None:
    assert eer([1, 2, 3, 4], [0, 0, 1, 1]) == 0
    assert eer([3, 4, 1, 2], [0, 0, 1, 1]) == 1
    assert eer([5, 5, 5, 5], [0, 0, 1, 1]) == 0.5, "all tied: the diagonal meets the line at one half"
    # 3 reals, 2 fakes; ROC (0,0) (0,.5) (1/3,.5) (1/3,1): the line FPR = 1 - TPR is met on the vertical step
    assert eer([1, 2, 4, 3, 5], [0, 0, 0, 1, 1]) == pytest.approx(1 / 3)
    # two unit normals d apart: the EER is Phi(-d/2)
    rng = np.random.default_rng(3)
    scores = np.concatenate((rng.normal(0, 1, 200_000), rng.normal(1.5, 1, 200_000)))
    labels = np.repeat([0, 1], 200_000)
    assert eer(scores, labels) == pytest.approx(0.5 * math.erfc(0.75 / math.sqrt(2)), abs=2e-3)


def test_auc_of_two_normals_is_the_closed_form() -> None:
    rng = np.random.default_rng(4)
    scores = np.concatenate((rng.normal(0, 1, 100_000), rng.normal(1, 2, 100_000)))
    expected = 0.5 * math.erfc(-1 / math.sqrt(1 + 4) / math.sqrt(2))
    assert auc(scores, np.repeat([0, 1], 100_000)) == pytest.approx(expected, abs=4e-3)


def test_tpr_at_fpr_is_a_step_reached_by_a_real_threshold() -> None:
    scores = np.arange(200.0)
    labels = np.tile([0, 1], 100)
    points = curve(scores, labels)
    assert tpr_at_fpr(scores, labels, 0.05) == pytest.approx(np.mean(scores[labels == 1] > scores[labels == 0][-6]))
    threshold = points.threshold_at_fpr(0.05)
    assert np.mean(scores[labels == 0] >= threshold) <= 0.05
    assert np.mean(scores[labels == 1] >= threshold) == points.tpr_at_fpr(0.05)


@pytest.mark.parametrize(("num_real", "fpr", "supported"), [
    (140, 0.1, True), (140, 0.05, True), (140, 0.01, False), (500, 0.01, True), (499, 0.01, False),
    (5000, 0.001, True), (4999, 0.001, False),
])  # fmt: skip
def test_a_rate_that_too_few_reals_support_is_not_given(num_real: int, fpr: float, supported: bool) -> None:
    if supported:
        check_fpr_support(fpr, num_real)
        return
    with pytest.raises(UndefinedMetricError, match=rf"needs {round(5 / fpr)} real videos, there are {num_real}"):
        check_fpr_support(fpr, num_real)


def test_frames_of_few_videos_do_not_support_a_small_rate() -> None:
    scores, labels = np.arange(2000.0), np.tile([0, 1], 1000)
    assert tpr_at_fpr(scores, labels, 0.01) > 0
    with pytest.raises(UndefinedMetricError, match="there are 10"):
        tpr_at_fpr(scores, labels, 0.01, num_independent_real=10)


@pytest.mark.parametrize("figure", [auc, average_precision, eer])
@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1], []])
def test_one_class_is_an_error_not_a_number(figure, labels: list[int]) -> None:
    with pytest.raises(UndefinedMetricError, match="both are needed"):
        figure(np.arange(float(len(labels))), np.array(labels, int))


@pytest.mark.parametrize(("scores", "labels", "message"), [
    ([1, np.nan], [0, 1], "1 of 2 scores are not finite"),
    ([1, np.inf], [0, 1], "not finite"),
    ([1, 2], [0, 2], "labels must be 0"),
    ([1, 2], [0, -1], "whose label is unknown"),
    ([1, 2, 3], [0, 1], "one length"),
])  # fmt: skip
def test_bad_rows_are_refused(scores: list[float], labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        auc(scores, labels)


def test_the_drawn_curve_lies_on_the_roc() -> None:
    scores, labels = np.array([1.0, 2, 4, 3, 5]), np.array([0, 0, 0, 1, 1])
    drawn = curve(scores, labels).tpr_on(np.array([0, 0.2, 0.33, 1 / 3, 0.5, 1]))
    assert drawn == pytest.approx([0.5, 0.5, 0.5, 1, 1, 1])  # level up to the step, and not sloping towards it


@pytest.mark.parametrize("num_values", [3, 20, 10**6])  # with many ties, some, none
def test_the_drawn_curve_is_scikit_learns(num_values: int) -> None:
    rng = np.random.default_rng(num_values)
    labels = np.repeat([0, 1], [100, 60])
    scores = rng.integers(0, num_values, 160) + 0.3 * num_values * labels
    drawn = curve(scores, labels)
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    between = (np.arange(1000) + 0.5) / 1000  # on no step: reals are hundredths
    assert drawn.tpr_on(between) == pytest.approx(np.interp(between, fpr, tpr))
    assert drawn.tpr_on(between).mean() == pytest.approx(drawn.auc(), abs=1e-6)
    assert drawn.tpr_on(fpr) == pytest.approx([tpr[fpr == step].max() for step in fpr])
