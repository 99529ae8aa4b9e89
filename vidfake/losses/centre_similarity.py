"""Classwise loss whose centres are learned in a step of their own."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from vidfake.losses.angular import unit_rows
from vidfake.losses.base import LOSSES, LossContext, SearchSpace
from vidfake.losses.center import sums_by_centre
from vidfake.losses.heads import HeadLoss
from vidfake.losses.options import check_range


@LOSSES.register(
    "centre_similarity_r",
    source="after Zhang, Yan 2021, https://arxiv.org/abs/2103.09442",
    status="reconstruction",
    family="softmax",
    tier=3,
    search_space=SearchSpace({"scale": (4.0, 8.0, 16.0, 32.0), "push_rate": (0.0, 0.01, 0.1)}),
)
class CentreSimilarity(HeadLoss):
    """Clips chosen by their own class's centre; centres follow their clips and push each other apart.

        L = mean_i -log( e^{-||x_i - μ_y||² / 2σ²} / Σ_j e^{-||x_i - μ_j||² / 2σ²} )
        after each batch:  μ_j <- (1 - r) μ_j + r mean of class j's x,  then one step of size η down the slope of
        Σ_{i<j} [<μ_i, μ_j> + 1/(C - 1)]₊,  then μ at unit length

    Letters: x embedding and μ centre at unit length, C classes. At unit length the first line is cross-entropy on
    cosines with scale 1/σ².

    Args:
        scale: 1/σ²; 4 to 32.
        rate: r, how fast centres follow; above 0, at most 1.
        push_rate: η; 0 leaves centres where their clips are.

    Two classes: centres are pushed to opposite directions; the least cosine between C directions is -1/(C - 1).
    Known, from the abstract: the classwise loss, and a two-step learning of centres that draws each to its samples
    and pushes centres apart. Ours: unit length, running means, the hinge. The quantisation term for binary codes is
    left out. Centres are state, not parameters, and shared by all processes.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        scale: float = 16.0,
        rate: float = 0.1,
        push_rate: float = 0.01,
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.score_scale = check_range(self, "scale", scale, 0.0, 1000.0, open_low=True)
        self.rate = check_range(self, "rate", rate, 0.0, 1.0, open_low=True)
        self.push_rate = check_range(self, "push_rate", push_rate, 0.0, 1.0)

    def set_weight(self, rows: int) -> None:
        """Centres: random unit rows, moved by this loss itself."""
        self.register_buffer("weight", unit_rows(torch.randn(rows, self.embedding_dim)))

    def similarities(self, z: Tensor) -> Tensor:
        """Cosines (B, C) to a copy of the centres, which move before the backward pass reads it."""
        return unit_rows(z) @ unit_rows(self.weight.to(z.dtype, copy=True)).T

    def criterion(self, logits: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy per clip (B,)."""
        return cross_entropy(logits, y, reduction="none")

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        total = super()._total(z, y, context)
        if self.training and not context.repeated:
            self._move(unit_rows(z.detach()), y)
        return total

    @torch.no_grad()
    def _move(self, x: Tensor, y: Tensor) -> None:
        sums, counts = sums_by_centre(x, y, self.num_classes)
        means = (sums / counts.clamp_min(1)).to(self.weight.dtype)
        centres = torch.where(counts > 0, torch.lerp(self.weight, means, self.rate), self.weight)
        close = centres @ centres.T > -1 / (self.num_classes - 1)
        close.fill_diagonal_(False)
        self.weight.copy_(unit_rows(centres - self.push_rate * close.to(centres.dtype) @ centres))
