"""Circle loss on pairs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.options import check_range
from vidfake.losses.pairs import AnchorLoss, Pairs, masked_logsumexp

_SPACE = SearchSpace(
    {"gamma": (8.0, 16.0, 32.0, 64.0, 128.0), "margin": (0.1, 0.25, 0.4)},
    {"gamma": (16.0, 32.0, 64.0, 128.0, 256.0), "margin": (0.1, 0.25, 0.4)},
)


@LOSSES.register(
    "circle_pair",
    source="Sun et al. 2020, https://arxiv.org/abs/2002.10857",
    family="pair",
    tier=2,
    search_space=_SPACE,
)
class CirclePair(AnchorLoss):
    """Pairs pulled and pushed in proportion to how far each is from its own optimum.

        L = mean_i softplus( LSE_n[γ a_n (S_in - m)] + LSE_p[-γ a_p (S_ip - (1 - m))] )
        a_p = [1 + m - S_ip]₊,  a_n = [S_in + m]₊,  both constants in the gradient

    Letters: S cosine, m margin, γ scale; LSE is log Σ exp over the negatives or positives of anchor i. The decision
    boundary is the circle S_n² + (1 - S_p)² = 2 m².

    Args:
        margin: m, the relaxation; 0.1 to 0.4 (0.25 for faces).
        gamma: γ, the scale; 8 to 256. The paper's 256 is for faces of many thousand people.

    Shape:
        embeddings (B, E), any norm; labels (B,); a scalar, over the anchors that have a positive and a negative.

    Two classes: a large γ is a hinge; with 0/1 labels search 8 to 128, and prefer manipulation labels.
    Differs from the paper: a value per anchor (as usual in code) rather than over all pairs of the batch at once.
    """

    def __init__(self, *, num_classes: int, embedding_dim: int, margin: float = 0.25, gamma: float = 64.0) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.margin = check_range(self, "margin", margin, 0.0, 1.0)
        self.gamma = check_range(self, "gamma", gamma, 0.0, 1000.0, open_low=True)

    def of_anchors(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        s = pairs.cosines()
        pull = torch.relu(1 + self.margin - s.detach()) * (1 - self.margin - s)
        push = torch.relu(s.detach() + self.margin) * (s - self.margin)
        counted = pairs.positives.any(dim=1) & pairs.negatives.any(dim=1)
        both = masked_logsumexp(self.gamma * pull, pairs.positives) + masked_logsumexp(
            self.gamma * push, pairs.negatives
        )
        return softplus(torch.where(counted, both, 0.0)), counted
