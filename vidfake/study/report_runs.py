"""Parts of a study's page: what was run, at what budget, and what it took."""

from __future__ import annotations

from vidfake.report.numbers import BLANK, decimal
from vidfake.study.analysis import StudyAnalysis, TaskAnalysis
from vidfake.study.report_charts import best_so_far_charts, sensitivity_charts
from vidfake.study.report_parts import Part, Table, drawn
from vidfake.study.report_rows import chosen


def search(task: TaskAnalysis, families: dict[str, str]) -> Part:
    """Best objective so far against trials."""
    note = (
        "Budgets are equal; a failed trial counts as spent. The curve starts at the first trial that did not fail."
    )
    return Part("Search: best so far against trials", note, plots=drawn(best_so_far_charts(task.budgets, families)))


def budget(task: TaskAnalysis) -> Part:
    """What each loss spent, and the settings that were chosen."""
    rows = [
        (
            b.arm,
            f"{b.trials} of {b.planned_trials}",
            b.failed_trials,
            f"{b.seeds} of {b.planned_seeds}",
            b.failed_seeds,
            b.dimensions,
            BLANK if b.best_trial is None else b.best_trial + 1,
            chosen(b.chosen, b.at_bound),
            "; ".join(f"{n}: {reason}" for reason, n in b.reasons.items()),
        )
        for b in task.budgets
    ]
    header = (
        "loss",
        "trials",
        "failed",
        "seeds",
        "failed seeds",
        "dimensions",
        "best at trial",
        "chosen",
        "reason",
    )
    return Part("Budget of every loss", "* at an end of its range.", table=Table(header, rows), closed=True)


def without_runs(analysis: StudyAnalysis, task: TaskAnalysis) -> Part:
    """Losses that have no runs, with their reasons."""
    rows = [(e.arm, e.status.replace("_", " "), e.reason) for e in analysis.runs.exclusions if e.task == task.task]
    return Part("Losses without runs", table=Table(("loss", "status", "reason"), rows) if rows else None)


def sensitivity(task: TaskAnalysis) -> Part:
    """The objective over two hyper-parameters of each loss."""
    note = "Mean of the trials that fell into a cell; other hyper-parameters differ. One scale of colours for all."
    title = "Sensitivity: validation objective over two hyper-parameters"
    return Part(title, note, plots=drawn(sensitivity_charts(task.maps)), closed=True)


def costs(task: TaskAnalysis) -> Part:
    """Time and memory."""
    rows = [
        (
            c.arm,
            c.runs,
            decimal(c.seconds / 60, 1),
            decimal(c.seconds_per_run, 2),
            decimal(c.train_seconds_per_run, 2),
            decimal(c.peak_rss_mib, 0),
            c.retried,
        )
        for c in task.costs
    ]
    header = ("loss", "runs", "minutes", "seconds per run", "of them training", "peak memory, MiB", "retried")
    note = (
        "Memory is the peak of a run, with the clips that all processes map."
        if all(c.peak_of_run for c in task.costs)
        else "Memory is the largest of the process so far, which made other runs before: an upper bound."
    )
    return Part("Time and memory", note, table=Table(header, rows) if rows else None, closed=True)
