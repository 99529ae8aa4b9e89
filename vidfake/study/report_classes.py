"""Which manipulation: macro-F1 and the recall of each class, with intervals where runs kept class scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vidfake.report.numbers import BLANK, decimal, span
from vidfake.report.text import csv_text
from vidfake.study.analysis import ATTRIBUTION, StudyAnalysis, TaskAnalysis
from vidfake.study.analysis_classes import MACRO, PROTOTYPE_MACRO, RECALL, ClassFigure, ClassTest
from vidfake.study.report_cells import effect_text, mean_text
from vidfake.study.report_parts import Part, Table

CLASS_COLUMNS = (
    "task", "test", "arm", "control", "figure", "value", "deviation_over_seeds", "low", "high", "difference",
    "difference_low", "difference_high", "p", "seeds", "videos", "sources",
)  # fmt: skip
NOTE = (
    "Over videos of the classes of training, by the class head, or by nearest prototype for a loss without one: "
    "compare such losses under prototypes. Differences from the control are exploratory."
)


def class_parts(task: TaskAnalysis, arms: Sequence[str]) -> list[Part]:
    """Parts of the page; nothing for the binary task, and no test without any figure."""
    tests = [t for t, rows in task.attribution.items() if any(row[MACRO] for row in rows.values())]
    if not tests:
        return []
    rows = [(arm, *(mean_text(task.attribution[t][arm][n]) for t in tests for n in ATTRIBUTION)) for arm in arms]
    header = ("loss", *(f"{n.replace('_', ' ')} on {t}" for t in tests for n in ATTRIBUTION))
    parts = [
        Part("Which manipulation", f"{NOTE} Mean and deviation over seeds.", table=Table(header, rows), closed=True)
    ]
    for found in task.classes.values():
        if found.undefined or not found.figures:
            continue
        over = (
            f"{found.num_videos} videos; {found.num_clusters} sources of the rarest class. Intervals are over "
            "seeds and sources."
        )
        parts.append(
            Part(
                f"Macro-F1 on '{found.test}'", f"{NOTE} {over}", table=Table(MACRO_HEADER, macro_rows(found, arms))
            )
        )
        title = f"Recall of each class on '{found.test}'"
        parts.append(Part(title, over, table=Table(*recall_table(found, arms)), closed=True))
    return parts


MACRO_HEADER = (
    "loss", "macro-F1 [interval]", "difference [interval]", "by prototypes [interval]",
    "difference by prototypes [interval]",
)  # fmt: skip


def macro_rows(found: ClassTest, arms: Sequence[str]) -> list[tuple[str, ...]]:
    """Cells under `MACRO_HEADER`."""
    return [
        (arm, *(text for name in (MACRO, PROTOTYPE_MACRO) for text in _both(found.figures.get(arm, {}).get(name))))
        for arm in arms
    ]


def recall_table(found: ClassTest, arms: Sequence[str]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows: one column per class that occurs."""
    header = ("loss", *(f"{name} [interval]" for name in found.class_names))
    rows = [
        (arm, *(_value(found.figures.get(arm, {}).get(RECALL + name)) for name in found.class_names))
        for arm in arms
    ]
    return header, rows


def _both(figure: ClassFigure | None) -> tuple[str, str]:
    return _value(figure), effect_text(figure.effect if figure else None)


def _value(figure: ClassFigure | None) -> str:
    return BLANK if figure is None else f"{decimal(figure.value.value)} {span(figure.interval)}".rstrip()


def classes_csv(analysis: StudyAnalysis) -> str:
    """One line per task, test, arm and figure at full precision; "" where no run kept class scores."""
    lines = list(_lines(analysis))
    return csv_text(CLASS_COLUMNS, lines) if lines else ""


def _lines(analysis: StudyAnalysis) -> Iterator[list[object]]:
    for task in analysis.tasks:
        for test, found in task.classes.items():
            for arm, row in found.figures.items():
                for name, figure in row.items():
                    yield [task.task, test, arm, *_line(name, figure)]


def _line(name: str, figure: ClassFigure) -> list[object]:
    around, effect = figure.interval, figure.effect
    between = effect.interval if effect else None
    return [
        effect.control if effect else None,
        name,
        figure.value.value,
        figure.value.deviation,
        around.low if around else None,
        around.high if around else None,
        effect.difference if effect else None,
        between.low if between else None,
        between.high if between else None,
        effect.p if effect else None,
        figure.value.number,
        effect.num_videos if effect else None,
        effect.num_clusters if effect else None,
    ]
