"""The levels at which one table can be read, side by side: frames, frames averaged, clips, video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.pooling import frames_averaged, pool_video
from vidfake.metrics.ranking import auc
from vidfake.metrics.segments import Float64Array, IntArray
from vidfake.scores.table import ScoreTable
from vidfake.settings import ScoreSettings

LevelName = Literal["frame", "frames_averaged", "clip", "video"]
LEVELS: tuple[LevelName, ...] = ("frame", "frames_averaged", "clip", "video")
LEVEL_TITLES: dict[str, str] = {
    "frame": "Frame-level",
    "frames_averaged": "Frames averaged",
    "clip": "Clip-level",
    "video": "Video-level",
}


@dataclass(frozen=True, eq=False)
class LevelRows:
    """The rows of one level: (n,) `scores`, `labels` (0/1) and `video` (index into the table). Unlabelled videos
    and videos without a score are not there."""

    name: LevelName
    scores: Float64Array
    labels: IntArray
    video: IntArray

    @property
    def num_videos(self) -> int:
        """Number of videos that have a row."""
        return len(np.unique(self.video))

    def of_videos(self, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> LevelRows:
        """The rows of the videos that the (V,) `mask` marks."""
        keep = mask[self.video]
        return LevelRows(self.name, self.scores[keep], self.labels[keep], self.video[keep])


def level_rows(table: ScoreTable, level: LevelName, settings: ScoreSettings | None = None) -> LevelRows:
    """The labelled, scored rows of one level. Empty where the table has no scores of that level."""
    if level == "frame":
        scores, video = table.frame_score, table.frame_video
    elif level == "clip":
        scores, video = table.clip_score, table.clip_video
    else:
        per_video = frames_averaged(table) if level == "frames_averaged" else pool_video(table, settings)
        video = np.flatnonzero(~np.isnan(per_video))
        scores = per_video[video]
    keep = table.labelled[video]
    return LevelRows(level, scores[keep], table.label[video[keep]], video[keep])


def score_levels(table: ScoreTable, settings: ScoreSettings | None = None) -> dict[LevelName, LevelRows]:
    """Every level that the table has scores for, in the order of LEVELS."""
    found = {level: level_rows(table, level, settings) for level in LEVELS}
    return {level: rows for level, rows in found.items() if len(rows.scores)}


def video_auc(table: ScoreTable, settings: ScoreSettings | None = None) -> float:
    """Video-level AUC of a table in one call.

    Raises UndefinedMetricError when it has no video-level score or only one class.
    """
    rows = level_rows(table, "video", settings)
    if not len(rows.scores):
        raise UndefinedMetricError(
            f"No video-level AUC: none of {len(table)} videos has both a label and a clip or video score. "
            "Score some labelled videos first."
        )
    return auc(rows.scores, rows.labels)
