"""What a report is made of. `evaluate` fills these; the report only lays them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vidfake.metrics.calibration import Calibration
from vidfake.metrics.comparison import Comparison
from vidfake.metrics.levels import level_rows
from vidfake.metrics.pooling import frames_averaged
from vidfake.metrics.pooling_study import PoolingRow
from vidfake.metrics.results import DatasetResult, Figure
from vidfake.metrics.segments import Float64Array
from vidfake.scores.table import ScoreTable
from vidfake.settings import ScoreSettings


@dataclass(frozen=True)
class CorruptionPoint:
    """Video-level AUC under one corruption at one severity; severity 0 is the clean data."""

    detector: str
    dataset: str
    kind: str
    severity: int
    parameter: str
    auc: Figure
    coverage: float


@dataclass(frozen=True)
class EvaluationResult:
    """A whole evaluation. All texts are shown as they are, whatever they hold.

    `created` is the time to print; `command` the lines that reproduce it; `protocol`, `environment` and each entry
    of `data` (data set -> facts such as file, SHA-256 and number of videos) are printed as tables.
    """

    title: str
    results: tuple[DatasetResult, ...]
    created: str = ""
    comparisons: tuple[Comparison, ...] = ()
    corruptions: tuple[CorruptionPoint, ...] = ()
    pooling: tuple[PoolingRow, ...] = ()
    protocol: dict[str, str] = field(default_factory=dict)
    data: dict[str, dict[str, str]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ScoreRows:
    """Per-video scores of one detector on one data set, for ``scores.csv``: (V,), NaN where there is none."""

    table: ScoreTable
    dataset: str
    video: Float64Array
    averaged: Float64Array
    probability: Float64Array

    @staticmethod
    def of(
        table: ScoreTable,
        *,
        dataset: str,
        settings: ScoreSettings | None = None,
        calibration: Calibration | None = None,
    ) -> ScoreRows:
        """Pool a table's scores as `summarise` does."""
        rows = level_rows(table, "video", settings)
        video = np.full(len(table), np.nan)
        video[rows.video] = rows.scores
        averaged = frames_averaged(table)
        best = video if len(rows.scores) else averaged
        probability = calibration(best) if calibration else np.full(len(table), np.nan)
        return ScoreRows(table, dataset, video, averaged, probability)


@dataclass(frozen=True)
class Media:
    """What the report can show of one video: a JPEG of its face, and the file to link to (opened at the time)."""

    thumbnail: bytes | None = None
    path: Path | None = None


MediaOf = Mapping[tuple[str, str], Media]
"""(data set, video_id) -> what can be shown of it."""
