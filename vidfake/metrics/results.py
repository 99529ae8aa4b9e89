"""What an evaluation found, as plain data: every figure with its interval, or blank with the reason.

`to_plain` turns any of it into JSON-ready values.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.attribution import Attribution
from vidfake.metrics.bootstrap import Interval
from vidfake.metrics.deepfakebench import DeepfakeBenchFigures
from vidfake.metrics.missing import Coverage
from vidfake.metrics.reliability import ReliabilityBin
from vidfake.metrics.threshold import AtThreshold, Threshold


@dataclass(frozen=True)
class Figure:
    """A number with its interval; or None with the `reason` why it does not exist."""

    value: float | None
    interval: Interval | None = None
    reason: str = ""


def figure(compute: Callable[..., float], *arguments: Any) -> Figure:
    """The figure that ``compute(*arguments)`` returns, or a blank one where it raises UndefinedMetricError."""
    try:
        value = compute(*arguments)
    except UndefinedMetricError as error:
        return Figure(None, reason=str(error))
    return Figure(value) if math.isfinite(value) else Figure(None, reason=f"The value is {value}.")


@dataclass(frozen=True)
class LevelResult:
    """Figures of one level. `figures`: auc, partial_auc, average_precision, eer, tpr_at_0.1 … tpr_at_0.001.

    `num_rows` are frames, clips or videos; `num_real` and `num_fake` are videos. `share_fake` (of rows) is what the
    average precision depends on.
    """

    level: str
    num_rows: int
    num_videos: int
    num_real: int
    num_fake: int
    share_fake: float
    coverage: Coverage
    figures: dict[str, Figure]


@dataclass(frozen=True)
class Difference:
    """AUC of `first` minus AUC of `second` on the `num_videos` that both have, on the same resamples."""

    first: str
    second: str
    num_videos: int
    auc: Figure
    p_value: float | None


@dataclass(frozen=True)
class RocBand:
    """An ROC curve on a grid of FPRs, with pointwise 95 % bands where a bootstrap was run (else empty)."""

    level: str
    num_real: int
    fpr: tuple[float, ...]
    tpr: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Section:
    """One choice of rows (all, or pairs) at every level. `pair_wins`: share of pairs whose fake scores higher."""

    name: str
    num_videos: int
    num_real: int
    num_fake: int
    num_sources: int
    levels: tuple[LevelResult, ...]
    differences: tuple[Difference, ...]
    curves: tuple[RocBand, ...]
    pair_wins: Figure | None = None
    reason: str = ""


@dataclass(frozen=True)
class GroupResult:
    """Video-level figures of a part of the data."""

    kind: str
    name: str
    against: str
    num_real: int
    num_fake: int
    auc: Figure
    eer: Figure


@dataclass(frozen=True)
class VerdictCounts:
    """What the verdict, with the detector's own two thresholds, says of a part of the videos of one `label`.

    `called_fake` is the share of scored videos that are called likely fake: of reals the false-positive rate. Its
    interval counts whole sources.
    """

    kind: str
    name: str
    label: int
    num_videos: int
    num_sources: int
    likely_fake: int
    inconclusive: int
    likely_real: int
    no_score: int
    called_fake: Figure


@dataclass(frozen=True)
class PolicyFigures:
    """Figures of some rows (``all`` or ``pairs``) with videos that have no score treated by one `policy`.

    `balanced_accuracy` is None where no threshold came from validation.
    """

    rows: str
    policy: str
    num_videos: int
    auc: Figure
    average_precision: Figure
    eer: Figure
    balanced_accuracy: Figure | None = None


@dataclass(frozen=True)
class CalibrationFigures:
    """Class-balanced figures of probabilities at video level; `method` is ``none`` before calibration."""

    method: str
    log_loss: Figure
    brier: Figure
    ece: Figure
    cllr: Figure
    cllr_min: Figure
    bins: tuple[ReliabilityBin, ...] = ()


@dataclass(frozen=True)
class Distribution:
    """Histogram of video-level scores of one manipulation (``real`` for reals) over common `edges`."""

    name: str
    num_videos: int
    median: float
    counts: tuple[int, ...]
    edges: tuple[float, ...]


@dataclass(frozen=True)
class WorstError:
    """A video that was most wrong, and the time of its highest-scoring clip or frame."""

    video_id: str
    label: int
    manipulation: str
    score: float
    rank: float
    seconds: float | None


@dataclass(frozen=True)
class DatasetResult:
    """Everything about one detector on one data set."""

    detector: str
    dataset: str
    role: str
    headline_level: str
    num_unlabelled: int
    manipulations: dict[str, int]
    sections: tuple[Section, ...]
    policies: tuple[PolicyFigures, ...] = ()
    groups: tuple[GroupResult, ...] = ()
    threshold: Threshold | None = None
    at_threshold: AtThreshold | None = None
    balanced_accuracy: Figure | None = None
    verdicts: tuple[VerdictCounts, ...] = ()
    verdict_false_positive_rate: float | None = None
    calibration: tuple[CalibrationFigures, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    worst: tuple[WorstError, ...] = ()
    deepfakebench: DeepfakeBenchFigures | None = None
    attribution: Attribution | None = None
    open_set_auc: Figure | None = None
    facts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def section(self, name: str) -> Section | None:
        """The section of that name (``all`` or ``pairs``), if it exists."""
        return next((section for section in self.sections if section.name == name), None)

    def headline(self) -> Figure:
        """AUC at the headline level over all rows."""
        rows = self.section("all")
        for level in rows.levels if rows else ():
            if level.level == self.headline_level:
                return level.figures["auc"]
        return Figure(None, reason=rows.reason if rows else "nothing was scored")


def to_plain(value: Any) -> Any:
    """JSON-ready values: dataclasses as tables, arrays and tuples as lists, NaN and infinity as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [to_plain(item) for item in value]
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
