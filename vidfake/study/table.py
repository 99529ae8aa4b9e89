"""The plainest table of a study: per arm the mean and deviation over seeds of one figure on one test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vidfake.study.results import RunRecord, StudyFolder


@dataclass(frozen=True)
class TableRow:
    """One arm on one test. `mean` and `deviation` over seeds of the primary read-out's video AUC, None without
    runs; `frame`, `averaged`: mean frame-level and frames-averaged AUC; `chosen`: hyper-parameters."""

    task: str
    arm: str
    test: str
    trials: int
    failed_trials: int
    seeds: int
    validation: float | None
    mean: float | None
    deviation: float | None
    frame: float | None
    averaged: float | None
    seconds: float | None
    chosen: str


def table_rows(folder: StudyFolder, *, metric: str = "video_auc") -> list[TableRow]:
    """Rows by task and test, best first; arms without a figure last."""
    state = folder.state()
    rows: list[TableRow] = []
    for arm in state.arms:
        search = folder.records(arm.task, arm.arm, "search")
        final = [r for r in folder.records(arm.task, arm.arm, "final") if r.status == "ok"]
        for test in (test.name for test in state.study.tests):
            values = _figures(final, test, metric)
            rows.append(
                TableRow(
                    task=arm.task,
                    arm=arm.arm,
                    test=test,
                    trials=len(search),
                    failed_trials=sum(r.status != "ok" for r in search),
                    seeds=len(values),
                    validation=_mean([r.objective for r in final if r.objective is not None]),
                    mean=_mean(values),
                    deviation=float(np.std(values, ddof=1)) if len(values) > 1 else None,
                    frame=_mean(_figures(final, test, "frame_auc")),
                    averaged=_mean(_figures(final, test, "frames_averaged_auc")),
                    seconds=_mean([r.cost.seconds for r in (*search, *final)]),
                    chosen=_chosen(final),
                )
            )
    order = {test.name: i for i, test in enumerate(state.study.tests)}
    return sorted(rows, key=lambda r: (r.task, order[r.test], r.mean is None, -(r.mean or 0.0), r.arm))


def _figures(records: list[RunRecord], test: str, metric: str) -> list[float]:
    found = [r.tests.get(test, {}).get(r.primary_readout, {}).get(metric) for r in records]
    return [value for value in found if value is not None]


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _chosen(records: list[RunRecord]) -> str:
    if not records:
        return ""
    ends = records[0].at_bound
    return ", ".join(
        f"{name.removeprefix('loss.').removeprefix('optim.')}={value}{'*' if name in ends else ''}"
        for name, value in records[0].hyperparameters.items()
    )
