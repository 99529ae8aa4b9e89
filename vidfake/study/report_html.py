"""The HTML of a study's report: one file, no scripts, nothing from outside; every text escaped by the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from vidfake.metrics.comparison import Ranking
from vidfake.report.charts import critical_difference
from vidfake.report.html import environment
from vidfake.report.numbers import BLANK, decimal, p_text, percent
from vidfake.study.analysis import StudyAnalysis, TaskAnalysis
from vidfake.study.analysis_runs import pair_weights
from vidfake.study.analysis_words import conclusions, headline, limits
from vidfake.study.report_charts import (
    Curve,
    best_so_far_charts,
    curves_chart,
    effects_chart,
    heat_chart,
    map_chart,
    rank_chart,
    sensitivity_charts,
)
from vidfake.study.report_maps import (
    chosen_losses,
    logit_curves,
    principal_components,
    stored_embeddings,
    umap_plane,
)
from vidfake.study.report_text import HEADER, Row, chosen, effect_text, mean_text, text_cells


@dataclass(frozen=True)
class Table:
    """A table; columns named in `left` are texts."""

    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    left: Sequence[str] = ("verdict", "chosen (* at a bound)", "reason", "status", "chosen")


@dataclass(frozen=True)
class Part:
    """A part of a task's section: drawings (`wide`, then `plots` side by side), then a table; `closed` folds it."""

    title: str
    note: str = ""
    wide: Sequence[Markup] = field(default=())
    plots: Sequence[Markup] = field(default=())
    table: Table | None = None
    closed: bool = False


