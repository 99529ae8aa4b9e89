"""Probability Guided Maxout: the more certain a clip, the more of its largest activations are dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from vidfake.losses.base import LOSSES, EmbeddingLoss, LossContext, SearchSpace
from vidfake.losses.options import check_range
from vidfake.losses.wrapping import build_head


@LOSSES.register(
    "maxout",
    source="Ferrari et al. 2020, Probability Guided Maxout, ICPR 2020, https://arxiv.org/abs/2011.04417",
    family="wrapper",
    tier=2,
    search_space=SearchSpace({"most_dropped": (0.25, 0.5, 0.75)}),
)
class Maxout(EmbeddingLoss):
    """Any head, trained on embeddings whose largest activations are dropped where the clip is already certain.

        L = head( (α / p) · z ⊙ keep ),   p = 1 - d q,   keep: the round(E p) entries of smallest |z|

    Letters: z embedding, q probability of the true class by the head without drop and without margin (no gradient),
    d largest share dropped, α learned factor.

    Args:
        num_classes: C.
        embedding_dim: E.
        head: name of the head; any that owns class weights.
        head_options: that head's own options.
        most_dropped: d, the share dropped at certainty. Authors: 0.5.

    Two classes: keeps one or two activations from carrying "fake" alone. In evaluation mode nothing is dropped; the
    score is the head's. With a head that normalises, the factor α/p has no effect.
    Differs from the paper: entries are ordered by magnitude, because the embedding is signed; the authors' features
    are not negative.
    """

    has_native_score = True

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        head: str = "softmax",
        head_options: Mapping[str, Any] | None = None,
        most_dropped: float = 0.5,
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.most_dropped = check_range(self, "most_dropped", most_dropped, 0.0, 0.95)
        self.head = build_head(
            head,
            head_options,
            num_rows=num_classes,
            num_classes=num_classes,
            embedding_dim=embedding_dim,
            owner="Maxout",
        )
        self.needs = replace(self.needs, norm_must_vary=self.head.needs.norm_must_vary)
        self.factor = nn.Parameter(torch.ones(()))

    def score(self, embeddings: Tensor) -> Tensor:
        """The head's native score (B,)."""
        return self.head.score(embeddings)

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        return self.head._per_clip(self._dropped(z, y) if self.training else z, y, context)

    def _dropped(self, z: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            certainty = torch.softmax(self.head.logits(z), dim=1).gather(1, y[:, None])
            share = 1.0 - self.most_dropped * certainty
            count = self.embedding_dim - torch.round(share * self.embedding_dim).long()  # dropped, of each clip
            largest = z.abs().topk(int(count.max()), dim=1).indices
            dropped = torch.arange(largest.shape[1], device=z.device) < count
            keep = torch.ones_like(z).scatter_(1, largest, (~dropped).to(z.dtype))
        return z * keep * (self.factor.to(z.dtype) / share)
