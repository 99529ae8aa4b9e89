"""A finished or unfinished study, analysed: everything that a table or a report of it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vidfake.errors import UndefinedMetricError
from vidfake.metrics.comparison import Ranking
from vidfake.settings import ScoreSettings
from vidfake.study.analysis_bootstrap import AucSamples, auc_samples, resamples_for
from vidfake.study.analysis_classes import ClassTest, class_test
from vidfake.study.analysis_effects import Effect, Family, family, paired_effect
from vidfake.study.analysis_ranks import RankRange, independent_blocks, rank_ranges, ranking
from vidfake.study.analysis_runs import (
    Cost,
    Diagnostics,
    Mean,
    StudyRuns,
    costs_of,
    diagnostics_of,
)
from vidfake.study.analysis_scores import TableReader, TestScores, load_scores
from vidfake.study.analysis_search import Budget, HeatMap, broken_rules, budgets_of, sensitivity
from vidfake.study.analysis_variants import Variants, variants_of
from vidfake.study.results import ArmState, StudyFolder

RESAMPLED = {"video_auc": "video", "frames_averaged_auc": "frames_averaged"}
ATTRIBUTION = ("macro_f1", "macro_recall", "accuracy", "prototype_macro_f1")
FIGURES = (
    "video_auc", "clip_auc", "frames_averaged_auc", "frame_auc", "video_eer", "video_tpr_at_fpr_5",
    "balanced_accuracy", "ece", "brier", "coverage",
)  # fmt: skip
Report = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class TaskAnalysis:
    """One task. `family` is the declared one; everything else is exploratory: intervals, no claims.

    `figures[test][arm][name]`, `readouts[arm][name]` (video AUC, primary test) and `attribution[test][arm][name]`
    are means over seeds; `classes[test]` has the intervals of the latter, where runs kept class scores.
    `others[test]`, `by_readout[readout]` and `levels` (video minus frames averaged, of the same arm) hold paired
    effects. `blocks` are tests grouped by shared sources, `variants` the losses by variant on the primary test.
    """

    task: str
    num_classes: int
    family: Family | None
    undefined: str
    ranks: list[RankRange]
    ranking: Ranking | str
    figures: dict[str, dict[str, dict[str, Mean | None]]]
    readouts: dict[str, dict[str, Mean | None]]
    attribution: dict[str, dict[str, dict[str, Mean | None]]]
    classes: dict[str, ClassTest]
    objectives: dict[str, Mean | None]
    others: dict[str, list[Effect]]
    by_readout: dict[str, list[Effect]]
    levels: list[Effect]
    budgets: list[Budget]
    diagnostics: list[Diagnostics]
    costs: list[Cost]
    maps: list[HeatMap]
    blocks: list[list[str]]
    variants: Variants | None

    @property
    def class_test(self) -> str:
        """The test that macro-F1 is quoted of: the primary one, or the first that has classes of training; "" where
        none has."""
        primary = self.family.test if self.family else ""
        having = [t for t, rows in self.attribution.items() if any(row["macro_f1"] for row in rows.values())]
        return primary if primary in having else next(iter(having), "")

    def effect(self, arm: str) -> Effect | None:
        """The effect of an arm in the family."""
        found = self.family.effects if self.family else ()
        return next((e for e in found if e.arm == arm), None)


@dataclass(frozen=True, eq=False)
class StudyAnalysis:
    """The whole. `warnings` belong at the top of whatever is shown."""

    runs: StudyRuns
    tasks: tuple[TaskAnalysis, ...]
    warnings: tuple[str, ...]


def analyse(
    folder: StudyFolder, *, table_only: bool = False, num_resamples: int = 0, report: Report | None = None
) -> StudyAnalysis:
    """Analyse what is there. `table_only` leaves out what only a report shows (other tests, read-outs, levels).

    `num_resamples` 0 takes enough for the family. Raises StoreError for a folder that holds no study.
    """
    runs = StudyRuns.read(folder)
    reader, tasks = TableReader(), []
    for done, task in enumerate(runs.tasks):
        tasks.append(_task(runs, task, reader, table_only, num_resamples, report or (lambda *_: None)))
        if report:
            report("tasks", done + 1, len(runs.tasks))
    return StudyAnalysis(runs, tuple(tasks), tuple(warnings_of(runs)))


def warnings_of(runs: StudyRuns) -> list[str]:
    """What changed after the first run, broken rules, and runs still to come."""
    state, study = runs.state, runs.state.study
    words = {"study": "The study file", "basis": "What a run is", "code": "The code", "store": "The clip store"}
    found = []
    for change in state.changes:
        names = ", ".join(map(str, change.get("differing", [])))
        found.append(
            f"{words.get(str(change.get('what')), str(change.get('what')))} changed after the first run"
            f"{f' ({names})' if names else ''}: {str(change.get('before'))[:12]} became "
            f"{str(change.get('after'))[:12]}. The study did not run as registered."
        )
    records = [r for group in (runs.search, runs.final) for rows in group.values() for r in rows]
    marked = [r for r in records if r.marks]
    if marked:
        names = ", ".join(sorted({m for r in marked for m in r.marks}))
        found.append(f"{len(marked)} of {len(records)} runs were made after a change: {names}.")
    for name in ("code_version", "store_fingerprint", "basis"):
        versions = {getattr(r, name) for r in records}
        if len(versions) > 1:
            found.append(f"Runs of {len(versions)} different values of {name} stand in one table.")
    found += broken_rules(runs)
    planned = len(state.arms) * len(study.seeds)
    there = sum(len(rows) for rows in runs.final.values())
    if there < planned:
        found.append(f"Not finished: {there} of {planned} final runs are there.")
    return found


def controls_of(control: str, arms: Sequence[ArmState]) -> dict[str, str]:
    """Each arm of a task's family and its control: that loss under the same variant, or that arm for all."""
    if any(arm.arm == control for arm in arms):
        return {arm.arm: control for arm in arms if arm.arm != control}
    return {arm.arm: f"{control}@{arm.variant}" if arm.variant else control for arm in arms if arm.loss != control}


