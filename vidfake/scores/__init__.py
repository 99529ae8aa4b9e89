"""Scores of one detector on one dataset, at frame, clip and video level, and the files that hold them."""

from vidfake.scores.builder import ScoreTableBuilder
from vidfake.scores.foreign import read_score_file
from vidfake.scores.table import ScoreTable, VideoScores

__all__ = ["ScoreTable", "ScoreTableBuilder", "VideoScores", "read_score_file"]
