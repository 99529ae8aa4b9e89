"""Pairs: how often a fake outscores the very video it was made from."""

from __future__ import annotations

import numpy as np

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.bootstrap import Clusters, bootstrap, interval
from vidfake.metrics.results import Figure
from vidfake.metrics.sections import Resampling
from vidfake.metrics.segments import Float64Array
from vidfake.metrics.statistics import ShareStatistic
from vidfake.scores.table import ScoreTable


def pair_wins(table: ScoreTable, scores: Float64Array, how: Resampling) -> Figure:
    """Share of pairs (one `pair_id`) in which the fake outscores the real by (V,) `scores`, ties counting half.

    A pair with several of either is the mean over its combinations. The interval resamples whole sources. Blank
    where no pair has two scores.
    """
    pairs: dict[str, tuple[list[float], list[float], str]] = {}
    for i in np.flatnonzero((table.pair_id != "") & table.labelled & ~np.isnan(scores)):
        entry = pairs.setdefault(table.pair_id[i], ([], [], table.source_id[i]))
        (entry[1] if table.label[i] else entry[0]).append(float(scores[i]))
    wins, sources = [], []
    for real, fake, source in pairs.values():
        if real and fake:
            gaps = np.subtract.outer(fake, real)
            wins.append(float(((gaps > 0) + 0.5 * (gaps == 0)).mean()))
            sources.append(source)
    if not wins:
        return Figure(None, reason="No pair has scores of both its real and its fake video.")
    value = float(np.mean(wins))
    try:
        clusters = Clusters.of(sources, np.zeros(len(sources)))
    except UndefinedMetricError as error:
        return Figure(value, reason=str(error))
    if not how.num_resamples:
        return Figure(value)
    share = ShareStatistic(wins, clusters.of_video)
    drawn = bootstrap([share], clusters, num_resamples=how.num_resamples, seed=how.seed)[0][:, 0]
    return Figure(value, interval(value, drawn, num_clusters=clusters.fewest, confidence=how.confidence))