def _task(
    runs: StudyRuns, task: str, reader: TableReader, table_only: bool, num_resamples: int, report: Report
) -> TaskAnalysis:
    study, arms = runs.state.study, runs.arms(task)
    controls = controls_of(study.control, arms)
    settings = {a.arm: study.base_config(variant=a.variant).score for a in arms}
    count = num_resamples or resamples_for(len(controls), study.alpha)
    load = _Loader(runs, task, reader, settings, count, report)
    primary, level = runs.primary_test, RESAMPLED.get(study.primary_metric)
    found: Family | None = None
    undefined, ranks, levels, samples = "", [], [], None
    try:
        with_frames = not table_only or level == "frames_averaged"
        of_level = load.levels(primary, frames=with_frames)
        samples = of_level.get(level or "video")
        if samples is None:
            raise UndefinedMetricError(f"no run has {level} scores on test '{primary}'.")
        refused = (
            ""
            if level
            else f"the primary metric '{study.primary_metric}' is not resampled over videos; these are of video_auc"
        )
        found = family(
            task, samples, controls, alpha=study.alpha, margin=study.equivalence_margin,
            metric=study.primary_metric if level else "video_auc", refused=refused,
        )  # fmt: skip
        ranks = rank_ranges(samples)
        if "frames_averaged" in of_level and "video" in of_level:
            levels = _between_levels(task, of_level["video"], of_level["frames_averaged"], study.alpha)
    except UndefinedMetricError as error:
        undefined = str(error)
    figures = {
        test: {a.arm: {n: runs.test_mean(task, a.arm, test, n) for n in FIGURES} for a in arms}
        for test in runs.tests
    }
    others: dict[str, list[Effect]] = {}
    by_readout: dict[str, list[Effect]] = {}
    sources = {primary: samples.of.sources} if samples else {}
    if not table_only:
        for test in runs.tests:
            if test != primary:
                others[test], sources[test] = load.exploratory(test, "", controls)
        for readout in _readouts(runs, task, primary):
            by_readout[readout], _ = load.exploratory(primary, readout, controls)
    blocks = independent_blocks({test: names for test, names in sources.items() if names})
    means = {t: {a: m["video_auc"].value for a, m in rows.items() if m["video_auc"]} for t, rows in figures.items()}
    return TaskAnalysis(
        task=task,
        num_classes=max((a.num_classes for a in arms), default=2),
        family=found,
        undefined=undefined,
        ranks=ranks,
        ranking=ranking(means, blocks),
        figures=figures,
        readouts={
            a.arm: {r: runs.test_mean(task, a.arm, primary, "video_auc", r) for r in _readouts(runs, task, primary)}
            for a in arms
        },
        attribution={
            test: {a.arm: {n: _attribution(runs, task, a.arm, test, n) for n in ATTRIBUTION} for a in arms}
            for test in runs.tests
        }
        if task == "manipulation"
        else {},
        classes=_classes(runs, task, controls, count, report) if task == "manipulation" else {},
        objectives={a.arm: runs.mean(task, a.arm, lambda r: r.objective) for a in arms},
        others=others,
        by_readout=by_readout,
        levels=levels,
        budgets=budgets_of(runs, task),
        diagnostics=diagnostics_of(runs, task),
        costs=costs_of(runs, task),
        maps=[m for a in arms if (m := sensitivity(runs, task, a)) is not None],
        blocks=blocks,
        variants=variants_of(study, task, arms, samples) if samples else None,
    )


