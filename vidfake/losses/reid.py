"""Auxiliary losses of person re-identification, with the camera read as recording condition (dataset,
compression)."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from vidfake.losses.angular import unit_rows
from vidfake.losses.base import LOSSES, EmbeddingLoss, LossContext, LossNeeds, SearchSpace
from vidfake.losses.context_checks import context_tensor
from vidfake.losses.cosface import CosFace
from vidfake.losses.distributed import gather_plain, whole_batch
from vidfake.losses.heads import MarginOptions
from vidfake.losses.options import check_range
from vidfake.losses.pairs import Pairs, mean_of_positive, mean_where

_SOURCE = "Sovrasov, Sidnev 2020, https://arxiv.org/abs/2003.07618 (from its code)"


def domains_of(context: LossContext, y: Tensor, owner: str) -> Tensor:
    """Recording condition of each clip (B,), or LossInputError."""
    why = "which clips share a dataset and compression"
    return context_tensor(context, "domains", owner=owner, shape=tuple(y.shape), why=why)


class _CentreCosines(EmbeddingLoss):
    """Base of losses that compare clips with class centres: a head's weights in a sum of losses, own ones alone."""

    def __init__(self, *, num_classes: int, embedding_dim: int) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.centres = nn.Parameter(unit_rows(torch.randn(num_classes, embedding_dim)))

    def _centre_cosines(self, z: Tensor, context: LossContext) -> Tensor:
        """Cosine of each clip with each class centre (B, C)."""
        if context.class_weights is None:
            return unit_rows(z) @ unit_rows(self.centres.to(z.dtype)).T
        # own centres stay in the graph: training in several processes expects a gradient for every parameter
        unused = self.centres.to(z.dtype).sum() * 0.0
        return unit_rows(z) @ unit_rows(context.class_weights.to(z.dtype)).T + unused


@LOSSES.register(
    "global_push_plus",
    source=_SOURCE,
    family="regulariser",
    tier=1,
    search_space=SearchSpace(),
)
class GlobalPushPlus(_CentreCosines):
    """Every clip nearer to its own class centre than to any other; to be added to a head, whose weights it uses.

        L = mean⁺ over clips i and classes j ≠ y_i of [(1 - <x_i, c_y>) - (1 - <x_i, c_j>)]₊

    Letters: x embedding and c class centre at unit length; mean⁺ runs over the terms above 0.

    Shape:
        embeddings (B, E), any norm; labels (B,); a scalar. Weight 1 in a sum. No per-clip value: the mean is over
        violations.

    Two classes: a hinge at the boundary, without a margin: [c_o - c_y]₊.
    Differs from the code: nothing. Alone, it learns its own centres.
    """

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        z, y = whole_batch(z, y, training=self.training)
        cosines = self._centre_cosines(z, context)
        others = torch.ones_like(cosines, dtype=torch.bool).scatter(1, y[:, None], False)
        return mean_of_positive(cosines - cosines.gather(1, y[:, None]), others)


@LOSSES.register(
    "same_compression_push",
    source=_SOURCE,
    family="regulariser",
    tier=1,
    search_space=SearchSpace(),
)
class SameCompressionPush(_CentreCosines):
    """Every clip nearer to its class centre than to other classes' clips of the same recording condition.

        L = mean⁺ over pairs y_k ≠ y_i, d_k = d_i of [(1 - <x_i, c_y>) - (1 - <x_i, x_k>)]₊

    Letters: x embedding and c class centre at unit length, d dataset and compression; mean⁺ runs over the terms
    above 0. A fake differs from a real clip of its own compression by the manipulation alone.

    Shape:
        embeddings (B, E), any norm; labels (B,); `LossContext.domains` (B,); a scalar. Weight 1 in a sum. No
        per-clip
        value: the mean is over violations. In training the pairs are those of all processes.

    Two classes: pushes fakes away from reals of the same compression.
    Differs from the code ("SameCameraPushPlus"): nothing but the meaning of the camera. Alone, own centres.
    """

    needs = LossNeeds(classes_per_batch=2, clips_per_class=2, context=("domains",))

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        domains = domains_of(context, y, type(self).__name__)
        z, y = whole_batch(z, y, training=self.training)
        domains = gather_plain(domains) if self.training else domains
        own = self._centre_cosines(z, context).gather(1, y[:, None])
        pairs = Pairs.of(z, y)
        return mean_of_positive(pairs.cosines() - own, pairs.negatives & (domains[:, None] == domains[None, :]))


@LOSSES.register(
    "cross_compression_pull",
    source=_SOURCE,
    family="regulariser",
    tier=1,
    search_space=SearchSpace(),
)
class CrossCompressionPull(EmbeddingLoss):
    """Clips of one class pulled together across recording conditions, so that compression is not what is learnt.

        L = mean over pairs y_i = y_j, d_i ≠ d_j of 1 - <x_i, x_j>

    Letters: x embedding at unit length, d dataset and compression.

    Shape:
        embeddings (B, E), any norm; labels (B,); `LossContext.domains` (B,); a scalar, 0 where the batch has one
        condition only. Weight 1 in a sum. No per-clip value: the mean is over pairs, of all processes in training.

    Two classes: with 0/1 labels all fakes are drawn together; prefer manipulation labels. It has no push: alone it
    collapses.
    Differs from the code ("SameIDPull"): nothing but the meaning of the camera.
    """

    needs = LossNeeds(clips_per_class=2, context=("domains",))

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        domains = domains_of(context, y, type(self).__name__)
        z, y = whole_batch(z, y, training=self.training)
        domains = gather_plain(domains) if self.training else domains
        pairs = Pairs.of(z, y)
        return mean_where(1 - pairs.cosines(), pairs.positives & (domains[:, None] != domains[None, :]))


@LOSSES.register(
    "confidence_penalty",
    source=f"{_SOURCE}; Pereyra et al. 2017, https://arxiv.org/abs/1701.06548",
    family="margin",
    tier=2,
    search_space=SearchSpace({"beta": (0.03, 0.085, 0.2), "margin": (0.0, 0.35, 0.5)}),
)
class ConfidencePenalty(CosFace):
    """CosFace that rewards unsure predictions, and leaves clips alone whose loss the reward outweighs.

        L = mean⁺_i [CE_i - β H(p_i)]₊,   H(p) = -Σ_j p_j log p_j

    Letters: CE cross-entropy and p softmax of CosFace's training logits, β weight; mean⁺ runs over the clips whose
    term is above 0.

    Args:
        beta: β; 0.03 to 0.2.
        scale: s of CosFace.
        margin: m of CosFace.

    Two classes: H is at most ln 2. A clip is left alone once its CE is below β H.
    Differs from the code: nothing; one process averages over its own clips.
    """

    def __init__(
        self,
        *,
        beta: float = 0.085,
        scale: float = 16.0,
        margin: float = 0.5,
        **options: Unpack[MarginOptions],
    ) -> None:
        super().__init__(scale=scale, margin=margin, **options)
        self.beta = check_range(self, "beta", beta, 0.0, 10.0)

    def criterion(self, logits: Tensor, y: Tensor) -> Tensor:
        """[CE - β H(p)]₊ per clip (B,)."""
        log_p = log_softmax(logits, dim=1)
        entropy = -(log_p.exp() * log_p).sum(1)
        return torch.relu(super().criterion(logits, y) - self.beta * entropy)

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        values = self._per_clip(z, y, context)
        return mean_of_positive(values, torch.ones_like(values, dtype=torch.bool))
