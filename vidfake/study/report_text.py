"""A study's tables as CSV and Markdown; names come from files and are made harmless in each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vidfake.report.numbers import percent
from vidfake.report.text import csv_text, markdown, markdown_sentence
from vidfake.study.analysis import StudyAnalysis, TaskAnalysis
from vidfake.study.analysis_classes import ClassTest
from vidfake.study.analysis_words import conclusions, limits
from vidfake.study.report_cells import HEADER, mean_text, text_cells
from vidfake.study.report_classes import MACRO_HEADER, macro_rows, recall_table
from vidfake.study.report_rows import COLUMNS, Row
from vidfake.study.report_variants import variant_table


def table_csv(rows: Sequence[Row]) -> str:
    """All columns at full precision; no cell is taken for a formula by a spreadsheet."""
    return csv_text(COLUMNS, ([row[name] for name in COLUMNS] for row in rows))


def _class_tests(task: TaskAnalysis) -> list[ClassTest]:
    return [found for found in task.classes.values() if found.figures]


def _class_md(task: TaskAnalysis, arms: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for found in _class_tests(task):
        scored = [arm for arm in arms if arm in found.figures]
        lines += [f"### Macro-F1 on {markdown(found.test)} (exploratory)", ""]
        lines += _table(MACRO_HEADER, macro_rows(found, scored))
        lines += [f"### Recall of each class on {markdown(found.test)}", "", *_table(*recall_table(found, scored))]
    return lines


def _variant_md(task: TaskAnalysis) -> list[str]:
    if task.variants is None:
        return []
    return [
        f"### Losses by variant: video AUC on {markdown(task.variants.test)} (exploratory)",
        "",
        *_table(*variant_table(task.variants)),
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = ["| " + " | ".join(map(markdown, header)) + " |", "|" + "---|" * len(header)]
    return [*lines, *("| " + " | ".join(markdown(cell) for cell in row) + " |" for row in rows), ""]


def report_md(analysis: StudyAnalysis, rows: Sequence[Row]) -> str:
    """The tables and the words."""
    study = analysis.runs.state.study
    parts = [f"# Loss study {markdown(study.name)}", ""]
    parts += [f"> **Note.** {markdown_sentence(w)}\n" for w in analysis.warnings]
    for task in analysis.tasks:
        parts += [f"## {markdown(task.task)}, {task.num_classes} classes", ""]
        parts += [*(f"- {markdown_sentence(s)}" for s in conclusions(analysis, task)), ""]
        parts += _table(HEADER, [text_cells(r) for r in rows if r["task"] == task.task])
        parts += [
            *_tests(task),
            *_variant_md(task),
            *_class_md(task, [str(r["arm"]) for r in rows if r["task"] == task.task]),
        ]
        gone = [e for e in analysis.runs.exclusions if e.task == task.task]
        if gone:
            reasons = [(e.arm, e.status.replace("_", " "), e.reason) for e in gone]
            parts += ["### Losses without runs", "", *_table(("loss", "status", "reason"), reasons)]
    parts += ["## What this study cannot show", "", *(f"- {markdown_sentence(s)}" for s in limits(analysis)), ""]
    parts += [f"Study {analysis.runs.state.hash[:16]}, code {markdown(analysis.runs.state.code_version)}.", ""]
    return "\n".join(parts)


def _tests(task: TaskAnalysis) -> list[str]:
    if len(task.figures) < 2:
        return []
    arms = [b.arm for b in task.budgets]
    body = []
    for arm in arms:
        cells = [task.figures[test][arm] for test in task.figures]
        body.append(
            [
                arm,
                *(mean_text(c["video_auc"]) for c in cells),
                *(percent(c["coverage"].value if c["coverage"] else None) for c in cells),
            ]
        )
    header = ("loss", *(f"AUC {t}" for t in task.figures), *(f"coverage {t}" for t in task.figures))
    return ["### Tests", "", *_table(header, body)]