def render(analysis: StudyAnalysis, rows: Sequence[Row]) -> str:
    """The whole page."""
    study = analysis.runs.state.study
    facts = {
        "name": study.name,
        "trials": study.trials,
        "seeds": len(study.seeds),
        "metric": study.primary_metric,
        "test": analysis.runs.primary_test,
        "margin": f"{study.equivalence_margin:g}",
        "alpha": f"{study.alpha:g}",
        "control": study.control,
        "hash": study.hash[:16],
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


def _drawn(svgs: Sequence[str]) -> list[Markup]:
    return [Markup(svg) for svg in svgs if svg]  # made by svg.Plot, which escapes every label


def _parts(analysis: StudyAnalysis, task: TaskAnalysis, rows: Sequence[Row]) -> list[Part]:
    runs = analysis.runs
    families = {a.arm: a.family or "other" for a in runs.arms(task.task)}
    arms = [str(r["arm"]) for r in rows if r["task"] == task.task and r["arm"] in families]
    own = [r for r in rows if r["task"] == task.task]
    parts = []
    if task.family:
        title = f"Effect against '{runs.state.study.control}' on '{task.family.test}'"
        parts.append(Part(title, wide=_drawn([effects_chart(task.family, title)])))
    parts.append(Part("All losses", table=Table(HEADER, [text_cells(r) for r in own])))
    parts += [_second_opinions(task), _tests(task, arms), _levels(task, arms), _readouts(task, arms)]
    parts += [*_ranks(task), *_attribution(task, arms)]
    note = (
        "Budgets are equal; a failed trial counts as spent. The curve starts at the first trial that did not fail."
    )
    parts.append(
        Part("Search: best so far against trials", note, plots=_drawn(best_so_far_charts(task.budgets, families)))
    )
    parts += [_budget(task), _without_runs(analysis, task)]
    parts.append(
        Part(
            "Sensitivity: validation objective over two hyper-parameters",
            "Mean of the trials that fell into a cell; other hyper-parameters differ. One scale "
            "of colours for all.",
            plots=_drawn(sensitivity_charts(task.maps)),
            closed=True,
        )
    )
    parts += _curves(analysis, task, families)
    parts += [_diagnostics(task), _pair_weights(analysis, task, families), _maps(analysis, task), _costs(task)]
    return parts


def _second_opinions(task: TaskAnalysis) -> Part:
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
        for e in (task.family.effects if task.family else ())
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


def _tests(task: TaskAnalysis, arms: Sequence[str]) -> Part:
    tests = list(task.figures)
    cells = [[m.value if (m := task.figures[t][arm]["video_auc"]) else None for t in tests] for arm in arms]
    others = {t: {e.arm: e for e in effects} for t, effects in task.others.items()}
    rows = [(arm, *(effect_text(others[t].get(arm)) for t in others)) for arm in arms]
    header = ("loss", *(f"difference on {t} (exploratory)" for t in others))
    return Part(
        "Losses by test: video-level AUC",
        wide=_drawn([heat_chart("Mean over seeds", tests, arms, cells, wide=True)]),
        table=Table(header, rows) if others else None,
    )


def _levels(task: TaskAnalysis, arms: Sequence[str]) -> Part:
    test = task.family.test if task.family else next(iter(task.figures), "")
    names = (
        ("frame_auc", "frame AUC"),
        ("frames_averaged_auc", "frames averaged AUC"),
        ("clip_auc", "clip AUC"),
        ("video_auc", "video AUC"),
        ("coverage", "coverage"),
        ("video_eer", "video EER"),
        ("video_tpr_at_fpr_5", "TPR at FPR 5 %"),
        ("balanced_accuracy", "balanced accuracy"),
        ("ece", "ECE"),
        ("brier", "Brier"),
    )
    between = {e.arm: e for e in task.levels}
    rows = []
    for arm in arms:
        figures = task.figures.get(test, {}).get(arm, {})
        cells = [
            percent(m.value) if key == "coverage" and (m := figures.get(key)) else mean_text(figures.get(key))
            for key, _ in names
        ]
        rows.append((arm, *cells, effect_text(between.get(arm))))
    header = ("loss", *(title for _, title in names), "video minus frames averaged")
    note = (
        "Balanced accuracy at the threshold of validation, carried over unchanged; ECE and Brier "
        "after calibration on "
        "validation. A dash at TPR means that 5 % of the reals are fewer than five videos."
    )
    return Part(f"Levels, thresholds and calibration on '{test}'", note, table=Table(header, rows), closed=True)


def _readouts(task: TaskAnalysis, arms: Sequence[str]) -> Part:
    names = list(dict.fromkeys(name for row in task.readouts.values() for name in row))
    by = {name: {e.arm: e for e in effects} for name, effects in task.by_readout.items()}
    rows = [
        (
            arm,
            *(mean_text(task.readouts[arm].get(n)) for n in names),
            *(effect_text(by.get(n, {}).get(arm)) for n in names),
        )
        for arm in arms
    ]
    header = ("loss", *(f"{n} AUC" for n in names), *(f"{n}: difference (exploratory)" for n in names))
    note = (
        "The same read-out for the loss and the control, so that a loss is not confounded with how it is read out."
    )
    return Part("Read-outs", note, table=Table(header, rows) if names else None, closed=True)


def _ranks(task: TaskAnalysis) -> list[Part]:
    title = "Rank on the primary test, with the range over other seeds and people"
    parts = [Part(title, wide=_drawn([rank_chart(task.ranks, title)]), closed=True)]
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
                wide=_drawn([critical_difference(task.ranking)]),
                closed=True,
            )
        )
    else:
        note = f"No critical difference: {task.ranking}"
        parts.append(Part("Mean ranks and critical difference", note, table=Table(("",), [(note,)])))
    return parts


def _attribution(task: TaskAnalysis, arms: Sequence[str]) -> list[Part]:
    if not task.attribution:
        return []
    tests = list(task.attribution)
    names = ("macro_f1", "macro_recall", "accuracy", "prototype_macro_f1")
    rows = [(arm, *(mean_text(task.attribution[t][arm][n]) for t in tests for n in names)) for arm in arms]
    header = ("loss", *(f"{n.replace('_', ' ')} on {t}" for t in tests for n in names))
    note = "Over videos of the classes of training; mean and deviation over seeds."
    return [Part("Which manipulation", note, table=Table(header, rows))]


def _budget(task: TaskAnalysis) -> Part:
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


