"""Variants of the settings (aggregators, say) under each loss: what a variant changes while the loss stays.

Exploratory: paired over seeds and videos like the effects of losses, with intervals and without claims.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.segments import Float64Array
from vidfake.study.analysis_bootstrap import AucSamples
from vidfake.study.analysis_effects import Effect, paired_effect
from vidfake.study.analysis_runs import Mean
from vidfake.study.definition import StudyDefinition
from vidfake.study.results import ArmState


@dataclass(frozen=True)
class Variants:
    """Loss by variant on one test: `values[loss][variant]`, and `effects[loss][variant]` against that loss under
    variant `control`. `overall[variant]` is the effect on the mean of the losses in `averaged`, which have runs
    under every variant."""

    task: str
    test: str
    control: str
    names: tuple[str, ...]
    values: dict[str, dict[str, Mean | None]]
    effects: dict[str, dict[str, Effect]]
    overall: dict[str, Effect]
    averaged: tuple[str, ...]

    def spread_over_variants(self) -> float | None:
        """Median over losses of the range of the mean figure over variants."""
        return _spread([[self.values[loss][name] for name in self.names] for loss in self.averaged])

    def spread_over_losses(self) -> float | None:
        """Median over variants of the range of the mean figure over losses."""
        return _spread([[self.values[loss][name] for loss in self.averaged] for name in self.names])


@dataclass(frozen=True)
class _Runs:
    """Which runs the mean of several losses is of."""

    test: str
    readout: str
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    video_ids: tuple[str, ...]
    present: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True, eq=False)
class _Averaged:
    """The mean of several losses under each variant, seed and resample."""

    of: _Runs
    points: Float64Array
    samples: Float64Array
    num_clusters: int
    num_videos: int


def control_variant(study: StudyDefinition) -> str:
    """The variant that the others are compared with: that of `control` (``softmax@mean``), else the first."""
    named = study.control.rpartition("@")[2] if "@" in study.control else ""
    names = [variant.name for variant in study.variants]
    return named if named in names else names[0] if names else ""


def variants_of(
    study: StudyDefinition, task: str, arms: Sequence[ArmState], samples: AucSamples
) -> Variants | None:
    """Every loss under every variant; None for a study of fewer than two variants."""
    names = tuple(v.name for v in study.variants if any(a.variant == v.name for a in arms))
    control = control_variant(study)
    if len(names) < 2:
        return None
    arm_of = {(a.loss, a.variant): a.arm for a in arms}
    losses = list(dict.fromkeys(a.loss for a in arms))
    values: dict[str, dict[str, Mean | None]] = {}
    effects: dict[str, dict[str, Effect]] = {}
    for loss in losses:
        places = {n: samples.of.arms.index(arm_of[loss, n]) for n in names if (loss, n) in arm_of}
        values[loss] = {
            n: Mean.of(samples.points[places[n], samples.of.present[places[n]]].tolist()) if n in places else None
            for n in names
        }
        for name in names:
            if name == control or not {name, control} <= set(places):
                continue
            try:
                effect = paired_effect(
                    task, samples, arm_of[loss, name], arm_of[loss, control], alpha=study.alpha
                )  # fmt: skip
            except UndefinedMetricError:  # failed runs leave no seed in common: a dash
                continue
            effects.setdefault(loss, {})[name] = effect
    averaged = tuple(loss for loss in losses if all(values[loss][n] for n in names))
    overall: dict[str, Effect] = {}
    if len(averaged) > 1 and control in names:
        mean = _averaged(samples, [[arm_of[loss, n] for loss in averaged] for n in names], names)
        for name in names:
            if name != control:
                try:
                    overall[name] = paired_effect(task, mean, name, control, alpha=study.alpha)
                except UndefinedMetricError:  # no seed that every loss has under both variants
                    continue
    return Variants(task, samples.of.test, control, names, values, effects, overall, averaged)


def _averaged(samples: AucSamples, groups: Sequence[Sequence[str]], names: tuple[str, ...]) -> _Averaged:
    of = samples.of
    places = [[of.arms.index(arm) for arm in group] for group in groups]
    return _Averaged(
        _Runs(
            of.test,
            of.readout,
            names,
            of.seeds,
            of.video_ids,
            np.stack([of.present[rows].all(axis=0) for rows in places]),
        ),
        np.stack([samples.points[rows].mean(axis=0) for rows in places]),
        np.stack([samples.samples[rows].mean(axis=0) for rows in places]),
        samples.num_clusters,
        samples.num_videos,
    )


def _spread(rows: Sequence[Sequence[Mean | None]]) -> float | None:
    ranges = [max(known) - min(known) for row in rows if len(known := [m.value for m in row if m]) > 1]
    return float(np.median(ranges)) if ranges else None
