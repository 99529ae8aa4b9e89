"""Ring loss: embeddings of one common norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vidfake.losses.base import LOSSES, EmbeddingLoss, LossContext, LossNeeds, SearchSpace
from vidfake.losses.distributed import all_reduce_mean


@LOSSES.register(
    "ring",
    source="Zheng et al. 2018, https://arxiv.org/abs/1803.00130",
    family="regulariser",
    tier=2,
    search_space=SearchSpace({"scale_free": (False, True)}),
)
class Ring(EmbeddingLoss):
    """Pulls all embedding norms to one learned radius; to be added to a loss whose embeddings have a free norm.

        L = 1/2 mean_i (||z_i|| - R)²,   or with `scale_free`   1/2 mean_i ((||z_i|| - R) / N)²

    Letters: R learned radius, which starts at the mean norm of the first batch; N the batch's mean norm, a
    constant.

    Args:
        scale_free: divide by N. Weight in a sum about 1 then, about 0.01 without.

    Shape:
        embeddings (B, E); labels (B,), unused; a scalar.

    Two classes: the same as for many. With a head that normalises embeddings (NormFace, CosFace, ...) it has no
    effect on what the head sees.
    Differs from the paper: nothing; the paper's λ is the weight in the sum. All processes start at one radius.
    """

    needs = LossNeeds(norm_must_vary=True)
    started: Tensor

    def __init__(self, *, num_classes: int, embedding_dim: int, scale_free: bool = False) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.scale_free = scale_free
        self.radius = nn.Parameter(torch.ones(()))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        if self.training and not bool(self.started):
            with torch.no_grad():
                self.radius.copy_(_mean_norm(z))
                self.started.fill_(True)
        return super()._total(z, y, context)

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        gap = torch.linalg.vector_norm(z, dim=1) - self.radius.to(z.dtype)
        if self.scale_free:
            mean = _mean_norm(z, shared=self.training)
            gap = gap / torch.where(mean > 0, mean, 1.0)
        squared: Tensor = gap.square() / 2
        return squared


def _mean_norm(z: Tensor, *, shared: bool = True) -> Tensor:
    """Mean norm, a constant; over all processes where `shared`."""
    mean: Tensor = torch.linalg.vector_norm(z.detach(), dim=1).mean()
    return all_reduce_mean(mean) if shared else mean
