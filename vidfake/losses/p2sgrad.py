"""P2SGrad: squared error of cosines."""

from __future__ import annotations

from typing import Unpack

from torch import Tensor

from vidfake.losses.base import LOSSES, LossContext, SearchSpace
from vidfake.losses.heads import HeadLoss, HeadOptions


@LOSSES.register(
    "p2sgrad",
    source="Zhang et al. 2019, https://arxiv.org/abs/1905.02479",
    family="softmax",
    tier=1,
    search_space=SearchSpace({}),
)
class P2SGrad(HeadLoss):
    """Squared distance of each clip's cosines from 1 for its class and 0 for the others: no scale, no margin.

        L = Σ_j (cos θ_j - 1[j = y])²

    Letters: θ_j angle between embedding and class weight j, y the true class. Its gradient is that of softmax with
    the probability replaced by the cosine, as in the paper.

    Two classes: the best weights are orthogonal, not opposite, so c_1 - c_0 reaches 1 only.
    Differs from the paper: nothing; the sum runs over classes and the mean over clips.
    """

    # the loss has no scale; with several fake classes the score pools their cosines at this one
    score_scale = 16.0

    def __init__(self, **options: Unpack[HeadOptions]) -> None:
        super().__init__(**options)

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        cosines = self.similarities(z)
        true = cosines.gather(1, y[:, None]).squeeze(1)
        return cosines.square().sum(dim=1) - 2.0 * true + 1.0
