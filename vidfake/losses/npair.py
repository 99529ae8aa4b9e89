"""N-pair loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from vidfake.errors import LossInputError
from vidfake.losses.angular import unit_rows
from vidfake.losses.base import LOSSES, LossNeeds, SearchSpace
from vidfake.losses.options import check_range
from vidfake.losses.pairs import PairLoss, Pairs

_SPACE = {"scale": (4.0, 8.0, 16.0, 32.0)}


@LOSSES.register(
    "npair",
    source="Sohn 2016, https://papers.nips.cc/paper/6200-improved-deep-metric-learning-with-multi-class-n-pair-loss"
    "-objective",
    family="pair",
    tier=3,
    search_space=SearchSpace(_SPACE),
)
class NPair(PairLoss):
    """One clip of every class must pick its own class's other clip among those of all classes.

        L = mean over classes c of -log( e^{s <a_c, p_c>} / Σ_k e^{s <a_c, p_k>} )  + λ mean ||z||² / 2

    Letters: a_c, p_c the first two clips of class c in the batch, s scale, λ `norm_weight`. Classes with a single
    clip take no part.

    Args:
        scale: s, on cosines 4 to 32; 1 in the paper, on unnormalised embeddings.
        normalise: unit-length embeddings; False for the paper's inner products.
        norm_weight: λ, on the squared norm of the clips used, where not normalised; about 0.002.

    Shape:
        embeddings (B, E); labels (B,); a scalar. No per-clip value: most clips of a batch take no part.

    Two classes: refused. Two pairs, four clips, of a batch would get a gradient. Made for many classes.
    Differs from the paper: unit length and a scale by default.
    """

    needs = LossNeeds(classes_per_batch=3, clips_per_class=2, min_classes=3)
    takes_references = False

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        scale: float = 16.0,
        normalise: bool = True,
        norm_weight: float = 0.0,
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.scale = check_range(self, "scale", scale, 0.0, 1000.0, open_low=True)
        self.norm_weight = check_range(self, "norm_weight", norm_weight, 0.0)
        if norm_weight and normalise:
            raise LossInputError(
                f"NPair: norm_weight is {norm_weight}, but unit-length embeddings have a fixed norm; set "
                "normalise=False, or norm_weight=0."
            )
        self.normalise = normalise

    @classmethod
    def why_not(cls, num_classes: int) -> str:
        return (
            "N-pair uses two clips of each class and ignores the others: with two classes, four clips of a batch "
            "would train. Use 'multi_similarity' or 'supcon', or task = \"manipulation\"."
        )

    def of_pairs(self, pairs: Pairs) -> Tensor:
        first, second = self._first_two(pairs.anchor_labels)
        z = unit_rows(pairs.anchors) if self.normalise else pairs.anchors
        anchors, positives = z[first], z[second]
        if len(first) < 2:  # one class has nothing to be told from; an empty one has no mean
            return z.sum() * 0.0
        logits = self.scale * anchors @ positives.T
        loss = cross_entropy(logits, torch.arange(len(first), device=z.device))
        if self.norm_weight:
            loss = loss + self.norm_weight * torch.cat([anchors, positives]).square().sum(1).mean() / 2
        return loss

    @staticmethod
    def _first_two(labels: Tensor) -> tuple[Tensor, Tensor]:
        """Indices of the first and the second clip of every class that has two."""
        same = labels[:, None] == labels[None, :]
        rank = torch.tril(same, diagonal=-1).sum(1)  # earlier clips of the same class
        second = torch.nonzero(rank == 1).flatten()
        first = same[second].to(torch.int8).argmax(dim=1)
        return first, second
