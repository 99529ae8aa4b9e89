"""Angular Sparsemax: the sparsemax loss on cosines with an angular margin."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor

from vidfake.losses.angular import ARC_GUARDS, ArcGuard, add_angle
from vidfake.losses.arcface import check_margin_radians
from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.heads import HeadBatch, MarginLogits, MarginLogitsOptions
from vidfake.losses.options import check_choice


@LOSSES.register(
    "angular_sparsemax_r",
    source="Chan and Kittler 2020, Angular Sparsemax for Face Recognition, ICPR 2020 (abstract); sparsemax loss: "
    "https://arxiv.org/abs/1602.02068",
    status="reconstruction",
    family="margin",
    tier=2,
    search_space=SearchSpace({"scale": (1.0, 2.0, 4.0, 8.0), "margin_radians": (0.0, 0.1, 0.3)}),
    defaults_many={"scale": 4.0},
)
class AngularSparsemax(MarginLogits):
    """Sparsemax loss on scaled cosines with an angular margin: exactly zero once a clip is right by enough.

        v_y = s cos(θ_y + m),   v_j = s cos θ_j;   p = projection of v onto the simplex = [v - τ]₊
        L = ½ Σ_{j: p_j>0} (v_j² - τ²) - v_y + ½

    Letters: θ_j angle between embedding and class weight j, s scale, m margin, τ the projection's threshold.

    Args:
        scale: s. The loss is zero once v_y exceeds every other v_j by 1, so a large s leaves most clips silent.
        margin_radians: m.
        arc_guard: as in ArcFace.

    Two classes: with δ = v_y - v_o: 0 for δ ≥ 1, (1 - δ)²/4 between, -δ for δ ≤ -1.
    Differs from the paper: known are the sparsemax loss and "an additive angular margin on the score vector";
    scale, margin, guard and the place of the margin (true class only) are ours.
    """

    def __init__(
        self,
        *,
        scale: float = 2.0,
        margin_radians: float = 0.3,
        arc_guard: ArcGuard = "linear",
        **options: Unpack[MarginLogitsOptions],
    ) -> None:
        super().__init__(scale=scale, **options)
        self.margin_radians = check_margin_radians(self, margin_radians)
        check_choice(self, "arc_guard", arc_guard, ARC_GUARDS)
        self.arc_guard = arc_guard

    def target_logit(self, cosine: Tensor, batch: HeadBatch) -> Tensor:
        """cos(θ_y + m), guarded."""
        return add_angle(cosine, self.margin_radians * batch.strength, self.arc_guard)

    def criterion(self, logits: Tensor, y: Tensor) -> Tensor:
        """Sparsemax loss per clip (B,)."""
        return sparsemax_loss(logits, y)


def sparsemax_loss(v: Tensor, y: Tensor) -> Tensor:
    """½ Σ_{j in S} (v_j² - τ²) - v_y + ½ per row (B,); its gradient is [v - τ]₊ - onehot(y)."""
    # the loss does not change when a row is shifted; about its maximum the squares keep their digits
    v = v - v.detach().max(dim=1, keepdim=True).values
    ordered = v.sort(dim=1, descending=True).values
    sums = ordered.cumsum(dim=1)
    counts = torch.arange(1, v.shape[1] + 1, device=v.device, dtype=v.dtype)
    support = (1.0 + counts * ordered > sums).sum(dim=1, keepdim=True)
    threshold = (sums.gather(1, support - 1) - 1.0) / support
    inside = v > threshold
    squares = torch.where(inside, v.square() - threshold.square(), 0.0).sum(dim=1)
    return 0.5 * squares - v.gather(1, y[:, None]).squeeze(1) + 0.5
