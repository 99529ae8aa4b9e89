"""`summarise`: one score table in, every figure about it out. What `vidfake evaluate` and the report stand on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from vidfake.errors import UndefinedMetricError
from vidfake.metrics import details
from vidfake.metrics.calibration import Calibration
from vidfake.metrics.deepfakebench import DeepfakeBenchFigures, deepfakebench_figures
from vidfake.metrics.groups import in_pairs
from vidfake.metrics.levels import LevelName, LevelRows, score_levels
from vidfake.metrics.pairs import pair_wins
from vidfake.metrics.results import DatasetResult, Figure, figure
from vidfake.metrics.sections import Resampling, section
from vidfake.metrics.segments import Float64Array
from vidfake.metrics.threshold import AtThreshold, Threshold, at_threshold
from vidfake.metrics.verdicts import Band, verdict_counts
from vidfake.scores.table import ScoreTable
from vidfake.settings import ScoreSettings
from vidfake.types import FAKE


def summarise(
    table: ScoreTable,
    *,
    settings: ScoreSettings | None = None,
    dataset: str = "",
    role: str = "",
    threshold: Threshold | None = None,
    band: Band | None = None,
    calibration: Calibration | None = None,
    how: Resampling | None = None,
    facts: dict[str, str] | None = None,
) -> DatasetResult:
    """Every figure of one detector on one data set. Nothing here is chosen on `table`.

    `threshold`, `band` (the verdict's two thresholds) and `calibration` come from validation at video level (for a
    table without clip scores: of the averaged frames). `role` says what the data are to the detector
    (``in-dataset``, ``cross-dataset`` …); `facts` are lines for the report (hashes, versions). Figures that do not
    exist are blank with a reason.
    """
    how = how or Resampling()
    levels = score_levels(table, settings)
    headline: LevelName = "video" if "video" in levels else "frames_averaged"
    scores = _per_video(table, levels.get(headline))
    decided, balanced = _decide(table, scores, threshold)
    pairs = in_pairs(table)
    sections = [section("all", table, levels, table.labelled, how)]
    if pairs.any():
        wins = pair_wins(table, np.where(pairs, scores, np.nan), how)
        sections.append(replace(section("pairs", table, levels, pairs, how), pair_wins=wins))
    return DatasetResult(
        detector=table.detector,
        dataset=dataset or ", ".join(sorted(set(table.dataset) - {""})),
        role=role,
        headline_level=headline,
        num_unlabelled=int((~table.labelled).sum()),
        manipulations=dict(sorted(Counter(map(str, table.manipulation[table.label == FAKE])).items())),
        sections=tuple(sections),
        policies=details.policy_figures(table, scores, threshold),
        groups=details.group_results(table, scores, how),
        threshold=threshold,
        at_threshold=decided,
        balanced_accuracy=balanced,
        verdicts=() if band is None else verdict_counts(table, scores, band, confidence=how.confidence),
        verdict_false_positive_rate=None if band is None else band.false_positive_rate,
        calibration=details.calibration_figures(table, scores, calibration),
        distributions=details.distributions(table, scores),
        worst=details.worst_errors(table, scores),
        deepfakebench=_their_figures(table),
        facts=facts or {},
        notes=_notes(table, levels, settings or ScoreSettings()),
    )


def _per_video(table: ScoreTable, rows: LevelRows | None) -> Float64Array:
    scores = np.full(len(table), np.nan)
    if rows is not None:
        scores[rows.video] = rows.scores
    return scores


def _decide(
    table: ScoreTable, scores: Float64Array, threshold: Threshold | None
) -> tuple[AtThreshold | None, Figure | None]:
    if threshold is None:
        return None, None
    rows = table.labelled & ~np.isnan(scores)
    try:
        decided = at_threshold(scores[rows], table.label[rows], threshold.value)
    except UndefinedMetricError as error:
        return None, Figure(None, reason=str(error))
    return decided, figure(lambda: decided.balanced_accuracy)


def _their_figures(table: ScoreTable) -> DeepfakeBenchFigures | None:
    """None where they do not exist: neither frame nor clip scores, or one class (the sections carry the reason)."""
    try:
        return deepfakebench_figures(table)
    except UndefinedMetricError:
        return None


def _notes(table: ScoreTable, levels: dict[LevelName, LevelRows], settings: ScoreSettings) -> tuple[str, ...]:
    notes = []
    if "clip" in levels:
        floor = f", tracks below quality {settings.quality_floor:g} left out" if settings.quality_floor else ""
        notes.append(
            f"Video-level: clips pooled to tracks by {settings.track_pooling}, tracks to the video by "
            f"{settings.video_pooling}{floor}."
        )
    if "video" in levels and not len(table.clip_score):
        notes.append("Video-level scores are the file's own; no clip scores are known.")
    if "frame" in levels and "video" not in levels:
        notes.append("Only frame scores are known: groups, calibration and errors use the averaged frames.")
    return tuple(notes)
