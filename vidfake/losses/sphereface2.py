"""SphereFace2: one binary classifier per class."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidfake.losses.angular import inside
from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.heads import Gradient, HeadBatch, MarginLogits, MarginRampOptions
from vidfake.losses.options import check_range


@LOSSES.register(
    "sphereface2",
    source="Wen et al. 2022, https://arxiv.org/abs/2108.01513",
    family="margin",
    tier=2,
    search_space=SearchSpace({"scale": (4.0, 8.0, 16.0, 40.0), "margin": (0.0, 0.2, 0.4)}),
    defaults_many={"scale": 40.0},
)
class SphereFace2(MarginLogits):
    """One logistic loss per class, on a warped cosine with a margin on both sides of a learned threshold.

        L = λ softplus(-(r (g(c_y) - m) + b)) + (1 - λ) Σ_{j≠y} softplus(r (g(c_j) + m) + b)
        g(c) = 2 ((c + 1)/2)^t - 1,   c_j = cos θ_j

    Letters: θ_j angle between embedding and class weight j, r scale, m margin, b learned bias, t warp, λ weight of
    the true class.

    Args:
        scale: r. Paper: 40.
        margin: m, in units of the warped cosine.
        warp: t; 1 leaves the cosine as it is, larger spreads similar clips apart.
        positive_weight: λ; None is (C - 1)/C, which weighs the true class as much as all others together.
        gradient: `detached`, as published: the plain cosine's gradient; or `full`.

    Two classes: λ = 0.5. The published λ = 0.7 has no solution for the paper's start of b here; b starts at
    r (1 - 2·0.5^t) instead (30 for r = 40, t = 3), where a cosine of 0 means undecided.
    Differs from the paper: that start of b, that λ, and no factor C·lw/r on the loss, so that learning rates
    compare.
    """

    def __init__(
        self,
        *,
        scale: float = 16.0,
        margin: float = 0.2,
        warp: float = 3.0,
        positive_weight: float | None = None,
        gradient: Gradient = "detached",
        **options: Unpack[MarginRampOptions],
    ) -> None:
        super().__init__(scale=scale, gradient=gradient, **options)
        self.margin = check_range(self, "margin", margin, 0.0, 1.0)
        self.warp = check_range(self, "warp", warp, 1.0, 10.0)
        balanced = (self.num_classes - 1) / self.num_classes
        self.positive_weight = check_range(
            self, "positive_weight", balanced if positive_weight is None else positive_weight, 0.0, 1.0
        )
        self.bias = nn.Parameter(torch.tensor(scale * (1.0 - 2.0 * 0.5**self.warp)))

    def warped(self, cosines: Tensor) -> Tensor:
        """g(c)."""
        return 2.0 * ((inside(cosines) + 1.0) / 2.0) ** self.warp - 1.0

    def logits(self, embeddings: Tensor) -> Tensor:
        """r g(c_j) + b (B, C), without margin; its sigmoid is the class's own probability."""
        return self.score_scale * self.warped(self.cosines(embeddings)) + self.bias

    def target_logit(self, cosine: Tensor, batch: HeadBatch) -> Tensor:
        """g(c_y) - m."""
        return self.warped(cosine) - self.margin * batch.strength

    def other_logits(self, target: Tensor, batch: HeadBatch) -> Tensor:
        """g(c_j) + m."""
        return self.warped(batch.cosines) + self.margin * batch.strength_column()

    def criterion(self, logits: Tensor, y: Tensor) -> Tensor:
        """Weighted logistic losses, summed over classes (B,)."""
        shifted = logits + self.bias.to(logits.dtype)
        true = shifted.gather(1, y[:, None])
        others = F.softplus(shifted).sum(dim=1, keepdim=True) - F.softplus(true)
        return (self.positive_weight * F.softplus(-true) + (1.0 - self.positive_weight) * others).squeeze(1)
