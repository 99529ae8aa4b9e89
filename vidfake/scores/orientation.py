"""Are the scores the right way round? Detected and refused, never silently turned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from vidfake.errors import ScoreFileError
from vidfake.scores.columns import Float64Array
from vidfake.scores.ranks import auc_from_ranks, rank_sum_z
from vidfake.scores.table import ScoreTable
from vidfake.types import FAKE, REAL

REVERSED_BELOW_Z = -3.0
"""So many standard errors below an AUC of 0.5: one honest chance detector in 700 lies there."""


def refuse_reversed(table: ScoreTable, path: Path | str) -> None:
    """Raise ScoreFileError where the AUC over videos is significantly below 0.5. One class alone passes."""
    scores = _video_means(table)
    scored = ~np.isnan(scores)
    real, fake = (scores[scored & (table.label == label)] for label in (REAL, FAKE))
    if not len(real) or not len(fake):
        return
    z = rank_sum_z(real, fake)
    if z < REVERSED_BELOW_Z:
        raise ScoreFileError(
            f"{path}: the scores look reversed: AUC {auc_from_ranks(real, fake):.3f} over {len(real)} real and "
            f"{len(fake)} fake videos, {-z:.1f} standard errors below 0.5. If higher means real in this file, pass "
            "higher_is='real' (--higher-is real); if the detector is truly that wrong, pass higher_is='fake' "
            "(--higher-is fake)."
        )


def turned_round(table: ScoreTable) -> ScoreTable:
    """The table with every score reversed: 1 - p for probabilities, the other sign for raw scores."""
    top = 1.0 if table.scale == "probability" else 0.0
    return replace(
        table,
        frame_score=top - table.frame_score,
        clip_score=top - table.clip_score,
        video_score=top - table.video_score,
    )


def _video_means(table: ScoreTable) -> Float64Array:
    """(V,) rough scores for this check only: the video's own, or the mean of its clips, or of its frames."""
    if table.has_video_score.any():
        return table.video_score
    clips = len(table.clip_score) > 0
    video, scores = (table.clip_video, table.clip_score) if clips else (table.frame_video, table.frame_score)
    count = np.bincount(video, minlength=len(table))
    means = np.full(len(table), np.nan)
    np.divide(np.bincount(video, weights=scores, minlength=len(table)), count, out=means, where=count > 0)
    return means
