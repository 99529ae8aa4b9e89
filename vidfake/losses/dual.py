"""Dual loss: two soft norms beside cross-entropy, and cross-entropy weighted by those norms."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn

from vidfake.losses.base import LOSSES, LossContext, LossNeeds, SearchSpace
from vidfake.losses.distributed import all_reduce_mean
from vidfake.losses.heads import SoftmaxOptions
from vidfake.losses.options import check_range
from vidfake.losses.softmax import Softmax

LARGEST_RATIO = 10.0
"""Norms further than this factor from their mean count as this far: one clip must not rule the batch."""

_SOURCE = "after Li et al. 2020, Dual Loss for Manga Character Recognition, ICPR"
_RINGS = {"feature_ring": (0.001, 0.01, 0.1), "class_ring": (0.001, 0.01, 0.1)}


@LOSSES.register(
    "dual_ring_r",
    source=_SOURCE,
    status="reconstruction",
    family="softmax",
    tier=2,
    search_space=SearchSpace(_RINGS),
)
class DualRing(Softmax):
    """Cross-entropy of a linear layer, with embedding norms and class-weight norms each drawn to a learned radius.

        L = CE + λ_f mean_i (||z_i|| - R_f)² + λ_w mean_j (||w_j|| - R_w)²

    Letters: z embedding, w_j weight of class j, R_f and R_w learned radii, which start at the mean norm of the
    first batch and of the class weights.

    Args:
        feature_ring: λ_f; 0.001 to 0.1.
        class_ring: λ_w; 0.001 to 0.1.

    Two classes: class norms only shift the boundary then; useful with imbalance among several manipulations.
    Known, from the abstract: softmax combined with soft normalisation of both features and weights. Ours: the form.
    """

    needs = LossNeeds(norm_must_vary=True)
    started: Tensor

    def __init__(
        self, *, feature_ring: float = 0.01, class_ring: float = 0.01, **options: Unpack[SoftmaxOptions]
    ) -> None:
        super().__init__(**options)
        self.feature_ring = check_range(self, "feature_ring", feature_ring, 0.0)
        self.class_ring = check_range(self, "class_ring", class_ring, 0.0)
        self.feature_radius = nn.Parameter(torch.ones(()))
        self.class_radius = nn.Parameter(torch.ones(()))  # class weights start at norm 1
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        if self.training and not bool(self.started):
            with torch.no_grad():
                self.feature_radius.copy_(all_reduce_mean(_norms(z).mean()))
                self.started.fill_(True)
        return super()._total(z, y, context)

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        features = (_norms(z) - self.feature_radius.to(z.dtype)).square()
        classes = (_norms(self.weight.to(z.dtype)) - self.class_radius.to(z.dtype)).square().mean()
        return self._cross_entropies(z, y, context) + self.feature_ring * features + self.class_ring * classes

    def _cross_entropies(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        return super()._per_clip(z, y, context)


@LOSSES.register(
    "dual_reweighted_r",
    source=_SOURCE,
    status="reconstruction",
    family="softmax",
    tier=3,
    search_space=SearchSpace({"feature_exponent": (-1.0, 0.0, 1.0), "class_exponent": (-1.0, 0.0, 1.0)}),
)
class DualReweighted(DualRing):
    """The dual ring, with each clip's cross-entropy weighted by the norms of its embedding and of its class weight.

        L = mean_i u_i CE_i + rings,   u_i ∝ (||z_i|| / mean ||z||)^a (||w_y|| / mean ||w||)^b,   mean u = 1

    Letters: z embedding, w_y weight of the true class, a and b exponents; u is a constant in the gradient.

    Args:
        feature_ring: λ_f, as in the dual ring.
        class_ring: λ_w, as in the dual ring.
        feature_exponent: a; a short embedding often is a hard or poor clip, so the sign that helps is an open
            question.
        class_exponent: b; rare classes have short weights, so b = -1 gives them more.

    Two classes: of little use with balanced batches; meant for rare manipulations.
    Known, from the abstract: softmax re-weighted by the norms of feature and class weight. Ours: the function and
    its direction.
    """

    def __init__(
        self,
        *,
        feature_ring: float = 0.01,
        class_ring: float = 0.01,
        feature_exponent: float = 0.0,
        class_exponent: float = -1.0,
        **options: Unpack[SoftmaxOptions],
    ) -> None:
        super().__init__(feature_ring=feature_ring, class_ring=class_ring, **options)
        self.feature_exponent = check_range(self, "feature_exponent", feature_exponent, -2.0, 2.0)
        self.class_exponent = check_range(self, "class_exponent", class_exponent, -2.0, 2.0)

    def _cross_entropies(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        return self._importance(z, y) * super()._cross_entropies(z, y, context)

    @torch.no_grad()
    def _importance(self, z: Tensor, y: Tensor) -> Tensor:
        lengths, class_lengths = _norms(z), _norms(self.weight.to(z.dtype))
        mean = self._mean(lengths)
        u = _ratio(lengths, mean) ** self.feature_exponent
        u = u * _ratio(class_lengths, class_lengths.mean())[y] ** self.class_exponent
        return u / self._mean(u)

    def _mean(self, values: Tensor) -> Tensor:
        return all_reduce_mean(values.mean()) if self.training else values.mean()


def _norms(rows: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return lengths


def _ratio(lengths: Tensor, mean: Tensor) -> Tensor:
    return (lengths / torch.where(mean > 0, mean, 1.0)).clamp(1 / LARGEST_RATIO, LARGEST_RATIO)
