"""Pictures of what was learned: maps of embeddings, target logits and gradients of the chosen settings."""

from __future__ import annotations

import importlib
import importlib.util
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidfake.errors import ConfigError, LossInputError, UnknownNameError
from vidfake.losses.base import EmbeddingLoss, LossContext
from vidfake.losses.combine import CombinedLoss, build_loss
from vidfake.losses.heads import HeadLoss
from vidfake.losses.simplex import simplex_rows
from vidfake.metrics.segments import Float64Array
from vidfake.study.analysis_runs import StudyRuns
from vidfake.study.arms import plan_arms
from vidfake.study.report_charts import Curve

ANGLES = torch.linspace(0.02, math.pi - 0.02, 90, dtype=torch.float64)
MOST_POINTS = 300
DIM = 16


def stored_embeddings(folder: Path) -> tuple[Float64Array, list[int], list[str]] | None:
    """Unit embeddings (n, E), classes and class names of an arm's first final run, where they were kept."""
    paths = sorted(folder.glob("*.embeddings.npz"))
    if not paths:
        return None
    with np.load(paths[0], allow_pickle=False) as found:
        step = math.ceil(len(found["class_labels"]) / MOST_POINTS)  # they are in the order of the videos
        z, labels = found["embeddings"].astype(np.float64)[::step], found["class_labels"][::step].tolist()
        names = [str(n) for n in found["class_names"]]
    norms = np.linalg.norm(z, axis=1, keepdims=True)
    return z / np.maximum(norms, 1e-12), labels, names


def principal_components(z: Float64Array) -> Float64Array:
    """(n, 2) the two directions of largest variance; signs are fixed, so equal input gives an equal map."""
    centred = z - z.mean(axis=0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    sign = np.sign(vt[np.arange(min(2, len(vt))), np.abs(vt[:2]).argmax(axis=1)])
    plane: Float64Array = u[:, :2] * s[:2] * np.where(sign == 0, 1, sign)
    return plane if plane.shape[1] == 2 else np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))


def umap_plane(z: Float64Array) -> Float64Array | None:
    """(n, 2) by UMAP with a fixed seed (McInnes et al. 2018); None where umap-learn is not installed."""
    if importlib.util.find_spec("umap") is None:
        return None
    umap: Any = importlib.import_module("umap")
    return np.asarray(umap.UMAP(n_components=2, random_state=0).fit_transform(z), dtype=np.float64)


def chosen_losses(runs: StudyRuns, task: str) -> dict[str, EmbeddingLoss]:
    """Each arm's loss with the options that validation chose, in evaluation mode and double precision."""
    study = runs.state.study
    built: dict[str, EmbeddingLoss] = {}
    for state in runs.arms(task):
        record = next(iter(runs.finished(task, state.arm)), None)
        if record is None:
            continue
        one = replace(study, losses=(state.loss,), tasks=(record.task,))  # type: ignore[arg-type]
        try:
            planned = plan_arms(one, state.num_classes)[0]
        except (ConfigError, UnknownNameError):  # this version knows no such loss or setting: no curve
            continue
        arm = next((a for a in planned if a.name == state.arm), None)
        if arm is None:
            continue
        config = arm.config(study.base_config(variant=arm.variant), record.hyperparameters, 0)
        torch.manual_seed(0)
        try:
            loss = build_loss(config.loss, num_classes=state.num_classes, embedding_dim=DIM)
        except (ConfigError, LossInputError):  # settings that this version's loss refuses: the arm has no curve
            continue
        built[state.arm] = loss.double().eval()
    return built


def logit_curves(loss: EmbeddingLoss) -> tuple[Curve, Curve] | None:
    """(target logit / s, slope of the loss / s) against the angle in degrees to the true class's weight, with class
    weights at a simplex's corners; None for a loss without class weights, or that takes more than a clip."""
    head: EmbeddingLoss | None = loss
    if isinstance(loss, CombinedLoss):
        head = next((p for p in loss.parts.values() if isinstance(p, HeadLoss)), None)
    if not isinstance(head, HeadLoss) or len(head.weight) != head.num_classes:
        return None
    rows = simplex_rows(head.num_classes, DIM).double()
    with torch.no_grad():
        head.weight.copy_(rows)
    theta = ANGLES.clone().requires_grad_()
    across = _perpendicular(rows)
    z = theta.cos()[:, None] * rows[1] + theta.sin()[:, None] * across
    y = torch.ones(len(theta), dtype=torch.int64)
    context, scale = LossContext(progress=1.0), float(head.score_scale)
    try:
        logit = head.training_logits(z, y, context)[:, 1] / scale
        values = torch.stack([head(clip[None], y[:1], context=context) for clip in z])
        (slope,) = torch.autograd.grad(values.sum(), theta)
    except (LossInputError, RuntimeError):  # needs a teacher, labels or a whole batch: no curve over one angle
        return None
    degrees = torch.rad2deg(ANGLES).tolist()
    return (degrees, logit.detach().tolist()), (degrees, (slope / scale).tolist())


def _perpendicular(rows: Tensor) -> Tensor:
    """A unit vector at right angles to all class weights."""
    basis: Tensor = torch.linalg.svd(rows, full_matrices=True)[2]
    return basis[-1]
