"""Parts of a study's page: what the tests say of the losses, by test, level and read-out, and in ranks."""

from __future__ import annotations

from collections.abc import Sequence

from vidfake.metrics.comparison import Ranking
from vidfake.report.charts import critical_difference
from vidfake.report.numbers import BLANK, decimal, p_text, percent
from vidfake.study.analysis import TaskAnalysis
from vidfake.study.report_cells import effect_text, mean_text
from vidfake.study.report_charts import heat_chart, rank_chart
from vidfake.study.report_parts import Part, Table, drawn


def second_opinions(task: TaskAnalysis, arms: Sequence[str]) -> Part:
    """Every test of each comparison, in the order of `arms`, and both sources of chance."""
    rows: list[tuple[object, ...]] = [
        (
            e.arm,
            e.num_seeds,
            e.wins,
            decimal(e.seed_deviation),
            decimal(e.seed_error),
            decimal(e.video_error),
            p_text(e.p if task.family and task.family.claims_differences else None),
            p_text(e.holm_p),
            p_text(e.wilcoxon_p),
            p_text(e.delong_p),
            e.verdict,
            e.reason,
        )
        for e in sorted(task.family.effects if task.family else (), key=lambda e: arms.index(e.arm))
    ]
    missing = task.family.missing if task.family else {}
    rows += [(arm, 0, BLANK, *[BLANK] * 7, "no comparison", reason) for arm, reason in missing.items()]
    header = (
        "loss",
        "seeds",
        "seeds above the control",
        "sd over seeds",
        "error from seeds",
        "error from videos",
        "p",
        "p (Holm)",
        "p (Wilcoxon, seeds)",
        "p (DeLong, median)",
        "verdict",
        "reason",
    )
    note = (
        "The claim rests on p (Holm) alone. Wilcoxon's test takes these videos as given; DeLong's takes videos as "
        "independent, which those of one source are not: it is too sure."
    )
    return Part("The tests behind the claims", note, table=Table(header, rows) if rows else None, closed=True)


def tests(task: TaskAnalysis, arms: Sequence[str]) -> Part:
    """Every loss on every test."""
    tests = list(task.figures)
    cells = [[m.value if (m := task.figures[t][arm]["video_auc"]) else None for t in tests] for arm in arms]
    others = {t: {e.arm: e for e in effects} for t, effects in task.others.items()}
    rows = [(arm, *(effect_text(others[t].get(arm)) for t in others)) for arm in arms]
    header = ("loss", *(f"difference on {t} (exploratory)" for t in others))
    return Part(
        "Losses by test: video-level AUC",
        wide=drawn([heat_chart("Mean over seeds", tests, arms, cells, wide=True)]),
        table=Table(header, rows) if others else None,
    )


def levels(task: TaskAnalysis, arms: Sequence[str]) -> Part:
    """Every level on the primary test, with coverage."""
    names = (
        ("frame_auc", "frame AUC"),
        ("frames_averaged_auc", "frames averaged AUC"),
        ("clip_auc", "clip AUC"),
        ("video_auc", "video AUC"),
        ("coverage", "coverage"),
    )
    between = {e.arm: e for e in task.levels}
    rows = [(*row, effect_text(between.get(row[0]))) for row in _figures(task, arms, names)]
    header = ("loss", *(title for _, title in names), "video minus frames averaged [interval]")
    note = "The last column compares a loss's own video score with the mean of its frame scores (exploratory)."
    return Part(f"Levels on '{_test(task)}'", note, table=Table(header, rows), closed=True)


def thresholds(task: TaskAnalysis, arms: Sequence[str]) -> Part:
    """What depends on thresholds and calibration, of videos of the primary test."""
    names = (
        ("video_eer", "EER"),
        ("video_tpr_at_fpr_5", "TPR at FPR 5 %"),
        ("balanced_accuracy", "balanced accuracy"),
        ("ece", "ECE"),
        ("brier", "Brier"),
    )
    note = (
        "Of videos. Balanced accuracy at the threshold of validation, carried over unchanged; ECE and Brier after "
        "calibration on validation. A dash at TPR means that 5 % of the reals are fewer than five videos."
    )
    header = ("loss", *(title for _, title in names))
    title = f"Thresholds and calibration on '{_test(task)}'"
    return Part(title, note, table=Table(header, _figures(task, arms, names)), closed=True)


def _test(task: TaskAnalysis) -> str:
    return task.family.test if task.family else next(iter(task.figures), "")


def _figures(task: TaskAnalysis, arms: Sequence[str], names: Sequence[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Means over seeds of those figures on the primary test."""
    of_test = task.figures.get(_test(task), {})
    return [
        (
            arm,
            *(
                percent(m.value)
                if key == "coverage" and (m := of_test.get(arm, {}).get(key))
                else mean_text(of_test.get(arm, {}).get(key))
                for key, _ in names
            ),
        )
        for arm in arms
    ]


def readouts(task: TaskAnalysis, arms: Sequence[str]) -> list[Part]:
    """Every read-out on the primary test, and each one's own differences from the control."""
    names = list(dict.fromkeys(name for row in task.readouts.values() for name in row))
    if not names:
        return []
    by = {name: {e.arm: e for e in effects} for name, effects in task.by_readout.items()}
    means = [(arm, *(mean_text(task.readouts[arm].get(n)) for n in names)) for arm in arms]
    effects = [(arm, *(effect_text(by.get(n, {}).get(arm)) for n in names)) for arm in arms]
    note = (
        "The same read-out for the loss and the control, so that a loss is not confounded with how it is read out. "
        "Exploratory."
    )
    return [
        Part("Read-outs: video AUC", table=Table(("loss", *names), means), closed=True),
        Part("Read-outs: difference from the control", note, table=Table(("loss", *names), effects), closed=True),
    ]


def ranks(task: TaskAnalysis) -> list[Part]:
    """Ranks by resampling, and over independent tests."""
    title = "Rank on the primary test, with the range over other seeds and people"
    parts = [Part(title, wide=drawn([rank_chart(task.ranks, title)]), closed=True)]
    if isinstance(task.ranking, Ranking):
        friedman = task.ranking.friedman
        note = (
            f"A picture, not a test of the study: {friedman.num_blocks} independent tests (Friedman p "
            f"{p_text(friedman.p_value)}). Tests that share people were averaged into one."
        )
        parts.append(
            Part(
                "Mean ranks and critical difference",
                note,
                wide=drawn([critical_difference(task.ranking)]),
                closed=True,
            )
        )
    else:
        parts.append(Part("Mean ranks and critical difference", f"No critical difference: {task.ranking}"))
    return parts
