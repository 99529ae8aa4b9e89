"""docs/images/loss_FAMILY.png: what each loss does to a clip at an angle θ from where it should be."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from loss_page import FAMILIES
from torch import Tensor

from vidfake.losses import LOSSES, EmbeddingLoss, HeadLoss, LossContext, defaults_for
from vidfake.registry import Row

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
THETA = torch.linspace(0.01, math.pi - 0.01, 200, dtype=torch.float64)
FULL = LossContext(progress=1.0)

Curve = Callable[[Tensor], Tensor]


def main() -> None:
    """Draw every family that has curves over an angle."""
    plt.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False})
    IMAGES.mkdir(parents=True, exist_ok=True)
    for family in FAMILIES:
        rows = [row for row in sorted(LOSSES, key=lambda row: row.name) if row.details["family"] == family]
        if family in ("softmax", "margin", "adaptive"):
            _draw(family, _head_panels(rows))
        elif family == "one_class":
            _draw(family, _one_class_panels(rows))
        elif family == "pair":
            _draw(family, _pair_panels(rows))


def _draw(family: str, panels: list[tuple[str, dict[str, tuple[Tensor, Tensor]]]]) -> None:
    figure, axes = plt.subplots(1, len(panels), figsize=(3.2 * len(panels), 2.8), layout="constrained")
    for axis, (title, curves) in zip(axes, panels, strict=True):
        for index, (name, (x, y)) in enumerate(curves.items()):
            axis.plot(
                x, y, label=name, linewidth=1.2, linestyle=["-", "--", ":"][index // 10], color=f"C{index % 10}"
            )
        axis.set_title(title, fontsize=8)
        axis.set_xlabel("θ in degrees")
        axis.axhline(0, color="0.8", linewidth=0.6, zorder=0)
        axis.set_xticks(range(0, 181, 45))
    axes[-1].legend(fontsize=6, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    path = IMAGES / f"loss_{family}.png"
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)
    print(f"{path.name}: {path.stat().st_size // 1024} KiB")


def _build(row: Row[EmbeddingLoss], dim: int, classes: int = 2, **options: object) -> EmbeddingLoss:
    torch.manual_seed(0)
    given = {**defaults_for(row.name, classes), **options}
    return LOSSES.build(row.name, num_classes=classes, embedding_dim=dim, **given).double().eval()


def _slope(y: Tensor, theta: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(y.sum(), theta, retain_graph=True)
    return slope


def _degrees(theta: Tensor) -> Tensor:
    return torch.rad2deg(theta.detach())


def _head_panels(rows: list[Row[EmbeddingLoss]]) -> list[tuple[str, dict[str, tuple[Tensor, Tensor]]]]:
    """Target logit, its slope, and the slope of the loss with opposite class weights."""
    logits: dict[str, tuple[Tensor, Tensor]] = {}
    slopes: dict[str, tuple[Tensor, Tensor]] = {}
    pulls: dict[str, tuple[Tensor, Tensor]] = {}
    for row in rows:
        if "weights" not in row.options() and row.name != "fixed_simplex":
            continue
        classes = max(2, row.factory.needs.min_classes)  # type: ignore[attr-defined]
        options: dict[str, object] = {"weights": "simplex"} if "weights" in row.options() else {}
        if row.name == "subcenter_arcface":
            options |= {"centres_real": 1, "centres_fake": 1}
        loss = _build(row, 4, classes, **options)
        if not isinstance(loss, HeadLoss):
            continue
        theta = THETA.clone().requires_grad_()
        along, across = loss.weight[1].double(), _perpendicular(loss.weight.double())
        z = theta.cos()[:, None] * along + theta.sin()[:, None] * across
        y = torch.ones(len(theta), dtype=torch.int64)
        scale = loss.score_scale
        if type(loss).criterion is not HeadLoss.criterion:
            logit = loss.training_logits(z, y, FULL)[:, 1] / scale
            logits[row.name] = _degrees(theta), logit.detach()
            slopes[row.name] = _degrees(theta), _slope(loss.training_logits(z, y, FULL)[:, 1], theta) / scale
        alone = torch.stack([loss(clip[None], y[:1], context=FULL) for clip in z])
        pulls[row.name] = _degrees(theta), _slope(alone, theta) / scale
    return [("target logit / s", logits), ("its slope by θ", slopes), ("slope of the loss by θ, / s", pulls)]


def _perpendicular(weight: Tensor) -> Tensor:
    """A unit vector at right angles to every class weight, so that only the target's angle moves."""
    if len(weight) == 2:  # opposite weights: turn within a plane that holds them
        other = torch.roll(weight[1], 1) + torch.tensor([0.0, 0.0, 1.0, 0.0])
        other = other - (other @ weight[1]) * weight[1]
        return other / other.norm()
    return torch.linalg.svd(weight)[2][-1]


