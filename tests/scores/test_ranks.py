"""Midranks and the rank-sum statistic against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm, rankdata

from vidfake.scores.ranks import auc_from_ranks, midranks, rank_sum_z

few_values = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40)


@given(few_values)
@settings(max_examples=100, deadline=None)
def test_midranks_equal_scipy(values: list[float]) -> None:
    assert midranks(np.array(values)).tolist() == rankdata(values).tolist()


@given(few_values, few_values)
@settings(max_examples=100, deadline=None)
def test_rank_sum_equals_scipy(real: list[float], fake: list[float]) -> None:
    a, b = np.array(real), np.array(fake)
    expected = mannwhitneyu(b, a, method="asymptotic", use_continuity=False)
    assert auc_from_ranks(a, b) == pytest.approx(expected.statistic / (len(a) * len(b)), abs=1e-12)
    if len(set(real + fake)) > 1:
        assert 2 * norm.sf(abs(rank_sum_z(a, b))) == pytest.approx(expected.pvalue, abs=1e-9)


def test_scores_that_all_tie_say_nothing() -> None:
    assert rank_sum_z(np.ones(5), np.ones(7)) == 0
    assert len(midranks(np.empty(0))) == 0
