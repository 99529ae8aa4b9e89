"""From many scores to one: the pooling registry, and clip → track → video.

A pooling maps `Segments` (the scores of each group, ascending) to one score per group. `scale` tells raw scores
from probabilities: the two poolings that need probabilities map raw scores through the logistic function and back.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from vidfake.errors import ConfigError
from vidfake.metrics.segments import Float64Array, IntArray, Segments
from vidfake.registry import Registry
from vidfake.scores.table import ScoreScale, ScoreTable
from vidfake.settings import ScoreSettings

Pooling = Callable[[Segments, ScoreScale], Float64Array]

POOLINGS: Registry[Pooling] = Registry("pooling")


@POOLINGS.register("mean", source="the field's usual choice")
def mean() -> Pooling:
    """Arithmetic mean."""
    return lambda segments, scale: segments.mean()


@POOLINGS.register("median", source="GenD's option")
def median() -> Pooling:
    """Middle score; the mean of the two middle ones for an even number."""

    def pool(segments: Segments, scale: ScoreScale) -> Float64Array:
        low = segments.values[segments.starts + (segments.counts - 1) // 2]
        high = segments.values[segments.starts + segments.counts // 2]
        middle: Float64Array = low + (high - low) / 2
        return middle

    return pool


@POOLINGS.register("max", source="one manipulated part makes the whole fake")
def maximum() -> Pooling:
    """Largest score."""
    return lambda segments, scale: segments.values[segments.starts + segments.counts - 1]


@POOLINGS.register("top_k", source="multiple-instance learning")
def top_k(*, share: float = 0.25, at_least: int = 1) -> Pooling:
    """Mean of the largest `share` of the scores (rounded up), and of no fewer than `at_least`."""
    _need(0 < share <= 1, f"top_k share is {share}; it must lie in (0, 1]")
    _need(at_least >= 1, f"top_k at_least is {at_least}; it must be at least 1")

    def pool(segments: Segments, scale: ScoreScale) -> Float64Array:
        size = segments.size
        kept = np.minimum(np.maximum(np.ceil(share * size - 1e-9), at_least), size)
        return segments.mean_where(segments.position >= size - kept)

    return pool


@POOLINGS.register("trimmed", source="Tukey's trimmed mean")
def trimmed(*, share: float = 0.1) -> Pooling:
    """Mean without the lowest and the highest `share` of the scores (each rounded down)."""
    _need(0 <= share < 0.5, f"trimmed share is {share}; it must lie in [0, 0.5)")

    def pool(segments: Segments, scale: ScoreScale) -> Float64Array:
        size = segments.size
        cut = np.floor(share * size + 1e-9)
        place = segments.position
        return segments.mean_where((place >= cut) & (place < size - cut))

    return pool


@POOLINGS.register("noisy_or", source="Pearl 1988: independent causes")
def noisy_or() -> Pooling:
    """Probability that at least one is fake, if they were independent; returned on the scale it came in."""

    def pool(segments: Segments, scale: ScoreScale) -> Float64Array:
        if scale == "probability":
            with np.errstate(divide="ignore"):
                return -np.expm1(segments.sum(np.log1p(-segments.values)))
        log_none = segments.sum(-np.logaddexp(0, segments.values))  # log of the product of (1 - sigmoid)
        high = segments.values[segments.starts + segments.counts - 1]
        log_sum = high + np.log(segments.sum(np.exp(segments.values - np.repeat(high, segments.counts))))
        # the logit of 1 - e^x is log(e^-x - 1); where all are far below 0 it is the log of the summed odds
        return np.where(high < -30, log_sum, -log_none + np.log(-np.expm1(np.minimum(log_none, -1e-300))))

    return pool


@POOLINGS.register("confident", source="selimsef, winner of the Deepfake Detection Challenge")
def confident(*, high: float = 0.8, low: float = 0.2, share: float = 0.4, at_least: int = 12) -> Pooling:
    """The mean of the sure fakes if more than `share` and `at_least` are above `high`; of the sure reals if over
    90 % are below `low`; else of all. Thresholds are on probabilities."""
    _need(0 <= low < high <= 1, f"confident takes 0 <= low < high <= 1, got {low} and {high}")

    def pool(segments: Segments, scale: ScoreScale) -> Float64Array:
        probability = segments.values if scale == "probability" else _sigmoid(segments.values)
        on_scale = Segments(probability, segments.starts, segments.counts)
        sure_fake, sure_real = probability > high, probability < low
        fakes, reals = (on_scale.sum(mark.astype(np.float64)) for mark in (sure_fake, sure_real))
        pooled = np.where(
            (fakes > np.floor(share * segments.counts)) & (fakes >= at_least),
            on_scale.mean_where(sure_fake),
            np.where(reals > 0.9 * segments.counts, on_scale.mean_where(sure_real), on_scale.mean()),
        )
        return pooled if scale == "probability" else _logit(pooled)

    return pool


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message + ".")


def _sigmoid(x: Float64Array) -> Float64Array:
    return np.exp(-np.logaddexp(0, -x))


def _logit(p: Float64Array) -> Float64Array:
    tiny = np.finfo(float).tiny
    return np.log(np.maximum(p, tiny)) - np.log(np.maximum(1 - p, np.finfo(float).eps / 2))


def pool(
    values: npt.ArrayLike, groups: npt.ArrayLike, pooling: Pooling | str = "mean", *, scale: ScoreScale = "raw"
) -> tuple[IntArray, Float64Array]:
    """One score per group: the (G,) groups, ascending, and their (G,) pooled scores.

    (n,) `values` belong to the (n,) integer `groups`. An empty group does not appear.
    """
    rule = POOLINGS.build(pooling) if isinstance(pooling, str) else pooling
    segments, names = Segments.of(np.asarray(values, dtype=np.float64), np.asarray(groups, dtype=np.int64))
    return names, rule(segments, scale) if len(names) else np.empty(0)


def pool_tracks(
    table: ScoreTable, pooling: Pooling | str = "mean"
) -> tuple[IntArray, IntArray, Float64Array, Float64Array]:
    """Clip scores pooled per track: (T,) video index, track id, score and mean clip quality, in ascending order."""
    pairs, group = np.unique(np.stack((table.clip_video, table.clip_track)), axis=1, return_inverse=True)
    group = group.reshape(-1)
    _, scores = pool(table.clip_score, group, pooling, scale=table.scale)
    _, quality = pool(table.clip_quality, group, "mean")
    return pairs[0], pairs[1], scores, quality


def pool_video(table: ScoreTable, settings: ScoreSettings | None = None) -> Float64Array:
    """Video-level scores (V,): clips pooled to tracks, tracks to the video; NaN where there is no score.

    A track whose mean clip quality is below `settings.quality_floor` is left out, unless the video has no better
    one. A video without clips keeps the `video_score` that the table gives it.
    """
    settings = settings or ScoreSettings()
    video, _, scores, quality = pool_tracks(table, settings.track_pooling)
    good = quality >= settings.quality_floor
    has_good = np.zeros(len(table), dtype=bool)
    has_good[video[good]] = True
    keep = good | ~has_good[video]
    pooled = table.video_score.copy()
    names, values = pool(scores[keep], video[keep], settings.video_pooling, scale=table.scale)
    pooled[names] = values
    return pooled


def frames_averaged(table: ScoreTable, pooling: Pooling | str = "mean") -> Float64Array:
    """Frame scores pooled per video over all faces (V,); NaN for a video without frame scores."""
    pooled = np.full(len(table), np.nan)
    names, values = pool(table.frame_score, table.frame_video, pooling, scale=table.scale)
    pooled[names] = values
    return pooled
