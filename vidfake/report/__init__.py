"""The report of an evaluation: one self-contained HTML file, with Markdown, CSV and JSON beside it."""

from vidfake.report.build import build_report
from vidfake.report.model import CorruptionPoint, EvaluationResult, Media, ScoreRows

__all__ = ["CorruptionPoint", "EvaluationResult", "Media", "ScoreRows", "build_report"]
