"""CurricularFace: hard negatives count little at first and much later."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor

from vidfake.losses.angular import ArcGuard, cosine_plus
from vidfake.losses.arcface import ArcFace
from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.distributed import all_reduce_sum
from vidfake.losses.heads import HeadBatch, MarginOptions
from vidfake.losses.options import check_range


@LOSSES.register(
    "curricularface",
    source="Huang et al. 2020, https://arxiv.org/abs/2004.00288",
    family="adaptive",
    tier=2,
    search_space=SearchSpace(
        {"scale": (4.0, 8.0, 16.0, 32.0, 64.0), "margin_radians": (0.2, 0.35, 0.5, 0.8, 1.1)},
        {"scale": (8.0, 16.0, 32.0, 64.0), "margin_radians": (0.1, 0.2, 0.35, 0.5)},
    ),
    defaults_many={"scale": 32.0},
)
class CurricularFace(ArcFace):
    """ArcFace whose hard negatives are re-weighted by how well training goes.

        L = -log( e^{s cos(θ_y + m)} / (e^{s cos(θ_y + m)} + Σ_{j≠y} e^{s N_j}) )
        N_j = c_j (t + c_j) if c_j > cos(θ_y + m), else c_j;   t ← α t + (1 - α) mean_i c_{y_i}

    Letters: c_j = cos θ_j, m margin in radians, s scale, t running mean of the true class's cosine (starts at 0).

    Args:
        scale: s of ArcFace.
        margin_radians: m of ArcFace.
        arc_guard: as in ArcFace.
        momentum: α.

    Two classes: with opposite weights the one negative is hard where θ_y > π/2 - m/2. Early (t near 0) it counts
    less, later more: a curriculum over wrong labels.
    Differs from the paper: nothing; t is shared by all processes and stored in checkpoints.
    """

    t: Tensor

    def __init__(
        self,
        *,
        scale: float = 16.0,
        margin_radians: float = 0.5,
        arc_guard: ArcGuard = "linear",
        momentum: float = 0.99,
        **options: Unpack[MarginOptions],
    ) -> None:
        super().__init__(scale=scale, margin_radians=margin_radians, arc_guard=arc_guard, **options)
        self.momentum = check_range(self, "momentum", momentum, 0.0, 1.0)
        self.register_buffer("t", torch.zeros(()))

    def other_logits(self, target: Tensor, batch: HeadBatch) -> Tensor:
        """N_j. Whether a negative is hard is judged by the unguarded margin."""
        cosine = batch.target_cosine()
        if self.state_moves(batch.context):
            self._update(cosine)
        hard = batch.cosines > cosine_plus(cosine, self.margin_radians * batch.strength)[:, None]
        return torch.where(hard, batch.cosines * (self.t + batch.cosines), batch.cosines)

    @torch.no_grad()
    def _update(self, cosine: Tensor) -> None:
        total = all_reduce_sum(torch.stack([cosine.sum(), cosine.new_tensor(float(len(cosine)))]))
        self.t.mul_(self.momentum).add_((1.0 - self.momentum) * total[0] / total[1])
