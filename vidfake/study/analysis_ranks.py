"""Ranks of the losses: by resampling on one test, and over independent tests with a critical difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.comparison import Ranking
from vidfake.metrics.multiplicity import critical_difference, friedman, indistinguishable_groups
from vidfake.metrics.segments import Float64Array
from vidfake.scores.ranks import midranks
from vidfake.seeding import generator
from vidfake.study.analysis_bootstrap import AucSamples


@dataclass(frozen=True)
class RankRange:
    """Where an arm stands (1 is best), and the central 95 % of where it would stand with other seeds and people."""

    arm: str
    rank: float
    low: float
    high: float
    first_share: float  # share of resamples in which it is first, ties shared


def rank_ranges(samples: AucSamples) -> list[RankRange]:
    """Ranks by mean AUC over seeds on hierarchical resamples (seeds, then sources), best first.

    Arms without runs are left out. Seeds are drawn the same for all arms.
    """
    there = samples.of.present
    arms = np.flatnonzero(there.any(axis=1))
    if not len(arms):
        return []
    number = there.shape[1]
    resamples = samples.samples.shape[2]
    draws = generator("ranks", 0).multinomial(number, np.full(number, 1 / number), size=resamples).T  # (S, R)
    means = np.empty((len(arms), resamples))
    for i, a in enumerate(arms):
        weight = draws * there[a][:, None]
        total = weight.sum(axis=0)
        summed = (weight * np.nan_to_num(samples.samples[a])).sum(axis=0)
        plain = np.nanmean(samples.samples[a], axis=0)  # a draw without any of this arm's seeds
        means[i] = np.where(total > 0, summed / np.maximum(total, 1), plain)
    points = np.nanmean(samples.points[arms], axis=1)
    ranks = np.stack([midranks(-column) for column in means.T], axis=1)
    best = means == means.max(axis=0)
    firsts = (best / best.sum(axis=0)).mean(axis=1)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=1)
    of_point = midranks(-points)
    rows = [
        RankRange(samples.of.arms[a], float(of_point[i]), float(low[i]), float(high[i]), float(firsts[i]))
        for i, a in enumerate(arms)
    ]
    return sorted(rows, key=lambda row: (row.rank, row.arm))


def independent_blocks(sources: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Tests grouped so that those that share a source are one block: they are no further evidence."""
    blocks: list[tuple[set[str], list[str]]] = []
    for test, names in sources.items():
        own, members = set(names), [test]
        apart = []
        for seen, tests in blocks:
            if seen & own:
                own |= seen
                members = [*tests, *members]
            else:
                apart.append((seen, tests))
        blocks = [*apart, (own, members)]
    return [tests for _, tests in blocks]


def ranking(figures: Mapping[str, Mapping[str, float]], blocks: Sequence[Sequence[str]]) -> Ranking | str:
    """Friedman and Nemenyi over blocks; `figures` are test -> arm -> mean over seeds, averaged within a block.

    Arms without a figure on some test are left out. A reason where the blocks do not allow it.
    """
    used = [[test for test in block if figures.get(test)] for block in blocks]
    used = [block for block in used if block]
    tests = [test for block in used for test in block]
    if not tests:
        return "no test has figures."
    arms = [arm for arm in figures[tests[0]] if all(arm in figures[test] for test in tests)]
    values: Float64Array = np.array(
        [[np.mean([figures[test][arm] for test in block]) for arm in arms] for block in used], dtype=np.float64
    )
    if len(used) < 2:
        return (
            f"the {len(tests)} test(s) share their sources and count as one; a critical difference needs two "
            "independent tests at least."
        )
    try:
        test = friedman(values)
        difference = critical_difference(len(arms), len(used))
    except UndefinedMetricError as error:
        return str(error)
    ranks = dict(sorted(zip(arms, test.mean_ranks, strict=True), key=lambda pair: pair[1]))
    groups = indistinguishable_groups(ranks, difference)
    return Ranking(tuple(" + ".join(block) for block in used), ranks, test, difference, tuple(map(tuple, groups)))
