"""Single-center loss: reals near one learned centre, fakes farther from it than reals."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vidfake.losses.angular import unit_rows
from vidfake.losses.base import LOSSES, EmbeddingLoss, LossContext, LossNeeds, SearchSpace
from vidfake.losses.distributed import whole_batch
from vidfake.losses.options import check_range
from vidfake.losses.pairs import mean_where


@LOSSES.register(
    "single_center",
    source="Li et al. 2021, https://arxiv.org/abs/2103.09096",
    family="one_class",
    tier=1,
    search_space=SearchSpace({"margin": (0.1, 0.3, 1.0)}),
)
class SingleCenter(EmbeddingLoss):
    """Reals at one learned centre, fakes farther from it on average, by a margin; usually added to cross-entropy.

        L = M_r + [M_r - M_f + m √E]₊,   M = mean of ||z_i - c|| over the reals (r) or the fakes (f)

    Letters: c learned centre, m margin, E embedding dimension.

    Args:
        margin: m; 0.1 to 1.
        unit_norm: embeddings at unit length, and m in place of m √E.

    Shape:
        embeddings (B, E); labels (B,), 0 real, anything else fake; a scalar. Without fakes L = M_r, without reals
        0. No per-clip value: the hinge is on two means, so outliers can hide. In training the means run over all
        processes.

    Two classes: made for them; with manipulation labels all fakes are one side. Weight in a sum 0.1 to 1. The score
    is ||z - c||, and it is on no fixed scale.
    Differs from the paper: nothing but the `unit_norm` switch.
    """

    needs = LossNeeds(classes_per_batch=2)
    has_native_score = True

    def __init__(
        self, *, num_classes: int, embedding_dim: int, margin: float = 0.3, unit_norm: bool = False
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.margin = check_range(self, "margin", margin, 0.0, 10.0, open_low=True)
        self.unit_norm = unit_norm
        self.centre = nn.Parameter(torch.randn(embedding_dim) / math.sqrt(embedding_dim))

    def score(self, embeddings: Tensor) -> Tensor:
        """Distance from the centre of reals (B,)."""
        z = self.checked_embeddings(embeddings)
        with torch.autocast(z.device.type, enabled=False):
            return self._from_centre(z)

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        z, y = whole_batch(z, y, training=self.training)
        d, real = self._from_centre(z), y == 0
        mean_real, mean_fake = mean_where(d, real), mean_where(d, ~real)
        margin = self.margin if self.unit_norm else self.margin * math.sqrt(self.embedding_dim)
        both = real.any() & (~real).any()
        return mean_real + torch.where(both, torch.relu(mean_real - mean_fake + margin), 0.0)

    def _from_centre(self, z: Tensor) -> Tensor:
        points = unit_rows(z) if self.unit_norm else z
        lengths: Tensor = torch.linalg.vector_norm(points - self.centre.to(z.dtype), dim=1)
        return lengths
