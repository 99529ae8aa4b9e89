"""CosFace, also known as AM-Softmax and LMCL: an additive margin on the cosine."""

from __future__ import annotations

from typing import Unpack

from torch import Tensor

from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.heads import HeadBatch, MarginHead, MarginOptions
from vidfake.losses.options import check_range


@LOSSES.register(
    "cosface",
    source="Wang et al. 2018, https://arxiv.org/abs/1801.09414; the same as AM-Softmax, "
    "https://arxiv.org/abs/1801.05599",
    family="margin",
    tier=1,
    search_space=SearchSpace(
        {"scale": (4.0, 8.0, 16.0, 32.0, 64.0), "margin": (0.0, 0.2, 0.35, 0.5, 0.9, 1.2)},
        {"scale": (8.0, 16.0, 32.0, 64.0), "margin": (0.1, 0.2, 0.35, 0.5, 0.8)},
    ),
    defaults_many={"scale": 32.0, "margin": 0.35},
)
class CosFace(MarginHead):
    """Cross-entropy on scaled cosines, with a margin taken from the true class's cosine.

        L = -log( e^{s(c_y - m)} / (e^{s(c_y - m)} + Σ_{j≠y} e^{s c_j}) ),   c_j = cos θ_j

    Letters: θ_j angle between embedding and class weight j, s scale, m margin, y the true class.

    Args:
        scale: s. Paper: 64, for thousands of classes.
        margin: m, in cosine units. Below C/(C - 1) it can be met: 2 for two classes, 1.25 for five.

    Two classes: exactly softplus(-s((c_y - c_o) - m)): a hinge of width 1/s at c_y - c_o = m. The face-recognition
    margin of 0.35 is weak here; anti-spoofing uses 0.9 with s = 20.
    Differs from the paper: nothing; margins may depend on class counts (`class_counts`), as in LDAM.
    """

    def __init__(self, *, scale: float = 16.0, margin: float = 0.5, **options: Unpack[MarginOptions]) -> None:
        super().__init__(scale=scale, **options)
        self.margin = check_range(self, "margin", margin, 0.0, 2.0, hint="It is in cosine units.")

    def target_logit(self, cosine: Tensor, batch: HeadBatch) -> Tensor:
        """c_y - m."""
        return cosine - self.margin * batch.strength
