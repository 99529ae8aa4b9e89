"""AdaCos: a scale that sets itself."""

from __future__ import annotations

import math
from typing import Literal, Unpack

import torch
from torch import Tensor

from vidfake.losses.angular import angle_of
from vidfake.losses.base import LOSSES, LossContext, LossNeeds, SearchSpace
from vidfake.losses.distributed import gather_plain
from vidfake.losses.heads import SoftmaxHead, SoftmaxOptions
from vidfake.losses.options import check_choice, check_range

LARGEST_SCALE = 64.0


@LOSSES.register(
    "adacos",
    source="Zhang et al. 2019, https://arxiv.org/abs/1905.00292",
    family="adaptive",
    tier=3,
    search_space=SearchSpace({}, {"min_target_probability": (0.0, 0.9, 0.99, 0.999)}),
)
class AdaCos(SoftmaxHead):
    """Cross-entropy on cosines, with a scale computed from the batch's angles instead of tuned.

        s ← ln(B_avg) / cos(min(π/4, θ_med)),   B_avg = mean_i Σ_{j≠y_i} e^{s cos θ_ij};   fixed: s = √2 ln(C - 1)
        L = -log( e^{s cos θ_y} / Σ_j e^{s cos θ_j} )

    Letters: θ_ij angle between clip i and class weight j, θ_med the batch's median angle to the true class.

    Args:
        mode: `dynamic` updates s in every training step; `fixed` does not.
        min_target_probability: P; s is held at (C-1)/C · ln((C-1)P/(1-P)) or above, from where on a true class can
            reach P. 0 lets s be as published.

    Two classes: refused. √2 ln(C - 1) is 0, and the update stays at 0 or changes sign for ever.
    Differs from the paper: that lower bound, without which s is 1.96 for five classes, and an upper one of 64.
    """

    needs = LossNeeds(min_classes=3)
    scale: Tensor

    def __init__(
        self,
        *,
        mode: Literal["dynamic", "fixed"] = "dynamic",
        min_target_probability: float = 0.999,
        **options: Unpack[SoftmaxOptions],
    ) -> None:
        super().__init__(**options)
        check_choice(self, "mode", mode, ("dynamic", "fixed"))
        self.mode = mode
        p = check_range(self, "min_target_probability", min_target_probability, 0.0, 0.99999)
        others = self.num_classes - 1
        bound = others / self.num_classes * math.log(others * p / (1.0 - p)) if p > 0 else 0.0
        self.smallest_scale = min(max(bound, 0.0), LARGEST_SCALE)
        self.register_buffer("scale", torch.tensor(self._held(math.sqrt(2.0) * math.log(others))))

    @classmethod
    def why_not(cls, num_classes: int) -> str:
        """Two classes leave the scale at zero."""
        return (
            "Its scale is √2 ln(C - 1), which is 0 for two classes and never leaves it. Use 'normface' with "
            "learn_scale = true."
        )

    @property
    def score_scale(self) -> float:  # type: ignore[override]
        """The scale now in force."""
        return float(self.scale)

    def _held(self, scale: float) -> float:
        return min(max(scale, self.smallest_scale), LARGEST_SCALE)

    @torch.no_grad()
    def _update(self, cosines: Tensor, y: Tensor) -> None:
        own = y[:, None]
        others = (cosines * self.scale).scatter(1, own, -torch.inf)
        log_sums = gather_plain(torch.logsumexp(others, dim=1))
        angles = gather_plain(angle_of(cosines.gather(1, own).squeeze(1)))
        log_average = torch.logsumexp(log_sums, dim=0) - math.log(len(log_sums))
        median = torch.quantile(angles, 0.5)
        self.scale.fill_(self._held(float(log_average / median.clamp_max(math.pi / 4).cos())))

    def training_logits(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        """s cos θ_j (B, C), with s brought up to date first."""
        cosines = self.similarities(z)
        if self.state_moves(context) and self.mode == "dynamic":
            self._update(cosines, y)
        return cosines * self.scale.to(cosines.dtype)
