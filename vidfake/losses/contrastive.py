"""Contrastive loss."""

from __future__ import annotations

import torch
from torch import Tensor

from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.options import check_range
from vidfake.losses.pairs import PairLoss, Pairs, mean_of_positive

_SPACE = {"negative_margin": (0.4, 0.6, 0.8, 1.0, 1.2), "positive_margin": (0.0, 0.2)}


@LOSSES.register(
    "contrastive",
    source="Hadsell et al. 2006, https://doi.org/10.1109/CVPR.2006.100",
    family="pair",
    tier=2,
    search_space=SearchSpace(_SPACE),
)
class Contrastive(PairLoss):
    """Clips of one class nearer than a margin, clips of two classes farther than another.

        L = mean⁺_{y_i = y_j} [d_ij - m_p]₊ + mean⁺_{y_i ≠ y_j} [m_n - d_ij]₊

    Letters: d Euclidean distance of unit-length embeddings (0 to 2), y classes, m_p and m_n margins; mean⁺ runs
    over the pairs whose term is above 0, so that the gradient does not shrink as pairs become easy.

    Args:
        positive_margin: m_p, distance below which a positive pair is left alone; 0 to 0.3.
        negative_margin: m_n, distance above which a negative pair is left alone; 0.4 to 1.2.
        squared: square both hinges, as in the paper; then far pairs pull harder.

    Shape:
        embeddings (B, E), any norm; labels (B,); a scalar. No per-clip value: the means run over pairs.

    Two classes: with 0/1 labels all fakes are pulled together, though they are not one mode; prefer manipulation
    labels (or a `positive_margin` of 0.2).
    Differs from the paper: unit length, distance unsquared by default, positives and negatives averaged separately.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        positive_margin: float = 0.0,
        negative_margin: float = 1.0,
        squared: bool = False,
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.positive_margin = check_range(self, "positive_margin", positive_margin, 0.0, 1.99)
        self.negative_margin = check_range(self, "negative_margin", negative_margin, 0.0, 2.0, open_low=True)
        self.squared = squared

    def of_pairs(self, pairs: Pairs) -> Tensor:
        d = pairs.unit_distances()
        pull = torch.relu(d - self.positive_margin)
        push = torch.relu(self.negative_margin - d)
        if self.squared:
            pull, push = pull.square(), push.square()
        return mean_of_positive(pull, pairs.positives) + mean_of_positive(push, pairs.negatives)
