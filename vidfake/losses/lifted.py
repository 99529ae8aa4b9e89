"""Lifted structure loss, generalised and as first published."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from vidfake.losses.base import LOSSES, LossContext, SearchSpace
from vidfake.losses.options import check_choice, check_range
from vidfake.losses.pairs import PairLoss, Pairs, masked_logsumexp, mean_where

Form = Literal["generalised", "original"]

_SPACE = {"margin": (0.5, 1.0, 1.5), "form": get_args(Form)}


@LOSSES.register(
    "lifted",
    source="Song et al. 2016, https://arxiv.org/abs/1511.06452; generalised: Hermans et al. 2017, "
    "https://arxiv.org/abs/1703.07737",
    family="pair",
    tier=2,
    search_space=SearchSpace(_SPACE),
)
class Lifted(PairLoss):
    """Every positive pair against all negatives of the batch at once, through a soft maximum.

        generalised:  L = mean over anchors of [ log Σ_p e^{d_ap} + log Σ_n e^{m - d_an} ]₊
        original:     L = mean over positive pairs of [J_ij]₊² / 2,
                      J_ij = log( Σ_{n of i} e^{m - d_in} + Σ_{n of j} e^{m - d_jn} ) + d_ij

    Letters: d Euclidean distance of unit-length embeddings, p and n positives and negatives, m margin.

    Args:
        margin: m, in distance units; 0.5 to 1.5.
        form: "generalised" (a value per anchor) or "original" (a value per positive pair).

    Shape:
        embeddings (B, E), any norm; labels (B,); a scalar. Per-clip values with "generalised". Memory is that of a
        few B × B tables: the sum over the negatives of i and of j is log(e^a_i + e^a_j) of two per-clip sums.

    Two classes: the sums hold half a batch each, so L is near 2 log(B/2) + m - (d_an - d_ap) and rarely reaches 0;
    prefer manipulation labels.
    Differs from the papers: unit length.
    """

    def __init__(
        self, *, num_classes: int, embedding_dim: int, margin: float = 1.0, form: Form = "generalised"
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.margin = check_range(self, "margin", margin, 0.0, open_low=True)
        self.form = check_choice(self, "form", form, get_args(Form))

    def of_pairs(self, pairs: Pairs) -> Tensor:
        if self.form == "generalised":
            return mean_where(*self._of_anchors(pairs))
        d = pairs.unit_distances()
        of_anchor = masked_logsumexp(self.margin - d, pairs.negatives)
        of_reference = masked_logsumexp((self.margin - d).T, pairs.negatives.T)
        counted = pairs.positives & (of_anchor > -torch.inf)[:, None]
        pushes = torch.logaddexp(_finite(of_anchor)[:, None], _finite(of_reference)[None, :])
        return mean_where(torch.relu(pushes + d).square() / 2, counted)

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        if self.form == "original":
            return super()._per_clip(z, y, context)
        values, counted = self._of_anchors(Pairs.of(z, y))
        return torch.where(counted, values, 0.0)

    def _of_anchors(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        d = pairs.unit_distances()
        pull = masked_logsumexp(d, pairs.positives)
        push = masked_logsumexp(self.margin - d, pairs.negatives)
        counted = pairs.positives.any(dim=1) & pairs.negatives.any(dim=1)
        return torch.relu(torch.where(counted, pull, 0.0) + torch.where(counted, push, 0.0)), counted


def _finite(log_sum: Tensor) -> Tensor:
    """A very small number for the empty sum's -inf, which would give NaN gradients."""
    return log_sum.clamp_min(-1e4)
