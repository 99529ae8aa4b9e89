"""A study's tables in LaTeX: landscape pages in small type, since a row has a dozen figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vidfake.report.text import latex
from vidfake.study.analysis import StudyAnalysis
from vidfake.study.report_cells import ELSEWHERE, HEADER, text_cells
from vidfake.study.report_classes import MACRO_HEADER, macro_rows, recall_table
from vidfake.study.report_rows import Row
from vidfake.study.report_variants import variant_table

PREAMBLE = (
    "% needs \\usepackage{longtable,booktabs,pdflscape}",
    "% chosen settings, calibration and embeddings are in table.csv and report.html",
)


def table_tex(analysis: StudyAnalysis, rows: Sequence[Row]) -> str:
    """One ``longtable`` per task, then those of variants and classes; needs longtable, booktabs and pdflscape."""
    kept = [i for i, name in enumerate(HEADER) if name not in ELSEWHERE]
    header = [HEADER[i] for i in kept]
    parts = list(PREAMBLE)
    for task in analysis.tasks:
        own = [r for r in rows if r["task"] == task.task]
        test = task.family.test if task.family else analysis.runs.primary_test
        caption = f"{task.task}, {task.num_classes} classes: effect of each loss on {test}"
        parts += _table(caption, header, [[text_cells(r)[i] for i in kept] for r in own])
        if task.variants is not None:
            caption = f"{task.task}: losses by variant on {task.variants.test} (exploratory)"
            parts += _table(caption, *variant_table(task.variants))
        for found in task.classes.values():
            arms = [str(r["arm"]) for r in own if r["arm"] in found.figures]
            if arms:
                caption = f"{task.task}: macro-F1 on {found.test} (exploratory)"
                parts += _table(caption, MACRO_HEADER, macro_rows(found, arms))
                caption = f"{task.task}: recall of each class on {found.test}"
                parts += _table(caption, *recall_table(found, arms))
    return "\n".join(parts)


def _table(caption: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    columns = "".join("l" if name in ("loss", "verdict") else "r" for name in header)
    lines = [r"\begin{landscape}\scriptsize\setlength{\tabcolsep}{3pt}", rf"\begin{{longtable}}{{{columns}}}"]
    lines += [rf"\caption{{{latex(caption)}}}\\", r"\toprule"]
    lines += [" & ".join(map(latex, header)) + r" \\", r"\midrule", r"\endhead"]
    lines += [" & ".join(map(latex, row)) + r" \\" for row in rows]
    return [*lines, r"\bottomrule", r"\end{longtable}", r"\end{landscape}", ""]
