"""Combined margin: multiplied and added angle, and subtracted cosine, at once."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor

from vidfake.losses.angular import angle_of, falling_cosine
from vidfake.losses.arcface import check_margin_radians
from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.heads import HeadBatch, MarginHead, MarginOptions
from vidfake.losses.options import check_range


@LOSSES.register(
    "combined_margin",
    source="Deng et al. 2019, https://arxiv.org/abs/1801.07698, section 2",
    family="margin",
    tier=2,
    search_space=SearchSpace(
        {"scale": (8.0, 16.0, 32.0), "margin_radians": (0.2, 0.3, 0.5), "margin": (0.1, 0.2, 0.35, 0.5)},
        {"scale": (16.0, 32.0, 64.0), "margin_radians": (0.1, 0.2, 0.3), "margin": (0.1, 0.15, 0.2)},
    ),
    defaults_many={"scale": 32.0},
)
class CombinedMargin(MarginHead):
    """Cross-entropy on scaled cosines, with all three margins of SphereFace, ArcFace and CosFace on the true class.

        L = -log( e^{s ψ} / (e^{s ψ} + Σ_{j≠y} e^{s cos θ_j}) ),   ψ = cos(m₁ θ_y + m₂) - m₃

    Letters: θ_j angle between embedding and class weight j, s scale, y the true class.

    Args:
        scale: s. Paper: 64.
        margin_multiplier: m₁, 1 to 4.
        margin_radians: m₂.
        margin: m₃, in cosine units.
        interclass_filter: other classes' cosines above this are set to 0 (a guard against wrong labels among many
            classes); None is off.

    Two classes: the boundary moves by about m₂/2 and m₃ (see arcface and cosface); leave the filter off.
    Differs from the paper: where m₁ θ + m₂ passes π, cos continues to fall as (-1)^k cos - 2k.
    """

    def __init__(
        self,
        *,
        scale: float = 16.0,
        margin_multiplier: float = 1.0,
        margin_radians: float = 0.3,
        margin: float = 0.2,
        interclass_filter: float | None = None,
        **options: Unpack[MarginOptions],
    ) -> None:
        super().__init__(scale=scale, **options)
        self.margin_multiplier = check_range(self, "margin_multiplier", margin_multiplier, 0.5, 4.0)
        self.margin_radians = check_margin_radians(self, margin_radians)
        self.margin = check_range(self, "margin", margin, 0.0, 2.0, hint="It is in cosine units.")
        self.interclass_filter = (
            None
            if interclass_filter is None
            else check_range(self, "interclass_filter", interclass_filter, -1.0, 1.0)
        )

    def target_logit(self, cosine: Tensor, batch: HeadBatch) -> Tensor:
        """cos(m₁ θ_y + m₂) - m₃, continued beyond π."""
        multiplier = 1.0 + (self.margin_multiplier - 1.0) * batch.strength
        angle = angle_of(cosine) * multiplier + self.margin_radians * batch.strength
        return falling_cosine(angle) - self.margin * batch.strength

    def other_logits(self, target: Tensor, batch: HeadBatch) -> Tensor:
        """cos θ_j, filtered."""
        if self.interclass_filter is None:
            return batch.cosines
        return torch.where(batch.cosines > self.interclass_filter, 0.0, batch.cosines)
