"""Channel-consistency loss: clips of one class attend to the same channels."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn

from vidfake.losses.base import LOSSES, EmbeddingLoss, LossContext, LossNeeds, SearchSpace
from vidfake.losses.distributed import whole_batch
from vidfake.losses.heads import SoftmaxOptions
from vidfake.losses.options import check_range
from vidfake.losses.pairs import Pairs, distances, mean_where
from vidfake.losses.softmax import Softmax


@LOSSES.register(
    "cc_r",
    source="after Song et al. 2020, https://arxiv.org/abs/2010.05469",
    status="reconstruction",
    family="softmax",
    tier=2,
    search_space=SearchSpace({"consistency": (0.01, 0.1, 1.0), "margin": (0.5, 1.0, 2.0)}),
)
class ChannelConsistency(Softmax):
    """Cross-entropy, and channel attentions that agree within a class and differ between classes.

        L = CE + λ ( mean_{y_i = y_j} ||g_i - g_j|| + mean_{y_i ≠ y_j} [μ - ||g_i - g_j||]₊ )
        g = σ(V_2 relu(V_1 z))

    Letters: z embedding, g its channel attention in (0, 1), V_1 (E/r, E) and V_2 (E, E/r) learned, λ `consistency`,
    μ `margin`. Scoring uses the linear layer alone.

    Args:
        consistency: λ; 0.01 to 1.
        margin: μ, in Euclidean distance of attentions, which is at most √E.
        reduction: r, at most E; 16.

    Shape:
        embeddings (B, E); labels (B,); a scalar. No per-clip value: the second part is over pairs, of all processes
        in training.

    Two classes: pulls the attentions of all fakes together; prefer manipulation labels.
    Known, from the abstract: channel attention per sample, equal within and apart between classes in Euclidean
    distance, beside cross-entropy, in training only. Ours: attention on the embedding, margin, weights.
    """

    needs = LossNeeds(classes_per_batch=2, clips_per_class=2)

    def __init__(
        self,
        *,
        consistency: float = 0.1,
        margin: float = 1.0,
        reduction: int = 16,
        **options: Unpack[SoftmaxOptions],
    ) -> None:
        super().__init__(**options)
        self.consistency = check_range(self, "consistency", consistency, 0.0)
        self.margin = check_range(self, "margin", margin, 0.0, open_low=True)
        check_range(self, "reduction", reduction, 1)
        hidden = max(1, self.embedding_dim // reduction)
        self.squeeze = nn.Linear(self.embedding_dim, hidden, bias=False)
        self.excite = nn.Linear(hidden, self.embedding_dim, bias=False)

    def attention(self, z: Tensor) -> Tensor:
        """Channel attention (B, E) in (0, 1)."""
        hidden = torch.relu(nn.functional.linear(z, self.squeeze.weight.to(z.dtype)))
        return torch.sigmoid(nn.functional.linear(hidden, self.excite.weight.to(z.dtype)))

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        cross_entropy = super()._per_clip(z, y, context).mean()
        pairs = Pairs.of(*whole_batch(z, y, training=self.training))
        g = self.attention(pairs.anchors)
        # distances do not change with the origin, but keep their digits near it
        g = g - g.mean(0, keepdim=True).detach()
        d = distances(g, g)
        agree, differ = mean_where(d, pairs.positives), mean_where(torch.relu(self.margin - d), pairs.negatives)
        return cross_entropy + self.consistency * (agree + differ)

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        return EmbeddingLoss._per_clip(self, z, y, context)
