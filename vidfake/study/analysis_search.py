"""What the searches did: budgets, best-so-far, bounds, sensitivity, and whether the study kept its rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import kendalltau, spearmanr

from vidfake.study.analysis_runs import StudyRuns
from vidfake.study.definition import stored_hash
from vidfake.study.results import ArmState, RunRecord, best_trial

LATE = 0.75  # a best trial in the last quarter of a budget says the budget was short
MAX_BINS = 6


@dataclass(frozen=True)
class Budget:
    """What an arm spent: a failed trial counts as spent. `best_so_far` (trials,) of the objective, None before the
    first success; `best_trial` is the chosen one's number.

    `at_bound_share` of its trials lie at an end of a range of the loss's own hyper-parameters: what choosing at
    random would give.
    """

    arm: str
    trials: int
    failed_trials: int
    planned_trials: int
    seeds: int
    failed_seeds: int
    planned_seeds: int
    dimensions: int
    best_so_far: tuple[float | None, ...]
    best_trial: int | None
    chosen: dict[str, Any]
    at_bound: dict[str, str]
    at_bound_share: float
    reasons: dict[str, int]

    @property
    def late(self) -> bool:
        """True where the best trial came in the last quarter of the budget."""
        return self.best_trial is not None and self.best_trial >= LATE * self.planned_trials


def budgets_of(runs: StudyRuns, task: str) -> list[Budget]:
    """One row per arm, also of those without runs."""
    study = runs.state.study
    rows = []
    for arm in runs.arms(task):
        search, final = runs.search[task, arm.arm], runs.final[task, arm.arm]
        best = best_trial(search)
        chosen = next((r for r in final if r.status == "ok"), best)
        reasons: dict[str, int] = {}
        for record in (*search, *final):
            if record.status != "ok":
                reasons[record.reason or "no reason given"] = reasons.get(record.reason or "no reason given", 0) + 1
        rows.append(
            Budget(
                arm.arm,
                len(search),
                sum(r.status != "ok" for r in search),
                study.trials,
                len(final),
                sum(r.status != "ok" for r in final),
                len(study.seeds),
                len(arm.dimensions),
                best_so_far(search),
                None if best is None else best.trial,
                {} if chosen is None else dict(chosen.hyperparameters),
                {} if chosen is None else dict(chosen.at_bound),
                float(np.mean([at_own_bound(r.at_bound) for r in search])) if search else 0.0,
                reasons,
            )
        )
    return rows


def at_own_bound(at_bound: dict[str, str]) -> bool:
    """True where one of the loss's own hyper-parameters lies at an end, whatever the rates do."""
    return any(name.startswith("loss.") for name in at_bound)


def best_so_far(search: Sequence[RunRecord]) -> tuple[float | None, ...]:
    """The best objective up to each trial."""
    best: float | None = None
    found: list[float | None] = []
    for record in search:
        if record.status == "ok" and record.objective is not None:
            best = record.objective if best is None else max(best, record.objective)
        found.append(best)
    return tuple(found)