def _attribution(runs: StudyRuns, task: str, arm: str, test: str, name: str) -> Mean | None:
    return runs.mean(task, arm, lambda r: r.attribution.get(test, {}).get(name))


def _classes(
    runs: StudyRuns, task: str, controls: dict[str, str], num_resamples: int, report: Report
) -> dict[str, ClassTest]:
    """By test; nothing where no run kept class scores."""
    records = {a.arm: runs.finished(task, a.arm) for a in runs.arms(task)}
    study, found = runs.state.study, {}
    for test in runs.tests:
        of_test = class_test(
            runs.folder, records, task, test, controls,
            seeds=study.seeds, num_resamples=num_resamples, alpha=study.alpha,
        )  # fmt: skip
        if of_test is not None:
            found[test] = of_test
        report(f"{task}: classes of '{test}'", 1, 1)
    return found


def _readouts(runs: StudyRuns, task: str, test: str) -> list[str]:
    names: dict[str, None] = {}
    for arm in runs.arms(task):
        for record in runs.finished(task, arm.arm):
            names |= dict.fromkeys(record.tests.get(test, {}))
    return list(names)


def _between_levels(task: str, video: AucSamples, frames: AucSamples, alpha: float) -> list[Effect]:
    if video.of.video_ids != frames.of.video_ids:
        return []
    effects = []
    for arm in video.of.arms:
        try:
            effects.append(paired_effect(task, video, arm, arm, alpha=alpha, other=frames))
        except UndefinedMetricError:  # no final runs: the arm is counted among the missing ones
            continue
    return effects


@dataclass(frozen=True, eq=False)
class _Loader:
    """Reads and resamples the tests of one task."""

    runs: StudyRuns
    task: str
    reader: TableReader
    settings: dict[str, ScoreSettings]
    num_resamples: int
    report: Report

    def _scores(self, test: str, readout: str, frames: bool) -> dict[str, TestScores]:
        records = {a.arm: self.runs.finished(self.task, a.arm) for a in self.runs.arms(self.task)}
        found = load_scores(
            self.runs.folder,
            records,
            test,
            seeds=self.runs.state.study.seeds,
            settings=self.settings,
            readout=readout,
            levels=("video", "frames_averaged") if frames else ("video",),
            reader=self.reader,
        )
        self.report(f"{self.task}: scores of '{test}' {readout}".rstrip(), 1, 1)
        return {str(level): scores for level, scores in found.items()}

    def levels(self, test: str, *, frames: bool) -> dict[str, AucSamples]:
        """Resampled AUC by level. Raises UndefinedMetricError where the video level has none."""
        found = self._scores(test, "", frames)
        result = {"video": auc_samples(found["video"], num_resamples=self.num_resamples)}
        averaged = found.get("frames_averaged")
        if averaged is not None and len(np.unique(averaged.labels)) == 2:
            result["frames_averaged"] = auc_samples(averaged, num_resamples=self.num_resamples)
        return result

    def exploratory(
        self, test: str, readout: str, controls: dict[str, str]
    ) -> tuple[list[Effect], tuple[str, ...]]:
        """Effects outside the family, and the sources behind them; neither where the test has no AUC."""
        effects: list[Effect] = []
        scores = self._scores(test, readout, frames=False)["video"]
        try:
            samples = auc_samples(scores, num_resamples=self.num_resamples)
        except UndefinedMetricError:  # the figures of this test are dashes already
            return [], scores.sources
        for arm, control in controls.items():
            if control not in samples.of.arms:
                continue
            try:
                effect = paired_effect(self.task, samples, arm, control, alpha=self.runs.state.study.alpha)
            except UndefinedMetricError:  # no runs of this read-out: the arm has a dash
                continue
            effects.append(effect)
        return effects, scores.sources
