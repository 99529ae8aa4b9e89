"""Multi-similarity loss with its miner."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.options import check_range
from vidfake.losses.pairs import AnchorLoss, Pairs, masked_logsumexp

_SPACE = {"base": (0.3, 0.5, 0.7), "beta": (10.0, 50.0, 100.0)}


def mine(cosines: Tensor, positives: Tensor, negatives: Tensor, *, epsilon: float) -> tuple[Tensor, Tensor]:
    """The informative pairs (A, R): positives less similar than the nearest negative + ε, negatives more similar
    than the farthest positive - ε. An anchor without a positive or without a negative keeps none."""
    fixed = cosines.detach()
    nearest_negative = torch.where(negatives, fixed, -torch.inf).max(dim=1, keepdim=True).values
    farthest_positive = torch.where(positives, fixed, torch.inf).min(dim=1, keepdim=True).values
    return (
        positives & (fixed < nearest_negative + epsilon),
        negatives & (fixed > farthest_positive - epsilon),
    )


@LOSSES.register(
    "multi_similarity",
    source="Wang et al. 2019, https://arxiv.org/abs/1904.06627",
    family="pair",
    tier=1,
    search_space=SearchSpace(_SPACE),
)
class MultiSimilarity(AnchorLoss):
    """Pairs weighted by their own similarity and by how they compare with the anchor's other pairs.

        L = mean_i { 1/α log[1 + Σ_p e^{-α(S_ip - b)}] + 1/β log[1 + Σ_n e^{β(S_in - b)}] }

    Letters: S cosine, α and β steepness, b base, p and n the positives and negatives of anchor i that mining kept.

    Args:
        alpha: α, steepness for positives; 2.
        beta: β, steepness for negatives; 10 to 100.
        base: b, the cosine about which pairs are judged; 0.3 to 0.8.
        mining_epsilon: ε in cosine units, 0.1; keep positives with S_ip < max_n S_in + ε and negatives with
            S_in > min_p S_ip - ε. None keeps every pair.

    Shape:
        embeddings (B, E), any norm; labels (B,); a scalar. The mean is over all B clips, mined or not. Eight clips
        per class or more give mining something to choose from.

    Two classes: with 0/1 labels half the batch are positives of each clip; prefer manipulation labels.
    Differs from the paper: nothing.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        alpha: float = 2.0,
        beta: float = 50.0,
        base: float = 0.5,
        mining_epsilon: float | None = 0.1,
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.alpha = check_range(self, "alpha", alpha, 0.0, open_low=True)
        self.beta = check_range(self, "beta", beta, 0.0, open_low=True)
        self.base = check_range(self, "base", base, -1.0, 1.0, hint="It is a cosine.")
        if mining_epsilon is not None:
            check_range(self, "mining_epsilon", mining_epsilon, 0.0, hint="None keeps every pair.")
        self.mining_epsilon = mining_epsilon

    def of_anchors(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        cosines, positives, negatives = pairs.cosines(), pairs.positives, pairs.negatives
        if self.mining_epsilon is not None:
            positives, negatives = mine(cosines, positives, negatives, epsilon=self.mining_epsilon)
        gap = cosines - self.base
        pull = softplus(masked_logsumexp(-self.alpha * gap, positives)) / self.alpha
        push = softplus(masked_logsumexp(self.beta * gap, negatives)) / self.beta
        return pull + push, torch.ones_like(pull, dtype=torch.bool)
