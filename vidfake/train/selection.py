"""Calibration and verdict thresholds of a finished run, from its validation scores only."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from vidfake.errors import UndefinedMetricError
from vidfake.inference.verdict import Thresholds
from vidfake.metrics.calibration import Calibration, fit_calibration
from vidfake.metrics.levels import level_rows
from vidfake.metrics.threshold import choose_threshold
from vidfake.scores import ScoreTable
from vidfake.settings import ScoreSettings

RATES = (0.05, 0.1, 0.2)
"""Error rates to try for each threshold, smallest first; the first that validation is large enough for is used."""


def fit_thresholds(table: ScoreTable, settings: ScoreSettings) -> Thresholds | None:
    """Thresholds at video level, or None when validation is too small for the largest rate."""
    rows = level_rows(table, "video", settings)
    for rate in RATES:
        try:
            fake = choose_threshold(rows.scores, rows.labels, max_fpr=rate)
            # the mirror image: calling a fake real is a false alarm of the opposite test
            real = choose_threshold(-rows.scores, 1 - rows.labels, max_fpr=rate)
        except UndefinedMetricError:
            continue
        return Thresholds(
            likely_fake=fake.value,
            likely_real=-real.value,
            false_positive_rate=rate,
            miss_rate=rate,
            num_validation_real=fake.num_real,
            num_validation_fake=fake.num_fake,
        )
    return None


def fit_threshold(table: ScoreTable, settings: ScoreSettings) -> dict[str, Any] | None:
    """The video-level threshold of highest balanced accuracy, to be carried over to test data; JSON-ready."""
    rows = level_rows(table, "video", settings)
    try:
        return asdict(choose_threshold(rows.scores, rows.labels))
    except UndefinedMetricError:
        return None


def fit_calibration_of(table: ScoreTable, settings: ScoreSettings) -> Calibration | None:
    """Calibration of video-level scores, or None when validation does not have both classes."""
    rows = level_rows(table, "video", settings)
    try:
        return fit_calibration(rows.scores, rows.labels, settings.calibration)
    except UndefinedMetricError:
        return None
