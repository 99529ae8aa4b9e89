"""Circle loss on class weights: each cosine is weighted by how far it is from where it should be."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor

from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.heads import Gradient, HeadBatch, MarginHead, SoftmaxOptions
from vidfake.losses.options import check_range


class CircleOptions(SoftmaxOptions, total=False):
    """A margin that relaxes as it grows needs no warm-up; the scale may have one."""

    gradient: Gradient
    scale_warmup: float


@LOSSES.register(
    "circle_class",
    source="Sun et al. 2020, https://arxiv.org/abs/2002.10857, class-level form",
    family="adaptive",
    tier=1,
    search_space=SearchSpace(
        {"scale": (8.0, 16.0, 32.0, 64.0, 128.0), "margin": (0.1, 0.25, 0.4)},
        {"scale": (16.0, 32.0, 64.0, 128.0, 256.0), "margin": (0.1, 0.25, 0.4)},
    ),
    defaults_many={"scale": 64.0},
)
class CircleClass(MarginHead):
    """Cross-entropy on cosines that each weigh themselves by their distance from the optimum.

        l_y = γ a_y (c_y - (1 - m)),   a_y = [1 + m - c_y]₊;   l_j = γ a_j (c_j - m),   a_j = [c_j + m]₊
        L = -log( e^{l_y} / Σ_j e^{l_j} );   a without gradient

    Letters: c_j cosine to class weight j, γ scale, m relaxation, y the true class. The boundary is the circle
    c_j² + (1 - c_y)² = 2m².

    Args:
        scale: γ. Paper: 256 for faces.
        margin: m; smaller is stricter.

    Two classes: the other class stops pushing at c_o < -m, so weights settle between orthogonal and opposite.
    Differs from the paper: nothing.
    """

    def __init__(self, *, scale: float = 32.0, margin: float = 0.25, **options: Unpack[CircleOptions]) -> None:
        super().__init__(scale=scale, **options)
        self.margin = check_range(self, "margin", margin, 0.0, 1.0)

    def target_logit(self, cosine: Tensor, batch: HeadBatch) -> Tensor:
        """a_y (c_y - (1 - m))."""
        weight = torch.relu(1.0 + self.margin - cosine.detach())
        return weight * (cosine - (1.0 - self.margin))

    def other_logits(self, target: Tensor, batch: HeadBatch) -> Tensor:
        """a_j (c_j - m)."""
        weight = torch.relu(batch.cosines.detach() + self.margin)
        return weight * (batch.cosines - self.margin)
