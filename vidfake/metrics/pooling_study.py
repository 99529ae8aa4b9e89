"""Which pooling serves best? Tried on validation, one chosen there, and only that one reported on test data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.pooling import POOLINGS, frames_averaged, pool, pool_video
from vidfake.metrics.ranking import auc
from vidfake.metrics.results import Figure, figure
from vidfake.metrics.segments import Float64Array
from vidfake.scores.table import ScoreTable
from vidfake.settings import ScoreSettings

Unit = Literal["frames", "clips", "tracks"]


@dataclass(frozen=True)
class PooledBy:
    """One way to a video's score. `track_pooling` is empty for frames and clips, which go to the video directly."""

    unit: Unit
    video_pooling: str
    track_pooling: str = ""

    def scores(self, table: ScoreTable) -> Float64Array:
        """(V,) video scores, NaN where there is none."""
        if self.unit == "frames":
            return frames_averaged(table, self.video_pooling)
        if self.unit == "tracks":
            return pool_video(table, ScoreSettings(self.track_pooling, self.video_pooling))
        pooled = np.full(len(table), np.nan)
        videos, values = pool(table.clip_score, table.clip_video, self.video_pooling, scale=table.scale)
        pooled[videos] = values
        return pooled


@dataclass(frozen=True)
class PoolingRow:
    """Validation AUC of one way of pooling, and the test AUC of the one that was chosen (`chosen`)."""

    way: PooledBy
    validation_auc: Figure
    chosen: bool = False
    test_auc: Figure | None = None


def pooling_study(validation: ScoreTable, test: ScoreTable | None = None) -> tuple[PoolingRow, ...]:
    """Every pooling over frames, clips and tracks on `validation`, best first; the best is applied to `test`.

    Ties go to the simpler way (clips before tracks, earlier registry rows first). Raises UndefinedMetricError where
    validation has no way with an AUC.
    """
    names = POOLINGS.names()
    ways = [PooledBy("clips", name) for name in names]
    ways += [PooledBy("tracks", name, track) for track in names for name in names]
    ways += [PooledBy("frames", name) for name in names]
    rows = [PoolingRow(way, figure(_auc, way, validation)) for way in ways]
    rows = [row for row in rows if row.validation_auc.value is not None]
    if not rows:
        raise UndefinedMetricError(
            "No pooling can be chosen: validation has no labelled frame or clip scores of both classes."
        )
    rows.sort(key=lambda row: -(row.validation_auc.value or 0.0))
    best = rows[0]
    tested = figure(_auc, best.way, test) if test is not None else None
    return (PoolingRow(best.way, best.validation_auc, True, tested), *rows[1:])


def _auc(way: PooledBy, table: ScoreTable) -> float:
    scores = way.scores(table)
    rows = table.labelled & ~np.isnan(scores)
    return auc(scores[rows], table.label[rows])
