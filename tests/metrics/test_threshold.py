"""A threshold chosen on validation, carried over unchanged."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.threshold import at_threshold, choose_threshold


def test_the_best_threshold_lies_between_two_scores() -> None:
    chosen = choose_threshold([1.0, 2.0, 3.0, 5.0, 6.0, 7.0], [0, 0, 0, 1, 1, 1])
    assert (chosen.value, chosen.fpr, chosen.tpr) == (4.0, 0.0, 1.0)
    assert at_threshold([3.9, 4.0, 4.1, 0.0], [0, 1, 1, 0], chosen.value).balanced_accuracy == 1.0


def test_a_stated_fpr_is_kept_where_it_was_chosen() -> None:
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 400)
    scores = np.round(rng.normal(size=800) + labels, 1)
    chosen = choose_threshold(scores, labels, max_fpr=0.05)
    result = at_threshold(scores, labels, chosen.value)
    assert (result.fpr, result.tpr) == (chosen.fpr, chosen.tpr)
    assert result.fpr <= 0.05
    lower = at_threshold(scores, labels, chosen.value - 0.1)
    assert lower.fpr > 0.05, "the next lower score would break it"
    called = (scores >= chosen.value).astype(int)
    assert result.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, called))
    assert result.accuracy == pytest.approx((called == labels).mean())


def test_what_cannot_be_chosen_is_an_error() -> None:
    with pytest.raises(UndefinedMetricError, match="needs 500 real videos"):
        choose_threshold([1, 2], [0, 1], max_fpr=0.01)
    with pytest.raises(UndefinedMetricError, match="fakes never score higher"):
        choose_threshold([2, 1], [0, 1])
    with pytest.raises(UndefinedMetricError, match="share the top score"):
        choose_threshold([1.0] * 200, [0, 1] * 100, max_fpr=0.05)
    with pytest.raises(UndefinedMetricError, match="both classes"):
        at_threshold([1, 2], [1, 1], 0)
