"""Parts of a study's page: what was learned, in curves of the losses, and in what the embeddings look like."""

from __future__ import annotations

from vidfake.report.numbers import decimal
from vidfake.study.analysis import StudyAnalysis, TaskAnalysis
from vidfake.study.analysis_runs import pair_weights
from vidfake.study.report_charts import Curve, curves_chart, map_chart
from vidfake.study.report_maps import (
    chosen_losses,
    logit_curves,
    principal_components,
    stored_embeddings,
    umap_plane,
)
from vidfake.study.report_parts import Part, Table, drawn


def curves(analysis: StudyAnalysis, task: TaskAnalysis, families: dict[str, str]) -> Part:
    """Target logit and slope of each loss over the angle."""
    logits: dict[str, dict[str, Curve]] = {}
    slopes: dict[str, dict[str, Curve]] = {}
    for arm, loss in chosen_losses(analysis.runs, task.task).items():
        curves = logit_curves(loss)
        if curves is not None:
            logits.setdefault(families[arm], {})[arm], slopes.setdefault(families[arm], {})[arm] = curves
    svgs: list[str] = []
    for family, found in logits.items():
        svgs += curves_chart(found, f"Target logit / s: {family}", "angle to the true class, degrees", "")
        svgs += curves_chart(
            slopes[family], f"Slope of the loss / s: {family}", "angle to the true class, degrees", ""
        )
    note = (
        "Of the settings that validation chose; class weights at the corners of a simplex, one clip that turns "
        "away."
    )
    return Part("Target logits and gradients", note, plots=drawn(svgs), closed=True)


def embeddings(task: TaskAnalysis) -> Part:
    """Angles, norms, effective rank and silent clips."""
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
        "Validation embeddings, angles in degrees. Silent: clips of a training batch that no longer give a "
        "gradient."
    )
    return Part("Embeddings", note, table=Table(header, rows) if rows else None, closed=True)


def weights_of_pairs(analysis: StudyAnalysis, task: TaskAnalysis, families: dict[str, str]) -> Part:
    """Weights of pairs by cosine."""
    svgs: list[str] = []
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
            svgs += curves_chart(curves, f"Weight, {words}: {family}", "cosine", "")
    note = (
        "|dL/dS| of each pair of clips against its cosine, the largest of a loss being 1: which pairs it trains on."
    )
    return Part("Weights of pairs", note, plots=drawn(svgs), closed=True)


def maps(analysis: StudyAnalysis, task: TaskAnalysis) -> Part:
    """Maps of the embeddings of each loss."""
    svgs = []
    for budget in task.budgets:
        found = stored_embeddings(analysis.runs.folder.run_folder(task.task, budget.arm, "final"))
        if found is None or len(found[0]) < 3:
            continue
        z, labels, names = found
        for way, plane in (("PCA", principal_components(z)), ("UMAP", umap_plane(z))):
            if plane is not None:
                svgs.append(map_chart(f"{budget.arm}, {way}", plane, labels, names))
    note = (
        "Validation embeddings of the first seed. Two of many directions: what lies together here need not be "
        "close."
    )
    return Part("Maps of embeddings", note, plots=drawn(svgs), closed=True)
