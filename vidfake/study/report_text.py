"""A study's tables as Markdown, CSV and LaTeX; names come from files and are made harmless in each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vidfake.metrics.bootstrap import Interval
from vidfake.report.numbers import BLANK, decimal, p_text, percent, span
from vidfake.report.text import clean, csv_cell, markdown
from vidfake.study.analysis import StudyAnalysis, TaskAnalysis
from vidfake.study.analysis_effects import Effect
from vidfake.study.analysis_runs import Mean
from vidfake.study.analysis_words import conclusions, limits

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
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "\u2212": "$-$",
    "\u2013": "--",
    "\u00b1": r"$\pm$",
    "\u2026": r"\ldots{}",
    "\ufffd": "?",
}


@dataclass(frozen=True)
class Row:
    """One arm of a task as a flat row, in the order of `COLUMNS`."""

    values: dict[str, object]

    def __getitem__(self, name: str) -> object:
        return self.values[name]


def rows_of(analysis: StudyAnalysis) -> list[Row]:
    """Every arm of every task, best first; those without a figure, and excluded ones, last."""
    found = []
    for task in analysis.tasks:
        rows = [_row(analysis, task, budget.arm) for budget in task.budgets]
        found += sorted(rows, key=lambda r: (r["value"] is None, -float(str(r["value"] or 0)), str(r["arm"])))
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
    values["macro_f1"] = _value(task.attribution.get(test, {}).get(arm, {}).get("macro_f1"))
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
    """``scale=16.0, margin=0.9*``, a star at an end of the range."""
    return ", ".join(
        f"{name.removeprefix('loss.').removeprefix('optim.')}={value}{'*' if name in at_bound else ''}"
        for name, value in values.items()
    )


def table_csv(rows: Sequence[Row]) -> str:
    """All columns at full precision; no cell is taken for a formula by a spreadsheet."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(
            ["" if (v := row[n]) is None else csv_cell(v) if isinstance(v, str) else v for n in COLUMNS]
        )
    return buffer.getvalue()


def latex(text: object) -> str:
    """`text` as literal LaTeX."""
    return "".join(_LATEX.get(c, c if c.isprintable() and ord(c) < 0x250 else "?") for c in clean(text))


def text_cells(row: Row) -> list[str]:
    """The cells under `HEADER`."""

    def shown(name: str, digits: int = 3) -> str:
        value = row[name]
        return decimal(float(str(value)), digits) if value is not None else BLANK

    gap, low, high = row["difference"], row["low"], row["high"]
    effect = BLANK
    if gap is not None:
        effect = decimal(float(str(gap)), signed=True)
        if low is not None and high is not None:
            effect += f" [{decimal(float(str(low)), signed=True)}, {decimal(float(str(high)), signed=True)}]"
    value = shown("value") + (
        f" \u00b1 {shown('deviation_over_seeds')}" if row["deviation_over_seeds"] is not None else ""
    )
    p = row["holm_p"]
    return [
        str(row["arm"]),
        value,
        effect,
        p_text(float(str(p))) if p is not None else BLANK,
        str(row["verdict"] or ""),
        shown("prototype_auc"),
        shown("probe_auc"),
        shown("frame_auc"),
        shown("frames_averaged_auc"),
        shown("balanced_accuracy"),
        shown("ece"),
        shown("effective_rank", 1),
        shown("silent_share", 2),
        f"{row['trials']} ({row['failed_trials']} failed)" if row["trials"] is not None else BLANK,
        str(row["seeds"]) if row["seeds"] is not None else BLANK,
        str(row["chosen"] or ""),
    ]


HEADER = (
    "loss",
    "video AUC \u00b1 sd over seeds",
    "difference [interval]",
    "p (Holm)",
    "verdict",
    "prototype",
    "probe",
    "frame AUC",
    "frames averaged",
    "balanced accuracy",
    "ECE",
    "effective rank",
    "silent share",
    "trials",
    "seeds",
    "chosen (* at a bound)",
)


def table_tex(analysis: StudyAnalysis, rows: Sequence[Row]) -> str:
    """One ``longtable`` per task; needs the packages longtable and booktabs."""
    parts = ["% needs \\usepackage{longtable,booktabs}"]
    for task in analysis.tasks:
        parts += [
            rf"\begin{{longtable}}{{l{'r' * (len(HEADER) - 3)}rl}}",
            rf"\caption{{{latex(task.task)}}}\\",
            r"\toprule",
        ]
        parts += [" & ".join(map(latex, HEADER)) + r" \\", r"\midrule", r"\endhead"]
        parts += [" & ".join(map(latex, text_cells(r))) + r" \\" for r in rows if r["task"] == task.task]
        parts += [r"\bottomrule", r"\end{longtable}", ""]
    return "\n".join(parts)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = ["| " + " | ".join(map(markdown, header)) + " |", "|" + "---|" * len(header)]
    return [*lines, *("| " + " | ".join(markdown(cell) for cell in row) + " |" for row in rows), ""]


def report_md(analysis: StudyAnalysis, rows: Sequence[Row]) -> str:
    """The tables and the words."""
    study = analysis.runs.state.study
    parts = [f"# Loss study {markdown(study.name)}", ""]
    parts += [f"> **Note.** {markdown(clean(w, limit=None))}\n" for w in analysis.warnings]
    for task in analysis.tasks:
        parts += [f"## {markdown(task.task)}, {task.num_classes} classes", ""]
        parts += [*(f"- {_line(s)}" for s in conclusions(analysis, task)), ""]
        parts += _table(HEADER, [text_cells(r) for r in rows if r["task"] == task.task])
        parts += _tests(task)
        gone = [e for e in analysis.runs.exclusions if e.task == task.task]
        if gone:
            reasons = [(e.arm, e.status.replace("_", " "), e.reason) for e in gone]
            parts += ["### Losses without runs", "", *_table(("loss", "status", "reason"), reasons)]
    parts += ["## What this study cannot show", "", *(f"- {_line(s)}" for s in limits(analysis)), ""]
    parts += [f"Study {study.hash[:16]}, code {markdown(analysis.runs.state.code_version)}.", ""]
    return "\n".join(parts)


def _line(sentence: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|~&!" else c for c in clean(sentence, limit=None))


def _tests(task: TaskAnalysis) -> list[str]:
    if len(task.figures) < 2:
        return []
    arms = [b.arm for b in task.budgets]
    body = []
    for arm in arms:
        cells = [task.figures[test][arm] for test in task.figures]
        body.append([arm, *(mean_text(c["video_auc"]) for c in cells), *(_share(c["coverage"]) for c in cells)])
    header = ("loss", *(f"AUC {t}" for t in task.figures), *(f"coverage {t}" for t in task.figures))
    return ["### Tests", "", *_table(header, body)]


def _share(mean: Mean | None) -> str:
    return percent(mean.value) if mean else BLANK


def mean_text(mean: Mean | None, digits: int = 3) -> str:
    """``0.801 ± 0.010``."""
    if mean is None:
        return BLANK
    return decimal(mean.value, digits) + (
        f" \u00b1 {decimal(mean.deviation, digits)}" if mean.deviation is not None else ""
    )


def effect_text(effect: Effect | None) -> str:
    """``+0.012 [−0.003, +0.027]``."""
    if effect is None:
        return BLANK
    return f"{decimal(effect.difference, signed=True)} {span(effect.interval, signed=True)}".rstrip()
