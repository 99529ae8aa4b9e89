"""MV-Softmax: negatives that beat the margin count for more, in the cosine and the arc form."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor

from vidfake.losses.angular import ArcGuard, cosine_plus
from vidfake.losses.arcface import ArcFace
from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.cosface import CosFace
from vidfake.losses.heads import HeadBatch, MarginOptions
from vidfake.losses.options import check_range

_SOURCE = "Wang et al. 2020, https://arxiv.org/abs/1912.00833"
_EXTRA = (0.1, 0.2, 0.3)


def raised(cosines: Tensor, threshold: Tensor, extra: float, adaptive: bool) -> Tensor:
    """Cosines (B, C) above the threshold (B,) become (t + 1) c + t, or c + t if not adaptive."""
    higher = (1.0 + extra) * cosines + extra if adaptive else cosines + extra
    return torch.where(cosines > threshold[:, None], higher, cosines)


@LOSSES.register(
    "mv_cosface",
    source=_SOURCE,
    family="adaptive",
    tier=2,
    search_space=SearchSpace(
        {"extra": _EXTRA, "scale": (4.0, 8.0, 16.0, 32.0, 64.0), "margin": (0.0, 0.2, 0.35, 0.5, 0.9, 1.2)},
        {"extra": _EXTRA, "scale": (8.0, 16.0, 32.0, 64.0), "margin": (0.1, 0.2, 0.35, 0.5, 0.8)},
    ),
    defaults_many={"scale": 32.0, "margin": 0.35},
)
class MVCosFace(CosFace):
    """CosFace whose misclassified clips count for more: negatives above the margin's cosine are raised.

        L = -log( e^{s(c_y - m)} / (e^{s(c_y - m)} + Σ_{j≠y} e^{s h_j}) )
        h_j = (t + 1) c_j + t if c_j > c_y - m, else c_j   (not adaptive: c_j + t)

    Letters: c_j cosine to class weight j, s scale, m margin, t extra weight, y the true class.

    Args:
        scale: s of CosFace.
        margin: m of CosFace.
        extra: t.
        adaptive: raise more where the cosine is larger.

    Two classes: an extra margin t (1 + c_o) exactly on the clips that violate the margin.
    Differs from the paper: nothing; no easy margin (it would drop the margin for wrong clips).
    """

    def __init__(
        self,
        *,
        scale: float = 16.0,
        margin: float = 0.5,
        extra: float = 0.2,
        adaptive: bool = True,
        **options: Unpack[MarginOptions],
    ) -> None:
        super().__init__(scale=scale, margin=margin, **options)
        self.extra = check_range(self, "extra", extra, 0.0, 2.0)
        self.adaptive = adaptive

    def other_logits(self, target: Tensor, batch: HeadBatch) -> Tensor:
        """h_j."""
        return raised(batch.cosines, target, self.extra, self.adaptive)


@LOSSES.register(
    "mv_arcface",
    source=_SOURCE,
    family="adaptive",
    tier=2,
    search_space=SearchSpace(
        {"extra": _EXTRA, "scale": (4.0, 8.0, 16.0, 32.0, 64.0), "margin_radians": (0.2, 0.35, 0.5, 0.8, 1.1)},
        {"extra": _EXTRA, "scale": (8.0, 16.0, 32.0, 64.0), "margin_radians": (0.1, 0.2, 0.35, 0.5)},
    ),
    defaults_many={"scale": 32.0},
)
class MVArcFace(ArcFace):
    """ArcFace whose misclassified clips count for more: negatives above the margin's cosine are raised.

        L = -log( e^{s cos(θ_y + m)} / (e^{s cos(θ_y + m)} + Σ_{j≠y} e^{s h_j}) )
        h_j = (t + 1) c_j + t if c_j > cos(θ_y + m), else c_j   (not adaptive: c_j + t)

    Letters: c_j = cos θ_j to class weight j, s scale, m margin in radians, t extra weight, y the true class.

    Args:
        scale: s of ArcFace.
        margin_radians: m of ArcFace.
        arc_guard: as in ArcFace.
        extra: t.
        adaptive: raise more where the cosine is larger.

    Two classes: an extra margin t (1 + c_o) exactly on the clips that violate the margin.
    Differs from the paper: nothing; no easy margin by default (it would drop the margin for wrong clips).
    """

    def __init__(
        self,
        *,
        scale: float = 16.0,
        margin_radians: float = 0.5,
        arc_guard: ArcGuard = "linear",
        extra: float = 0.2,
        adaptive: bool = True,
        **options: Unpack[MarginOptions],
    ) -> None:
        super().__init__(scale=scale, margin_radians=margin_radians, arc_guard=arc_guard, **options)
        self.extra = check_range(self, "extra", extra, 0.0, 2.0)
        self.adaptive = adaptive

    def other_logits(self, target: Tensor, batch: HeadBatch) -> Tensor:
        """h_j. Whether a negative violates is judged by the unguarded margin."""
        threshold = cosine_plus(batch.target_cosine(), self.margin_radians * batch.strength)
        return raised(batch.cosines, threshold, self.extra, self.adaptive)
