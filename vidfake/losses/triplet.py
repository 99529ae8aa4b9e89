"""Triplet loss: all triplets, semi-hard, batch-hard, and with a soft margin."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import pad, softplus

from vidfake.errors import LossInputError
from vidfake.losses.base import LOSSES, LossContext, SearchSpace
from vidfake.losses.options import check_choice, check_range
from vidfake.losses.pairs import PairLoss, Pairs, distances, squared_distances, unit_pair

Mining = Literal["all", "semihard", "hard"]
Negatives = Literal["other_class", "other_side"]

_SPACE = {"margin": (0.05, 0.1, 0.2, 0.3), "mining": get_args(Mining)}


def hinge_triplets(
    near: Tensor, positives: Tensor, far: Tensor, negatives: Tensor, *, margin: float, semihard: bool
) -> tuple[Tensor, Tensor]:
    """Sum and number (A,) of the hinges [margin + near_ip - far_in]₊ above 0 of each anchor i, over its p and n.

    Sorting each row once replaces the (A, P, N) table of triplets: for a positive p the negatives that count are a
    run of the sorted row, and their sum is a difference of running sums. Memory and time are near A × N.

    Args:
        near: (A, P) distances to candidates for the positive, of which `positives` (A, P) marks the valid ones.
        far: (A, N) distances to candidates for the negative, of which `negatives` (A, N) marks the valid ones.
        semihard: count only negatives farther than the positive (far > near).
    """
    ordered, order = torch.where(negatives, far, torch.inf).sort(dim=1)
    valid = negatives.gather(1, order)
    # running sums about the row's mean: sums of hundreds of distances would lose digits in float32
    centre = (torch.where(negatives, far, 0.0).sum(1) / negatives.sum(1).clamp_min(1)).detach()[:, None]
    running = pad(torch.where(valid, ordered - centre, 0.0).cumsum(dim=1), (1, 0))
    fixed, reach = ordered.detach(), near.detach().contiguous()
    stop = torch.searchsorted(fixed, reach + margin)
    start = torch.searchsorted(fixed, reach, right=True) if semihard else torch.zeros_like(stop)
    start = torch.minimum(start, stop)
    counts = torch.where(positives, stop - start, 0)
    sums = counts * (near + margin - centre) - torch.where(
        positives, running.gather(1, stop) - running.gather(1, start), 0.0
    )
    return sums.sum(1), counts.sum(1)


@LOSSES.register(
    "triplet",
    source="Schroff et al. 2015, https://arxiv.org/abs/1503.03832; batch-hard, soft margin: Hermans et al. 2017, "
    "https://arxiv.org/abs/1703.07737",
    family="pair",
    tier=1,
    search_space=SearchSpace(_SPACE),
)
class Triplet(PairLoss):
    """Every clip nearer to its own class than to any other, by a margin.

        all, semihard:  L = mean⁺ over triplets of [m + d_ap - d_an]₊
        hard:           L = mean over anchors of [m + max_p d_ap - min_n d_an]₊, or of log(1 + e^{max d_ap - min
            d_an})

    Letters: d_ap, d_an distance of anchor a to a positive p and a negative n, m margin; mean⁺ runs over the terms
    above 0. Semi-hard triplets have d_ap < d_an < d_ap + m.

    Args:
        margin: m, in distance units; 0.05 to 0.3 (1 with `normalise=False`). Unused where `soft`.
        mining: "semihard" (all semi-hard triplets, not one per pair), "all", or "hard" (one triplet per anchor).
        soft: log(1 + e^x) in place of the hinge, so that there is no margin to choose; "hard" only.
        squared: squared distances, as in FaceNet (margin 0.2 there).
        normalise: embeddings at unit length first. False keeps their norm, as in Bonettini et al. 2020 (margin 1).
        negatives: "other_class", or "other_side": real against fake only, so that fakes of two manipulations are
            neither pulled nor pushed. The same thing with two classes.

    Shape:
        embeddings (B, E); labels (B,); a scalar. A clip's own value is its triplets' share of the loss, times B.

    Two classes: with 0/1 labels half the batch are positives, and the hardest is often a mislabelled clip; use
    manipulation labels, and "hard" only after an epoch of another loss. A collapse shows as a loss of exactly m
    (log 2 where soft) with "hard".
    Differs from the papers: unit length by default; every semi-hard triplet, where FaceNet draws one per pair.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        margin: float = 0.2,
        mining: Mining = "semihard",
        soft: bool = False,
        squared: bool = False,
        normalise: bool = True,
        negatives: Negatives = "other_class",
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.margin = check_range(self, "margin", margin, 0.0, open_low=True)
        self.mining = check_choice(self, "mining", mining, get_args(Mining))
        self.negatives = check_choice(self, "negatives", negatives, get_args(Negatives))
        if soft and mining != "hard":
            raise LossInputError(
                f"Triplet: soft=True goes with mining='hard', not {mining!r}: a soft term is never 0, so the mean "
                "over the terms above 0 would be a mean over all triplets, most of them easy."
            )
        self.soft = soft
        self.squared = squared
        self.normalise = normalise

    def of_pairs(self, pairs: Pairs) -> Tensor:
        values, counts = self._of_anchors(pairs)
        return values.sum() / counts.sum().clamp_min(1)

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        values, counts = self._of_anchors(Pairs.of(z, y))
        return values * len(y) / counts.sum().clamp_min(1)

    def _of_anchors(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Sum and number (A,) of the terms of each anchor."""
        d, negatives = self._distances(pairs), self._negatives(pairs)
        if self.mining == "hard":
            return self._hardest(d, pairs.positives, negatives)
        return hinge_triplets(
            d, pairs.positives, d, negatives, margin=self.margin, semihard=self.mining == "semihard"
        )

    def _distances(self, pairs: Pairs) -> Tensor:
        apart = squared_distances if self.squared else distances
        a, b = pairs.anchors, pairs.references
        return apart(*unit_pair(a, b)) if self.normalise else apart(a, b)

    def _negatives(self, pairs: Pairs) -> Tensor:
        if self.negatives == "other_class":
            return pairs.negatives
        return (pairs.anchor_labels > 0)[:, None] != (pairs.reference_labels > 0)[None, :]

    def _hardest(self, d: Tensor, positives: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
        farthest = torch.where(positives, d, -torch.inf).max(dim=1).values
        nearest = torch.where(negatives, d, torch.inf).min(dim=1).values
        counted = positives.any(dim=1) & negatives.any(dim=1)
        gap = torch.where(counted, farthest - nearest, 0.0)
        values = softplus(gap) if self.soft else torch.relu(gap + self.margin)
        return torch.where(counted, values, 0.0), counted
