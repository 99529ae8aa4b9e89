"""Loss by variant (by aggregator, say): a heat map, and tables of what a variant changes under the same loss."""

from __future__ import annotations

from collections.abc import Iterator

from vidfake.report.numbers import BLANK
from vidfake.report.text import csv_text
from vidfake.study.analysis import StudyAnalysis, TaskAnalysis
from vidfake.study.analysis_effects import Effect
from vidfake.study.analysis_variants import Variants
from vidfake.study.report_cells import effect_text, mean_text
from vidfake.study.report_charts import heat_chart
from vidfake.study.report_parts import Part, Table, drawn

VARIANT_COLUMNS = (
    "task", "test", "loss", "variant", "control_variant", "value", "deviation_over_seeds", "difference", "low",
    "high", "p", "wins", "seeds", "videos", "sources",
)  # fmt: skip
OVERALL = "mean over losses"


def variant_part(task: TaskAnalysis) -> list[Part]:
    """Nothing for a study without variants."""
    found = task.variants
    if found is None:
        return []
    losses = list(found.values)
    cells = [[m.value if (m := found.values[loss][n]) else None for n in found.names] for loss in losses]
    note = (
        f"Differences are from the same loss under '{found.control}', the same seeds and videos; exploratory. The "
        f"last row is of the mean of {len(found.averaged)} losses."
    )
    title = f"Losses by variant: video AUC on '{found.test}'"
    chart = heat_chart("Mean over seeds", found.names, losses, cells, wide=True)
    return [Part(title, note, wide=drawn([chart]), table=Table(*variant_table(found)))]


def variant_table(found: Variants) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows: the control variant's value, then value and difference of each other."""
    others = [n for n in found.names if n != found.control]
    header = ("loss", found.control, *(t for n in others for t in (n, f"{n} minus {found.control} [interval]")))
    rows = [
        (
            loss,
            mean_text(found.values[loss].get(found.control)),
            *(
                text
                for n in others
                for text in (mean_text(found.values[loss][n]), effect_text(found.effects.get(loss, {}).get(n)))
            ),
        )
        for loss in found.values
    ]
    if found.overall:
        last = [t for n in others for t in (BLANK, effect_text(found.overall.get(n)))]
        rows.append((OVERALL, BLANK, *last))
    return header, rows


def variants_csv(analysis: StudyAnalysis) -> str:
    """One line per task, loss and variant at full precision; "" for a study without variants."""
    lines = list(_lines(analysis))
    return csv_text(VARIANT_COLUMNS, lines) if lines else ""


def _lines(analysis: StudyAnalysis) -> Iterator[tuple[object, ...]]:
    for task in analysis.tasks:
        if (found := task.variants) is None:
            continue
        for loss, of_loss in found.values.items():
            for name in found.names:
                mean, effect = of_loss[name], found.effects.get(loss, {}).get(name)
                figures = (mean.value if mean else None, mean.deviation if mean else None, *_effect(effect))
                yield task.task, found.test, loss, name, found.control, *figures
        for name, effect in found.overall.items():
            yield task.task, found.test, OVERALL, name, found.control, effect.value, None, *_effect(effect)


def _effect(effect: Effect | None) -> tuple[float | None, ...]:
    if effect is None:
        return (None,) * 8
    around = effect.interval
    ends = (around.low, around.high) if around else (None, None)
    return (
        effect.difference, *ends, effect.p, effect.wins, effect.num_seeds, effect.num_videos, effect.num_clusters,
    )  # fmt: skip
