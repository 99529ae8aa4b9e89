"""The effect of each loss against the control: paired over seeds and videos, Holm over the family, equivalence.

A claim of a difference needs seeds: with n pairs the smallest two-sided p-value of a signed-rank test is 2 / 2^n,
so that fewer than log2(2 k / alpha) seeds can carry no claim among k comparisons, however large the difference. An
analysis with fewer makes none and says how many are needed (docs/loss_study.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from scipy.special import stdtrit
from scipy.stats import wilcoxon

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.bootstrap import Interval, interval, over_seeds, p_value
from vidfake.metrics.delong import delong_test
from vidfake.metrics.multiplicity import holm
from vidfake.metrics.segments import Float64Array
from vidfake.study.analysis_bootstrap import AucSamples

Verdict = Literal["better", "worse", "different but within the margin", "equivalent", "undecided", "no claim"]
POWER = 0.8


class Runs(Protocol):
    """Which runs a figure is of: arms under seeds, on the same videos."""

    @property
    def test(self) -> str: ...
    @property
    def readout(self) -> str: ...
    @property
    def arms(self) -> tuple[str, ...]: ...
    @property
    def seeds(self) -> tuple[int, ...]: ...
    @property
    def video_ids(self) -> tuple[str, ...]: ...
    @property
    def present(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]: ...


class Samples(Protocol):
    """A figure of every run: `points` (A, S), and `samples` (A, S, R) on the same R resamples of sources."""

    @property
    def of(self) -> Runs: ...
    @property
    def points(self) -> Float64Array: ...
    @property
    def samples(self) -> Float64Array: ...
    @property
    def num_clusters(self) -> int: ...
    @property
    def num_videos(self) -> int: ...


@dataclass(frozen=True)
class Effect:
    """A loss minus its control: means over the seeds that both have.

    `interval` has confidence 1 - alpha and `band` 1 - 2 alpha: the two one-sided tests of equivalence at alpha.
    Both hold training and test videos for chance; `seed_deviation` is that of the paired difference over seeds
    alone, `seed_error` and `video_error` the standard errors from either source by itself. `wins` counts seeds in
    which the loss is above the control. `wilcoxon_p` (over seeds, these videos) and `delong_p` (median over seeds,
    videos as if independent) are second opinions. `holm_p` is there in a family whose seeds suffice.
    """

    task: str
    arm: str
    control: str
    test: str
    readout: str
    num_seeds: int
    num_videos: int
    num_clusters: int
    value: float
    control_value: float
    difference: float
    seed_deviation: float | None = None
    interval: Interval | None = None
    band: Interval | None = None
    seed_error: float | None = None
    video_error: float | None = None
    wins: int = 0
    p: float | None = None
    holm_p: float | None = None
    wilcoxon_p: float | None = None
    delong_p: float | None = None
    verdict: Verdict = "no claim"
    reason: str = ""

    @property
    def standard_error(self) -> float | None:
        """The error behind the interval, of both sources together."""
        if self.interval is None:
            return None
        n = self.interval.num_clusters
        return (self.interval.high - self.difference) / float(stdtrit(n - 1, (1 + self.interval.confidence) / 2))


@dataclass(frozen=True)
class Family:
    """Comparisons that are one claim: each loss against the control on the primary metric and test of a task.

    `missing`: arms without a comparison -> why. `seeds` is what its comparisons have at most, `seeds_needed` what
    a claim of a difference needs, `seeds_for_equivalence` what one claim of equivalence needs. `refused` is a
    reason to claim nothing at all.
    """

    task: str
    test: str
    metric: str
    alpha: float
    margin: float
    effects: tuple[Effect, ...]
    missing: dict[str, str]
    seeds: int
    seeds_needed: int
    seeds_for_equivalence: int
    refused: str = ""

    @property
    def claims_differences(self) -> bool:
        """True where the seeds suffice for claims of a difference."""
        return not self.refused and self.seeds >= self.seeds_needed

    @property
    def claims_equivalence(self) -> bool:
        """True where the seeds suffice for claims of equivalence."""
        return not self.refused and self.seeds >= self.seeds_for_equivalence

    def smallest_detectable(self) -> float | None:
        """The difference that the first step of Holm would find with a power of 80 %, of the median comparison."""
        errors = [e.standard_error for e in self.effects if e.standard_error is not None]
        if not errors:
            return None
        df = min(min(e.num_seeds, e.num_clusters) for e in self.effects) - 1
        reach = float(stdtrit(df, 1 - self.alpha / (2 * len(self.effects)))) + float(stdtrit(df, POWER))
        return reach * float(np.median(errors))


def seeds_needed(comparisons: int, alpha: float) -> int:
    """Fewest seeds with 2 / 2^n <= alpha / comparisons."""
    n = 2
    while 2.0 / 2**n > alpha / max(comparisons, 1) * (1 + 1e-12):
        n += 1
    return n


def comparisons_carried(seeds: int, alpha: float) -> int:
    """Most comparisons that so many seeds can carry."""
    return math.floor(alpha * 2.0 ** (seeds - 1) * (1 + 1e-12))


def paired_effect(
    task: str, samples: Samples, arm: str, control: str, *, alpha: float, other: Samples | None = None
) -> Effect:
    """`arm` in `samples` minus `control` in `other` (by default the same), over the seeds that both have.

    `samples` are of AUC or of any other figure. Without two such seeds, or without resamples, there is no interval,
    and `reason` says why. `other` must hold the same videos and resamples. Raises UndefinedMetricError without a
    common seed.
    """
    theirs = samples if other is None else other
    if samples.of.video_ids != theirs.of.video_ids or samples.of.seeds != theirs.of.seeds:
        raise ValueError(f"'{arm}' and '{control}' are not of the same videos and seeds")
    a, c = samples.of.arms.index(arm), theirs.of.arms.index(control)
    both = samples.of.present[a] & theirs.of.present[c]
    if not both.any():
        raise UndefinedMetricError(
            f"'{arm}' has no seed in common with '{control}': final runs failed or are to come."
        )
    values, controls = samples.points[a, both], theirs.points[c, both]
    gaps, gap_samples = values - controls, samples.samples[a, both] - theirs.samples[c, both]
    number = int(both.sum())
    effect = Effect(
        task=task,
        arm=arm,
        control=control,
        test=samples.of.test,
        readout=samples.of.readout,
        num_seeds=number,
        num_videos=samples.num_videos,
        num_clusters=samples.num_clusters,
        value=float(values.mean()),
        control_value=float(controls.mean()),
        difference=float(gaps.mean()),
        wins=int((gaps > 0).sum()),
        delong_p=_delong(samples, theirs, a, c, both),
    )
    if number < 2:
        return replace(effect, reason="one seed says nothing about training again; no interval")
    return replace(effect, **_spread(gaps, gap_samples, effect, alpha))  # type: ignore[arg-type]


def _spread(gaps: Float64Array, samples: Float64Array, effect: Effect, alpha: float) -> dict[str, object]:
    means = over_seeds(samples)
    few = min(len(gaps), effect.num_clusters)
    point, deviation = effect.difference, float(gaps.std(ddof=1))
    clusters = effect.num_clusters
    return {
        "seed_deviation": deviation,
        "interval": interval(point, means, num_clusters=few, scale="difference", confidence=1 - alpha),
        "band": interval(point, means, num_clusters=few, scale="difference", confidence=1 - 2 * alpha),
        "seed_error": deviation / math.sqrt(len(gaps)),
        "video_error": float(samples.mean(axis=0).std()) * math.sqrt(clusters / (clusters - 1)),
        "p": p_value(point, means, num_clusters=few),
        "wilcoxon_p": float(wilcoxon(gaps, method="exact" if len(set(abs(gaps))) == len(gaps) else "approx").pvalue)
        if np.any(gaps != 0)
        else 1.0,
    }


def _delong(
    samples: Samples, theirs: Samples, a: int, c: int, both: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> float | None:
    """Median over seeds; None for a figure that is no AUC."""
    if not (isinstance(samples, AucSamples) and isinstance(theirs, AucSamples)):
        return None
    pairs = zip(samples.of.scores[a, both], theirs.of.scores[c, both], strict=True)
    try:
        return float(np.median([delong_test(x, y, samples.of.labels).p_value for x, y in pairs]))
    except UndefinedMetricError:
        return None


def family(
    task: str,
    samples: AucSamples,
    controls: dict[str, str],
    *,
    alpha: float,
    margin: float,
    metric: str = "video_auc",
    refused: str = "",
) -> Family:
    """Every arm of `controls` (arm -> its control) as one family. `refused` is a reason to claim nothing at all."""
    effects: list[Effect] = []
    missing: dict[str, str] = {}
    for arm, control in controls.items():
        if control not in samples.of.arms:
            missing[arm] = f"its control '{control}' has no runs"
            continue
        try:
            effects.append(paired_effect(task, samples, arm, control, alpha=alpha))
        except UndefinedMetricError as error:
            missing[arm] = str(error)
    planned = len(effects) + len(missing)  # what was declared, so that a failed arm makes no other one significant
    found = Family(
        task=task,
        test=samples.of.test,
        metric=metric,
        alpha=alpha,
        margin=margin,
        effects=tuple(effects),
        missing=missing,
        seeds=max((e.num_seeds for e in effects), default=0),
        seeds_needed=seeds_needed(planned, alpha),
        seeds_for_equivalence=seeds_needed(1, alpha),
        refused=refused,
    )
    return judged(found, planned)


def judged(found: Family, planned: int) -> Family:
    """The family with Holm's p-values over `planned` comparisons, and verdicts, as far as seeds carry them.

    A comparison with too few seeds, for failed runs, keeps its place in the family and claims nothing.
    """
    able = {e.arm: e.p for e in found.effects if e.p is not None and e.num_seeds >= found.seeds_needed}
    silent = {f"\0{i}": 1.0 for i in range(planned - len(able))}
    adjusted = holm({**able, **silent}) if not found.refused else {}
    effects = []
    for effect in found.effects:
        p = adjusted.get(effect.arm)
        short = found.claims_differences and effect.num_seeds < found.seeds_needed
        reason = f"{effect.num_seeds} seeds, {found.seeds_needed} are needed" if short else effect.reason
        effects.append(replace(effect, holm_p=p, verdict=_verdict(effect, p, found), reason=reason))
    return replace(found, effects=tuple(effects))


def _verdict(effect: Effect, holm_p: float | None, found: Family) -> Verdict:
    if effect.band is None or found.refused or effect.num_seeds < found.seeds_for_equivalence:
        return "no claim"
    inside = effect.band.inside(found.margin)
    if holm_p is not None and holm_p < found.alpha:
        if inside:
            return "different but within the margin"
        return "better" if effect.difference > 0 else "worse"
    if inside:
        return "equivalent"
    return "no claim" if holm_p is None else "undecided"
