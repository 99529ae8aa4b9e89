"""A study's figures as flat rows, one per arm of a task: what `table.csv` holds and the tables show."""

from __future__ import annotations

from dataclasses import dataclass

from vidfake.metrics.bootstrap import Interval
from vidfake.study.analysis import StudyAnalysis, TaskAnalysis
from vidfake.study.analysis_classes import MACRO
from vidfake.study.analysis_effects import Effect
from vidfake.study.analysis_runs import Mean

COLUMNS = (
    "task",
    "arm",
    "control",
    "test",
    "metric",
    "value",
    "deviation_over_seeds",
    "control_value",
    "difference",
    "low",
    "high",
    "band_low",
    "band_high",
    "p",
    "holm_p",
    "verdict",
    "wilcoxon_p",
    "delong_p",
    "seed_error",
    "video_error",
    "wins",
    "seeds",
    "videos",
    "sources",
    "validation",
    "prototype_auc",
    "probe_auc",
    "knn_auc",
    "clip_auc",
    "frames_averaged_auc",
    "frame_auc",
    "video_eer",
    "tpr_at_fpr_5",
    "balanced_accuracy",
    "ece",
    "brier",
    "coverage",
    "macro_f1",
    "macro_f1_test",
    "macro_f1_low",
    "macro_f1_high",
    "macro_f1_difference",
    "macro_f1_difference_low",
    "macro_f1_difference_high",
    "trials",
    "failed_trials",
    "failed_seeds",
    "chosen",
    "at_bound",
    "intra_real",
    "intra_fake",
    "inter",
    "norm_real",
    "norm_fake",
    "effective_rank",
    "silent_share",
    "seconds_per_run",
    "peak_rss_mib",
    "note",
)


@dataclass(frozen=True)
class Row:
    """One arm of a task as a flat row, in the order of `COLUMNS`."""

    values: dict[str, object]

    def __getitem__(self, name: str) -> object:
        return self.values[name]

    def number(self, name: str) -> float | None:
        """A figure; None where there is none."""
        value = self.values[name]
        return float(value) if isinstance(value, int | float) else None


def rows_of(analysis: StudyAnalysis) -> list[Row]:
    """Every arm of every task, best first; those without a figure, and excluded ones, last."""
    found = []
    for task in analysis.tasks:
        rows = [_row(analysis, task, budget.arm) for budget in task.budgets]
        found += sorted(rows, key=lambda r: (r["value"] is None, -(r.number("value") or 0.0), str(r["arm"])))
    for e in analysis.runs.exclusions:
        blank: dict[str, object] = dict.fromkeys(COLUMNS)
        note = f"{e.status.replace('_', ' ')}: {e.reason}"
        found.append(
            Row({**blank, "task": e.task, "arm": e.arm, "verdict": e.status.replace("_", " "), "note": note})
        )
    return found


def _row(analysis: StudyAnalysis, task: TaskAnalysis, arm: str) -> Row:
    test = task.family.test if task.family else analysis.runs.primary_test
    figures = task.figures.get(test, {}).get(arm, {})
    effect, budget = task.effect(arm), next(b for b in task.budgets if b.arm == arm)
    values: dict[str, object] = dict.fromkeys(COLUMNS)
    auc = figures.get("video_auc")
    values |= {"task": task.task, "arm": arm, "test": test, "metric": task.family.metric if task.family else ""}
    values |= {"value": _value(auc), "deviation_over_seeds": auc.deviation if auc else None}
    values |= {"validation": _value(task.objectives.get(arm))}
    for name in (
        "clip_auc",
        "frames_averaged_auc",
        "frame_auc",
        "video_eer",
        "balanced_accuracy",
        "ece",
        "brier",
        "coverage",
    ):
        values[name] = _value(figures.get(name))
    values["tpr_at_fpr_5"] = _value(figures.get("video_tpr_at_fpr_5"))
    for readout in ("prototype", "probe", "knn"):
        values[f"{readout}_auc"] = _value(task.readouts.get(arm, {}).get(readout))
    values |= _macro(task, arm)
    values |= {"trials": budget.trials, "failed_trials": budget.failed_trials, "failed_seeds": budget.failed_seeds}
    values |= {"seeds": budget.seeds - budget.failed_seeds, "chosen": chosen(budget.chosen, budget.at_bound)}
    values["at_bound"] = ", ".join(f"{n} {end}" for n, end in budget.at_bound.items())
    values["note"] = "; ".join(f"{count} failed: {reason}" for reason, count in budget.reasons.items())
    shape = next((d for d in task.diagnostics if d.arm == arm), None)
    cost = next((c for c in task.costs if c.arm == arm), None)
    if shape:
        values |= {k: v for k, v in vars(shape).items() if k != "arm"}
    if cost:
        values |= {"seconds_per_run": cost.seconds_per_run, "peak_rss_mib": cost.peak_rss_mib}
    if effect:
        values |= _effect(effect)
    elif task.family and arm in task.family.missing:
        values |= {"verdict": "no comparison", "note": f"{task.family.missing[arm]} {values['note']}".strip()}
    elif auc:
        values["verdict"] = "control"
    return Row(values)


def _macro(task: TaskAnalysis, arm: str) -> dict[str, object]:
    """Macro-F1 on the test it is quoted of, with intervals where class scores were kept."""
    test = task.class_test
    if not test:
        return {}
    values: dict[str, object] = {"macro_f1": _value(task.attribution[test][arm][MACRO]), "macro_f1_test": test}
    found = task.classes[test].figures.get(arm, {}).get(MACRO) if test in task.classes else None
    if found is not None:
        values["macro_f1_low"], values["macro_f1_high"] = _ends(found.interval)
        if found.effect is not None:
            low, high = _ends(found.effect.interval)
            values |= {"macro_f1_difference": found.effect.difference}
            values |= {"macro_f1_difference_low": low, "macro_f1_difference_high": high}
    return values


def _effect(e: Effect) -> dict[str, object]:
    low, high = _ends(e.interval)
    band_low, band_high = _ends(e.band)
    return {
        "control": e.control,
        "control_value": e.control_value,
        "difference": e.difference,
        "low": low,
        "high": high,
        "band_low": band_low,
        "band_high": band_high,
        "p": e.p,
        "holm_p": e.holm_p,
        "verdict": e.verdict,
        "wilcoxon_p": e.wilcoxon_p,
        "delong_p": e.delong_p,
        "seed_error": e.seed_error,
        "video_error": e.video_error,
        "wins": e.wins,
        "seeds": e.num_seeds,
        "videos": e.num_videos,
        "sources": e.num_clusters,
    }


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (interval.low, interval.high) if interval else (None, None)


def _value(mean: Mean | None) -> float | None:
    return mean.value if mean else None


def chosen(values: dict[str, object], at_bound: dict[str, str]) -> str:
    """``scale=16, margin=0.9*``, a star at an end of the range."""
    return ", ".join(
        f"{name.removeprefix('loss.').removeprefix('optim.')}={_setting(value)}{'*' if name in at_bound else ''}"
        for name, value in values.items()
    )


def _setting(value: object) -> str:
    """Four digits, as a search draws them; a listed value may have more (pi / 3)."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