def _one_class_panels(rows: list[Row[EmbeddingLoss]]) -> list[tuple[str, dict[str, tuple[Tensor, Tensor]]]]:
    """Loss and slope of a real and a fake clip at θ from the prototype of the reals."""
    values: dict[str, tuple[Tensor, Tensor]] = {}
    slopes: dict[str, tuple[Tensor, Tensor]] = {}
    for row in rows:
        options = {"unit_norm": True} if "unit_norm" in row.options() else {}
        loss = _build(row, 2, **options)
        centre = next(p for p in loss.parameters() if p.shape[-1] == 2)
        with torch.no_grad():
            centre.copy_(torch.tensor([1.0, 0.0]).expand_as(centre))
        for label, kind in enumerate(("real", "fake")):
            theta = THETA.clone().requires_grad_()
            z = torch.stack([theta.cos(), theta.sin()], dim=1)
            # one clip moves, beside a real at 30 and a fake at 90 degrees
            fixed = torch.tensor([[math.cos(math.pi / 6), 0.5], [0.0, 1.0]], dtype=torch.float64)
            y = torch.tensor([label, 0, 1])
            value = torch.stack([loss(torch.cat([row_z[None], fixed]), y, context=FULL) for row_z in z])
            values[f"{row.name}, {kind}"] = _degrees(theta), value.detach()
            slopes[f"{row.name}, {kind}"] = _degrees(theta), _slope(value, theta)
    return [("loss of three clips, one at θ", values), ("its slope by θ", slopes)]


def _pair_panels(rows: list[Row[EmbeddingLoss]]) -> list[tuple[str, dict[str, tuple[Tensor, Tensor]]]]:
    """Slope of the loss as one positive, and as one negative, turns away from the anchor; each on its own scale."""
    panels: list[tuple[str, dict[str, tuple[Tensor, Tensor]]]] = []
    for title, moving in (("slope as a positive turns away", 1), ("slope as a negative turns away", 2)):
        curves: dict[str, tuple[Tensor, Tensor]] = {}
        for row in rows:
            classes = max(2, row.factory.needs.min_classes)  # type: ignore[attr-defined]
            loss = _build(row, 6, classes)
            theta = THETA.clone().requires_grad_()
            values = [_four_clips(loss, angle, moving, classes) for angle in theta]
            slope = _slope(torch.stack(values), theta)
            curves[row.name] = _degrees(theta), slope / slope.abs().max().clamp_min(1e-12)
        panels.append((f"{title}, largest = 1", curves))
    return panels


def _four_clips(loss: EmbeddingLoss, angle: Tensor, moving: int, classes: int) -> Tensor:
    """Anchor, its positive at 34 degrees, other classes at right angles; one clip at `angle` from the anchor."""
    axes = torch.eye(6, dtype=torch.float64)
    z = axes[[0, 0, 1, 2, 3, 4][: 2 * classes]].clone()
    z[1] = math.cos(0.6) * axes[0] + math.sin(0.6) * axes[5]
    clip = angle.cos() * axes[0] + angle.sin() * axes[5 if moving == 1 else 1]
    z = torch.cat([z[:moving], clip[None], z[moving + 1 :]])
    y = torch.arange(2 * classes) // 2
    context = LossContext(binary_labels=(y > 0).long(), domains=torch.zeros_like(y))
    return loss(z, y, context=context)  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
