"""Ranked list loss."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor

from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.heads import Gradient
from vidfake.losses.options import check_choice, check_range
from vidfake.losses.pairs import AnchorLoss, Pairs

_SPACE = {"alpha": (0.8, 1.0, 1.2, 1.4), "margin": (0.2, 0.4, 0.6), "negative_temperature": (1.0, 5.0, 10.0)}


@LOSSES.register(
    "ranked_list",
    source="Wang et al. 2019, https://arxiv.org/abs/1903.03238",
    family="pair",
    tier=1,
    search_space=SearchSpace(_SPACE),
)
class RankedList(AnchorLoss):
    """Each class inside a ball of its own radius rather than at a point, other classes outside a larger one.

        L_P = mean over positives with d > α - m of d - (α - m)
        L_N = Σ w (α - d) / Σ w  over negatives with d < α,  w = e^{T_n (α - d)}
        L   = mean_i (1 - λ) L_P + λ L_N

    Letters: d Euclidean distance of unit-length embeddings (0 to 2) from anchor i, m margin, λ `negative_share`.

    Args:
        alpha: α, distance beyond which a negative is left alone; 0.8 to 1.4.
        margin: m, so that positives nearer than α - m are left alone; 0.2 to 0.6, below α.
        negative_temperature: T_n, how much nearer negatives weigh more; 0 (all equal) to 10.
        negative_share: λ, 0 to 1; 0.5.
        gradient: "full", or "detached": the weights w are constants.

    Shape:
        embeddings (B, E), any norm; labels (B,); a scalar; the mean is over all B clips.

    Two classes: suits them better than losses that pull a class to a point, for fakes are not one mode.
    Differs from the paper: positives are not weighted (T_p = 0).
    """

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        alpha: float = 1.2,
        margin: float = 0.4,
        negative_temperature: float = 10.0,
        negative_share: float = 0.5,
        gradient: Gradient = "full",
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.alpha = check_range(self, "alpha", alpha, 0.0, 2.0, open_low=True)
        self.margin = check_range(self, "margin", margin, 0.0, alpha, open_low=True, hint="At most alpha.")
        self.negative_temperature = check_range(
            self, "negative_temperature", negative_temperature, 0.0, 30.0, hint="e^60 is near the end of float32."
        )
        self.negative_share = check_range(self, "negative_share", negative_share, 0.0, 1.0)
        self.gradient = check_choice(self, "gradient", gradient, get_args(Gradient))

    def of_anchors(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        d = pairs.unit_distances()
        excess = d - (self.alpha - self.margin)
        far = pairs.positives & (excess > 0)
        pull = torch.where(far, excess, 0.0).sum(1) / far.sum(1).clamp_min(1)
        near = pairs.negatives & (d < self.alpha)
        lack = torch.where(near, self.alpha - d, 0.0)
        w = torch.where(near, torch.exp(self.negative_temperature * lack), 0.0)
        if self.gradient == "detached":
            w = w.detach()
        push = (w * lack).sum(1) / torch.where(near.any(dim=1), w.sum(1), 1.0)
        value = (1 - self.negative_share) * pull + self.negative_share * push
        return value, torch.ones_like(value, dtype=torch.bool)
