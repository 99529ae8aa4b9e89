"""SphereFace (A-Softmax) with annealing, and SphereFace-R with real multipliers on normalised features."""

from __future__ import annotations

import math
from typing import Literal, Unpack

import torch
from torch import Tensor

from vidfake.losses.angular import angle_of, falling_cosine
from vidfake.losses.base import LOSSES, LossContext, SearchSpace
from vidfake.losses.heads import Gradient, HeadBatch, MarginHead, RampedSoftmaxOptions
from vidfake.losses.multiplied_angle import MultipliedAngle
from vidfake.losses.options import check_choice, check_range


@LOSSES.register(
    "sphereface",
    source="Liu et al. 2017, https://arxiv.org/abs/1704.08063 (A-Softmax)",
    family="margin",
    tier=3,
    search_space=SearchSpace({"margin": (2, 3, 4), "anneal_end": (0.0, 1.0, 5.0)}),
)
class SphereFace(MultipliedAngle):
    """Cross-entropy on cosines times the embedding's norm, with the true class's angle multiplied (A-Softmax).

        l_j = ||z|| cos θ_j,   l_y = ||z|| (λ cos θ_y + ψ(θ_y)) / (1 + λ)
        ψ(θ) = (-1)^k cos(mθ) - 2k,   k = floor(mθ/π);   L = -log softmax(l)_y

    Letters: z embedding, θ_j its angle to class weight j, m margin, λ annealing weight, y the true class.

    Two classes: m above 2 + √3 = 3.73 makes the largest angle within a class smaller than the least between
    classes; with opposite weights m above 3 does. λ stays at 5 or more by default, so the margin in force is small.
    Differs from the paper: λ follows the share of training done instead of a number of steps.
    """

    def logits(self, embeddings: Tensor) -> Tensor:
        """||z|| cos θ_j (B, C), without margin."""
        return self.cosines(embeddings) * _lengths(self.checked_embeddings(embeddings))

    def training_logits(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        """||z|| times the cosines, the true class's changed (B, C)."""
        cosines = self.similarities(z)
        target = self.target(cosines.gather(1, y[:, None]).squeeze(1), context)
        return cosines.scatter(1, y[:, None], target[:, None]) * _lengths(z)


def _lengths(z: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    return lengths


@LOSSES.register(
    "sphereface_r",
    source="Liu et al. 2022, https://arxiv.org/abs/2109.05565 (SphereFace-R)",
    family="margin",
    tier=1,
    search_space=SearchSpace(
        {"scale": (4.0, 8.0, 16.0, 32.0), "margin": (1.2, 1.35, 1.7, 2.5, 4.0)},
        {"scale": (8.0, 16.0, 32.0, 64.0), "margin": (1.2, 1.35, 1.7)},
    ),
    defaults_many={"scale": 30.0},
)
class SphereFaceR(MarginHead):
    """Cross-entropy on scaled cosines, with the true class's angle multiplied by any number of 1 or more.

        L = -log( e^{s ψ(θ_y)} / (e^{s ψ(θ_y)} + Σ_{j≠y} e^{s cos θ_j}) )
        ψ(θ) = (-1)^k cos(mθ) - 2k,   k = floor(mθ/π)

    Letters: θ_j angle between embedding and class weight j, s scale, m margin, y the true class.

    Args:
        scale: s. Paper: 30.
        margin: m, a multiplier; 1 is no margin.
        variant: `falling` is ψ above; `v1` holds the angle at π, ψ = cos(min(mθ, π)); `v2` leaves the true class
            alone and divides the angles of the others, cos(θ_j / m).
        gradient: `detached`, as published: the plain cosine's gradient; or `full`.

    Two classes: with opposite weights each class ends within θ < π/(m + 1) of its weight.
    Differs from the paper: the margin grows with `margin_warmup` from 1; `v1` and `v2` are written from memory.
    """

    def __init__(
        self,
        *,
        scale: float = 16.0,
        margin: float = 1.7,
        variant: Literal["falling", "v1", "v2"] = "falling",
        gradient: Gradient = "detached",
        **options: Unpack[RampedSoftmaxOptions],
    ) -> None:
        super().__init__(scale=scale, gradient=gradient, **options)
        self.margin = check_range(self, "margin", margin, 1.0, 8.0, hint="It multiplies the angle.")
        check_choice(self, "variant", variant, ("falling", "v1", "v2"))
        self.variant = variant

    def target_logit(self, cosine: Tensor, batch: HeadBatch) -> Tensor:
        """ψ(θ_y)."""
        if self.variant == "v2":
            return cosine
        angle = angle_of(cosine) * (1.0 + (self.margin - 1.0) * batch.strength)
        return angle.clamp_max(math.pi).cos() if self.variant == "v1" else falling_cosine(angle)

    def other_logits(self, target: Tensor, batch: HeadBatch) -> Tensor:
        """cos θ_j, or cos(θ_j / m) in `v2`."""
        if self.variant != "v2":
            return batch.cosines
        return (angle_of(batch.cosines) / (1.0 + (self.margin - 1.0) * batch.strength_column())).cos()
