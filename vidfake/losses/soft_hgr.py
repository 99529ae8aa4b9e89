"""Soft HGR: the correlation of two sets of features, without inverting a covariance."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from vidfake.losses.base import LOSSES, EmbeddingLoss, LossContext, LossNeeds, SearchSpace
from vidfake.losses.distributed import whole_batch
from vidfake.losses.options import check_range


def soft_hgr(f: Tensor, g: Tensor) -> Tensor:
    """Soft-HGR correlation of features f and g (B, k) of the same B clips; 0 for fewer than two.

        J = 1/(B - 1) Σ_i <f_i - f̄, g_i - ḡ> - 1/2 tr(cov f cov g)

    Source: Wang et al. 2019, https://arxiv.org/abs/1811.08979.
    """
    f, g = f - f.mean(0, keepdim=True), g - g.mean(0, keepdim=True)
    n = max(1, len(f) - 1)
    return (f * g).sum() / n - 0.5 * ((f.T @ f) * (g.T @ g)).sum() / n**2


@LOSSES.register(
    "soft_hgr",
    source="Liang et al. 2020, HGR maximal correlation for person recognition, ICPR; Wang et al. 2019, "
    "https://arxiv.org/abs/1811.08979",
    family="regulariser",
    tier=3,
    search_space=SearchSpace({"components": (8, 16, 32)}),
)
class SoftHGR(EmbeddingLoss):
    """Embeddings as correlated as they can be with their labels; to be added to cross-entropy.

        L = -J(f, g),   f = V z,  g = U_y,   J = mean <f - f̄, g - ḡ> - 1/2 tr(cov f cov g)

    Letters: z embedding, V (k, E) learned projection, U_y learned vector of class y, k `components`; means and
    covariances are those of the batch, which the trace term keeps from growing without bound.

    Args:
        components: k; well below the batch size.

    Shape:
        embeddings (B, E); labels (B,); a scalar, not below -(C - 1)/2; 0 for a single clip. No per-clip value: it
        is a statistic of the batch, of all processes in training.

    Two classes: labels have one direction only, so it adds nothing to cross-entropy; use manipulation labels.
    Differs from the paper: embedding and label only; `soft_hgr(f, g)` takes any two sets of features, such as frame
    and flow.
    """

    needs = LossNeeds(classes_per_batch=2, clips_per_class=2)

    def __init__(self, *, num_classes: int, embedding_dim: int, components: int = 32) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        check_range(self, "components", components, 1)
        self.projection = nn.Parameter(torch.randn(components, embedding_dim) / math.sqrt(embedding_dim))
        self.label_vectors = nn.Parameter(torch.randn(num_classes, components) / math.sqrt(components))

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        z, y = whole_batch(z, y, training=self.training)
        return -soft_hgr(linear(z, self.projection.to(z.dtype)), self.label_vectors.to(z.dtype)[y])
