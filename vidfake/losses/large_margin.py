"""L-Softmax: a multiplied angle between the embedding and an un-normalised class weight."""

from __future__ import annotations

import torch
from torch import Tensor

from vidfake.losses.angular import TINY_NORM
from vidfake.losses.base import LOSSES, LossContext, SearchSpace
from vidfake.losses.multiplied_angle import MultipliedAngle


@LOSSES.register(
    "large_margin",
    source="Liu et al. 2016, https://arxiv.org/abs/1612.02295 (L-Softmax)",
    family="margin",
    tier=3,
    search_space=SearchSpace({"margin": (2, 3, 4), "anneal_end": (0.0, 1.0, 5.0)}),
)
class LargeMargin(MultipliedAngle):
    """Cross-entropy on inner products, with the true class's angle multiplied by a whole number (L-Softmax).

        l_j = ||w_j|| ||z|| cos θ_j,   l_y = ||w_y|| ||z|| (λ cos θ_y + ψ(θ_y)) / (1 + λ)
        ψ(θ) = (-1)^k cos(mθ) - 2k,   k = floor(mθ/π);   L = -log softmax(l)_y

    Letters: z embedding, w_j weight of class j, θ_j their angle, m margin, λ annealing weight, y the true class.

    Two classes: m above 2 + √3 = 3.73 makes the largest angle within a class smaller than the least between
    classes; with opposite weights m above 3 does.
    Differs from the paper: λ follows the share of training done instead of a number of steps.
    """

    def similarities(self, z: Tensor) -> Tensor:
        """<w_j, z> (B, C)."""
        return torch.nn.functional.linear(z, self.weight.to(z.dtype))

    def training_logits(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        """Inner products with the true class's changed (B, C)."""
        products = self.similarities(z)
        lengths = torch.linalg.vector_norm(self.weight.to(z.dtype), dim=1)[y] * torch.linalg.vector_norm(z, dim=1)
        product = products.gather(1, y[:, None]).squeeze(1)
        cosine = product / lengths.clamp_min(TINY_NORM)
        return products.scatter(1, y[:, None], (lengths * self.target(cosine, context))[:, None])
