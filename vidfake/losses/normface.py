"""NormFace: softmax on cosines, without a margin."""

from __future__ import annotations

import math
from typing import Unpack

import torch
from torch import Tensor, nn

from vidfake.losses.base import LOSSES, LossContext, SearchSpace
from vidfake.losses.heads import SoftmaxHead, SoftmaxOptions
from vidfake.losses.options import check_range

LARGEST_LEARNED_SCALE = 64.0


@LOSSES.register(
    "normface",
    source="Wang et al. 2017, https://arxiv.org/abs/1704.06369",
    family="softmax",
    tier=1,
    search_space=SearchSpace({"scale": (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)}, {"scale": (4.0, 8.0, 16.0, 32.0, 64.0)}),
)
class NormFace(SoftmaxHead):
    """Cross-entropy on scaled cosines: the zero-margin control of every margin loss.

        L = -log( e^{s c_y} / Σ_j e^{s c_j} ),   c_j = cos θ_j

    Letters: θ_j angle between embedding and class weight j, s scale, y the true class.

    Args:
        scale: s. Two classes reach a probability of 0.999 from s = 3.5 on; larger s only sharpens.
        learn_scale: learn log s, starting at `scale`, held between 1 and 64. With two separable classes it grows
            until it is held.

    Two classes: L = softplus(-s (c_y - c_o)); it cannot fall below ln(1 + e^{-2s}).
    Differs from the paper: one scale for all classes; a learned scale is held within bounds.
    """

    def __init__(
        self, *, scale: float = 16.0, learn_scale: bool = False, **options: Unpack[SoftmaxOptions]
    ) -> None:
        super().__init__(**options)
        largest = LARGEST_LEARNED_SCALE if learn_scale else 1000.0
        smallest = 1.0 if learn_scale else 1e-3
        start = check_range(self, "scale", scale, smallest, largest)
        self.log_scale = nn.Parameter(torch.tensor(math.log(start))) if learn_scale else None
        self.fixed_scale = start

    @property
    def score_scale(self) -> float:  # type: ignore[override]
        """The scale now in force."""
        return self.fixed_scale if self.log_scale is None else float(self._learned(self.log_scale.detach()))

    @staticmethod
    def _learned(log_scale: Tensor) -> Tensor:
        return log_scale.clamp(0.0, math.log(LARGEST_LEARNED_SCALE)).exp()

    def training_logits(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        """s c_j (B, C)."""
        scale = self.fixed_scale if self.log_scale is None else self._learned(self.log_scale).to(z.dtype)
        return self.similarities(z) * scale