def _without_runs(analysis: StudyAnalysis, task: TaskAnalysis) -> Part:
    rows = [(e.arm, e.status.replace("_", " "), e.reason) for e in analysis.runs.exclusions if e.task == task.task]
    return Part("Losses without runs", table=Table(("loss", "status", "reason"), rows) if rows else None)


def _curves(analysis: StudyAnalysis, task: TaskAnalysis, families: dict[str, str]) -> list[Part]:
    logits: dict[str, dict[str, Curve]] = {}
    slopes: dict[str, dict[str, Curve]] = {}
    for arm, loss in chosen_losses(analysis.runs, task.task).items():
        curves = logit_curves(loss)
        if curves is not None:
            logits.setdefault(families[arm], {})[arm], slopes.setdefault(families[arm], {})[arm] = curves
    drawn: list[str] = []
    for family, found in logits.items():
        drawn += curves_chart(found, f"Target logit / s: {family}", "angle to the true class, degrees", "")
        drawn += curves_chart(
            slopes[family], f"Slope of the loss / s: {family}", "angle to the true class, degrees", ""
        )
    note = (
        "Of the settings that validation chose; class weights at the corners of a simplex, one clip "
        "that turns away."
    )
    return [Part("Target logits and gradients", note, plots=_drawn(drawn), closed=True)]


def _diagnostics(task: TaskAnalysis) -> Part:
    header = (
        "loss",
        "angle within reals",
        "angle within fakes",
        "angle between classes",
        "norm of reals",
        "norm of fakes",
        "effective rank",
        "silent share",
    )
    rows = [
        (
            d.arm,
            *(decimal(v, 1) for v in (d.intra_real, d.intra_fake, d.inter)),
            decimal(d.norm_real, 2),
            decimal(d.norm_fake, 2),
            decimal(d.effective_rank, 1),
            decimal(d.silent_share, 2),
        )
        for d in task.diagnostics
    ]
    note = (
        "Validation embeddings, angles in degrees. Silent: clips of a training batch that no longer "
        "give a gradient."
    )
    return Part("Embeddings", note, table=Table(header, rows) if rows else None, closed=True)


def _pair_weights(analysis: StudyAnalysis, task: TaskAnalysis, families: dict[str, str]) -> Part:
    drawn: list[str] = []
    for kind, words in (("same", "pairs of one class"), ("other", "pairs of two classes")):
        by_family: dict[str, dict[str, Curve]] = {}
        for arm, family in families.items():
            found = pair_weights(analysis.runs, task.task, arm)
            if found is None:
                continue
            most = max((v for k in ("same", "other") for v in found[k] if v is not None), default=0.0)
            if most > 0:
                scaled = [None if v is None else v / most for v in found[kind]]
                by_family.setdefault(family, {})[arm] = ([float(c or 0) for c in found["cosine"]], scaled)
        for family, curves in by_family.items():
            drawn += curves_chart(curves, f"Weight, {words}: {family}", "cosine", "")
    note = (
        "|dL/dS| of each pair of clips against its cosine, the largest of a loss being 1: which pairs it trains on."
    )
    return Part("Weights of pairs", note, plots=_drawn(drawn), closed=True)


def _maps(analysis: StudyAnalysis, task: TaskAnalysis) -> Part:
    drawn = []
    for arm in task.figures[next(iter(task.figures))] if task.figures else ():
        found = stored_embeddings(analysis.runs.folder.run_folder(task.task, arm, "final"))
        if found is None or len(found[0]) < 3:
            continue
        z, labels, names = found
        for way, plane in (("PCA", principal_components(z)), ("UMAP", umap_plane(z))):
            if plane is not None:
                drawn.append(map_chart(f"{arm}, {way}", plane, labels, names))
    note = (
        "Validation embeddings of the first seed. Two of many directions: what lies together here "
        "need not be close."
    )
    return Part("Maps of embeddings", note, plots=_drawn(drawn), closed=True)


def _costs(task: TaskAnalysis) -> Part:
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
    note = "Memory is the largest of the process so far, which makes many runs: an upper bound."
    return Part("Time and memory", note, table=Table(header, rows) if rows else None, closed=True)