def ranking_stability(budgets: Sequence[Budget]) -> float | None:
    """Kendall's tau between the arms' order at half the budget and at the whole; None below three arms."""
    pairs = [
        (b.best_so_far[max(len(b.best_so_far) // 2 - 1, 0)], b.best_so_far[-1]) for b in budgets if b.best_so_far
    ]
    known = [(half, whole) for half, whole in pairs if half is not None and whole is not None]
    return _correlation(kendalltau, *zip(*known, strict=True)) if len(known) > 2 else None


def _correlation(test: Any, x: Sequence[float], y: Sequence[float]) -> float | None:
    if len(set(x)) < 2 or len(set(y)) < 2:
        return None
    return float(test(x, y).statistic)


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Spearman's rho; None below three pairs or where either is constant."""
    return _correlation(spearmanr, x, y) if len(x) > 2 else None


@dataclass(frozen=True)
class HeatMap:
    """Mean objective of an arm's trials over two hyper-parameters (or one): `cells` (rows, columns), None where no
    trial fell; `counts` beside it."""

    arm: str
    x: str
    y: str
    x_labels: tuple[str, ...]
    y_labels: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]
    counts: tuple[tuple[int, ...], ...]


def sensitivity(runs: StudyRuns, task: str, arm: ArmState) -> HeatMap | None:
    """The objective over the loss's scale and margin, or its first two dimensions; None without trials or any."""
    trials = [r for r in runs.search[task, arm.arm] if r.status == "ok" and r.objective is not None]
    names = _axes(arm)
    if not trials or not names:
        return None
    by_name = {d["name"]: d for d in arm.dimensions}
    x_labels, x_place = _bins(by_name[names[0]], [r.hyperparameters.get(names[0]) for r in trials])
    y_labels, y_place = (
        _bins(by_name[names[1]], [r.hyperparameters.get(names[1]) for r in trials])
        if len(names) > 1
        else ([""], [0] * len(trials))
    )
    held: list[list[list[float]]] = [[[] for _ in x_labels] for _ in y_labels]
    for record, column, row in zip(trials, x_place, y_place, strict=True):
        if column is not None and row is not None and record.objective is not None:
            held[row][column].append(record.objective)
    return HeatMap(
        arm.arm,
        names[0],
        names[1] if len(names) > 1 else "",
        tuple(x_labels),
        tuple(y_labels),
        tuple(tuple(float(np.mean(v)) if v else None for v in row) for row in held),
        tuple(tuple(map(len, row)) for row in held),
    )


def _axes(arm: ArmState) -> list[str]:
    """Scale first, margin second, then the loss's other dimensions, then rates."""

    def order(name: str) -> tuple[int, int]:
        setting = name.rpartition(".")[2]
        kind = 0 if setting in ("scale", "gamma", "temperature", "beta") else 1 if "margin" in setting else 2
        return (0 if name.startswith("loss.") else 1, kind)

    names = [str(d["name"]) for d in arm.dimensions]
    return sorted(names, key=order)[:2]


def _bins(dimension: dict[str, Any], values: Sequence[Any]) -> tuple[list[str], list[int | None]]:
    """Labels of a dimension's values, and the place of each; a range is cut evenly in its logarithm."""
    choices = dimension.get("choices") or []
    if choices:
        texts = [_label(c) for c in choices]
        return texts, [texts.index(_label(v)) if _label(v) in texts else None for v in values]
    edges = np.geomspace(float(dimension["low"]), float(dimension["high"]), MAX_BINS + 1)
    labels = [f"{low:.2g}" for low in edges[:-1]]
    place: list[int | None] = [
        None if v is None else int(np.clip(np.searchsorted(edges, float(v), side="right") - 1, 0, MAX_BINS - 1))
        for v in values
    ]
    return labels, place


def _label(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Trend:
    """Spearman's correlation of a hyper-parameter with the objective over an arm's trials."""

    arm: str
    name: str
    trials: int
    correlation: float


def trends(runs: StudyRuns, task: str, kind: str) -> list[Trend]:
    """Of every dimension of a loss whose name holds `kind` (``margin``, ``scale``), where it varied."""
    found = []
    for arm in runs.arms(task):
        trials = [r for r in runs.search[task, arm.arm] if r.status == "ok" and r.objective is not None]
        for dimension in arm.dimensions:
            name = str(dimension["name"])
            if not name.startswith("loss.") or kind not in name.rpartition(".")[2]:
                continue
            pairs = [
                (float(v), r.objective or 0.0)
                for r in trials
                if isinstance(v := r.hyperparameters.get(name), int | float)
            ]
            rho = rank_correlation([a for a, _ in pairs], [b for _, b in pairs])
            if rho is not None:
                found.append(Trend(arm.arm, name, len(pairs), rho))
    return found


def broken_rules(runs: StudyRuns) -> list[str]:
    """What is not as the method asks: unequal budgets, a choice that is not validation's best, changed content."""
    state, study = runs.state, runs.state.study
    found: list[str] = []
    if stored_hash(state.definition) != state.hash:
        found.append("study.json was edited by hand: its definition does not have the hash that it gives.")
    for task in runs.tasks:
        unequal = sorted({b.trials for b in budgets_of(runs, task)} - {study.trials})
        if unequal:
            found.append(
                f"{task}: budgets are not equal or not spent yet: {study.trials} trials planned, some arms "
                f"have {unequal}."
            )
        for arm in runs.arms(task):
            best, final = best_trial(runs.search[task, arm.arm]), runs.final[task, arm.arm]
            wrong = [r for r in final if best is not None and r.chosen_trial != best.trial]
            if wrong:
                found.append(
                    f"{task} {arm.arm}: {len(wrong)} final runs are of trial {wrong[0].chosen_trial}, but "
                    f"validation's best is trial {best.trial if best else None}."
                )
    return found
