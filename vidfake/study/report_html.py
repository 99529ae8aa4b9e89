"""The HTML of a study's report: one file, no scripts, nothing from outside; every text escaped by the template."""

from __future__ import annotations

from collections.abc import Sequence

from vidfake.report.html import environment
from vidfake.study import report_learned, report_runs, report_tests
from vidfake.study.analysis import StudyAnalysis, TaskAnalysis
from vidfake.study.analysis_words import conclusions, headline, limits
from vidfake.study.report_cells import ELSEWHERE, HEADER, metric_text, text_cells
from vidfake.study.report_charts import effects_chart
from vidfake.study.report_classes import class_parts
from vidfake.study.report_parts import Part, Table, drawn
from vidfake.study.report_rows import Row
from vidfake.study.report_variants import variant_part


def render(analysis: StudyAnalysis, rows: Sequence[Row]) -> str:
    """The whole page."""
    study = analysis.runs.state.study
    facts = {
        "name": study.name,
        "trials": study.trials,
        "seeds": len(study.seeds),
        "metric": metric_text(study.primary_metric),
        "test": analysis.runs.primary_test,
        "margin": f"{study.equivalence_margin:g}",
        "alpha": f"{study.alpha:g}",
        "control": study.control,
        "hash": analysis.runs.state.hash[:16],
        "losses_text": f"{len({a.arm for a in analysis.runs.state.arms})} losses, {len(analysis.tasks)} task(s)",
    }
    tasks = [
        {
            "title": f"{task.task}, {task.num_classes} classes",
            "headline": headline(task),
            "words": conclusions(analysis, task),
            "parts": [p for p in _parts(analysis, task, rows) if p.wide or p.plots or p.table],
        }
        for task in analysis.tasks
    ]
    page = environment().get_template("study.html")
    return page.render(study=facts, warnings=analysis.warnings, tasks=tasks, limits=limits(analysis))


def _all_losses(rows: Sequence[Row]) -> Part:
    kept = [i for i, name in enumerate(HEADER) if name not in ELSEWHERE]
    note = "Chosen settings stand under the budget, calibration and embeddings in tables of their own."
    cells = [[text_cells(row)[i] for i in kept] for row in rows]
    return Part("All losses", note, table=Table([HEADER[i] for i in kept], cells))


def _parts(analysis: StudyAnalysis, task: TaskAnalysis, rows: Sequence[Row]) -> list[Part]:
    families = {a.arm: a.family or "other" for a in analysis.runs.arms(task.task)}
    own = [r for r in rows if r["task"] == task.task]
    arms = [str(r["arm"]) for r in own if r["arm"] in families]
    parts = []
    if task.family:
        title = f"Effect against '{analysis.runs.state.study.control}' on '{task.family.test}'"
        chart = effects_chart(task.family, "Loss minus control, mean over seeds")
        parts.append(Part(title, wide=drawn([chart])))
    return [
        *parts,
        _all_losses(own),
        report_tests.second_opinions(task, arms),
        report_tests.tests(task, arms),
        report_tests.levels(task, arms),
        report_tests.thresholds(task, arms),
        *report_tests.readouts(task, arms),
        *variant_part(task),
        *report_tests.ranks(task),
        *class_parts(task, arms),
        report_runs.search(task, families),
        report_runs.budget(task),
        report_runs.without_runs(analysis, task),
        report_runs.sensitivity(task),
        report_learned.curves(analysis, task, families),
        report_learned.embeddings(task),
        report_learned.weights_of_pairs(analysis, task, families),
        report_learned.maps(analysis, task),
        report_runs.costs(task),
    ]
