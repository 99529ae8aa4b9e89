"""Every record of a study, read once, and what the records alone say of each arm: levels, read-outs, costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from vidfake.study.results import ArmState, Exclusion, RunRecord, StudyFolder, StudyState


@dataclass(frozen=True)
class Mean:
    """Mean over seeds, with the deviation over seeds where there are two or more."""

    value: float
    deviation: float | None
    number: int

    @staticmethod
    def of(values: Iterable[float | None]) -> Mean | None:
        """Of the values that exist; None where none does."""
        found = [float(v) for v in values if v is not None]
        if not found:
            return None
        deviation = float(np.std(found, ddof=1)) if len(found) > 1 else None
        return Mean(float(np.mean(found)), deviation, len(found))


@dataclass(frozen=True, eq=False)
class StudyRuns:
    """Records by (task, arm): trials of the search, and final runs; both with the failed ones."""

    folder: StudyFolder
    state: StudyState
    exclusions: tuple[Exclusion, ...]
    search: dict[tuple[str, str], tuple[RunRecord, ...]]
    final: dict[tuple[str, str], tuple[RunRecord, ...]]
    tests: tuple[str, ...] = field(default=())

    @staticmethod
    def read(folder: StudyFolder) -> StudyRuns:
        """Raises StoreError for a folder that holds no study, or a damaged record."""
        state = folder.state()
        search = {(a.task, a.arm): tuple(folder.records(a.task, a.arm, "search")) for a in state.arms}
        final = {(a.task, a.arm): tuple(folder.records(a.task, a.arm, "final")) for a in state.arms}
        tests = tuple(test.name for test in state.study.tests)
        return StudyRuns(folder, state, tuple(folder.exclusions()), search, final, tests)

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that have arms, in the study's order."""
        return tuple(task for task in self.state.study.tasks if any(a.task == task for a in self.state.arms))

    def arms(self, task: str) -> list[ArmState]:
        """The arms of a task, in the study's order."""
        return [arm for arm in self.state.arms if arm.task == task]

    def arm(self, task: str, name: str) -> ArmState:
        """One arm by name."""
        return next(arm for arm in self.arms(task) if arm.arm == name)

    def finished(self, task: str, arm: str) -> list[RunRecord]:
        """Final runs that did not fail."""
        return [r for r in self.final[task, arm] if r.status == "ok"]

    def mean(self, task: str, arm: str, figure: Callable[[RunRecord], float | None]) -> Mean | None:
        """Mean over the final runs of a figure."""
        return Mean.of(figure(record) for record in self.finished(task, arm))

    def test_mean(self, task: str, arm: str, test: str, name: str, readout: str = "") -> Mean | None:
        """Mean over seeds of a figure on a test, by default under the primary read-out."""
        return self.mean(task, arm, lambda r: r.tests.get(test, {}).get(readout or r.primary_readout, {}).get(name))

    @property
    def primary_test(self) -> str:
        """The test that decides; "" for a study without tests."""
        return self.state.study.primary_test or (self.tests[0] if self.tests else "")


@dataclass(frozen=True)
class Diagnostics:
    """Means over seeds of what an arm's embeddings look like (validation clips)."""

    arm: str
    intra_real: float | None
    intra_fake: float | None
    inter: float | None
    norm_real: float | None
    norm_fake: float | None
    effective_rank: float | None
    silent_share: float | None


def diagnostics_of(runs: StudyRuns, task: str) -> list[Diagnostics]:
    """One row per arm with final runs. Fake classes, and angles between classes, are averaged."""
    rows = []
    for arm in runs.arms(task):
        found = [r.diagnostics for r in runs.finished(task, arm.arm)]
        if not found:
            continue
        rows.append(
            Diagnostics(
                arm.arm,
                _over(found, lambda d: d["intra_degrees"][0]),
                _over(found, lambda d: _mean(d["intra_degrees"][1:])),
                _over(found, lambda d: _mean(_upper(d["inter_degrees"]))),
                _over(found, lambda d: d["norm_mean"][0]),
                _over(found, lambda d: _mean(d["norm_mean"][1:])),
                _over(found, lambda d: d["effective_rank"]),
                _over(found, lambda d: d["silent_share"]),
            )
        )
    return rows


def _upper(matrix: Sequence[Sequence[float | None]]) -> list[float | None]:
    return [value for i, row in enumerate(matrix) for value in row[i + 1 :]]


def _mean(values: Iterable[float | None]) -> float | None:
    mean = Mean.of(values)
    return mean.value if mean else None


def _over(found: Sequence[dict[str, Any]], figure: Callable[[dict[str, Any]], float | None]) -> float | None:
    values: list[float | None] = []
    for diagnostics in found:
        try:
            values.append(figure(diagnostics))
        except (KeyError, IndexError, TypeError):  # this run's record has no such diagnostic
            values.append(None)
    return _mean(values)


def pair_weights(runs: StudyRuns, task: str, arm: str) -> dict[str, list[float | None]] | None:
    """Weight of pairs by cosine, mean over seeds: ``cosine``, ``same``, ``other`` (spec B13); None without any."""
    found = [w for r in runs.finished(task, arm) if (w := r.diagnostics.get("pair_weight"))]
    if not found:
        return None
    cosine = found[0]["cosine"]
    alike = [w for w in found if w["cosine"] == cosine]
    return {
        "cosine": cosine,
        **{k: [_mean(w[k][i] for w in alike) for i in range(len(cosine))] for k in ("same", "other")},
    }


@dataclass(frozen=True)
class Cost:
    """What an arm took: seconds of all runs, mean seconds per run, and the largest memory."""

    arm: str
    runs: int
    seconds: float
    seconds_per_run: float
    train_seconds_per_run: float
    peak_rss_mib: float
    peak_of_run: bool
    retried: int


def costs_of(runs: StudyRuns, task: str) -> list[Cost]:
    """One row per arm with runs."""
    rows = []
    for arm in runs.arms(task):
        costs = [r.cost for r in (*runs.search[task, arm.arm], *runs.final[task, arm.arm])]
        if costs:
            seconds = sum(c.seconds for c in costs)
            rows.append(
                Cost(
                    arm.arm,
                    len(costs),
                    seconds,
                    seconds / len(costs),
                    sum(c.train_seconds for c in costs) / len(costs),
                    max(c.peak_rss_mib for c in costs),
                    all(c.peak_of_run for c in costs),
                    sum(c.attempts > 1 for c in costs),
                )
            )
    return rows
