"""ArcFace: an additive margin on the angle."""

from __future__ import annotations

import math
from typing import Unpack

from torch import Tensor

from vidfake.losses.angular import ARC_GUARDS, ArcGuard, add_angle
from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.heads import HeadBatch, MarginHead, MarginOptions
from vidfake.losses.options import check_choice, check_range


@LOSSES.register(
    "arcface",
    source="Deng et al. 2019, https://arxiv.org/abs/1801.07698",
    family="margin",
    tier=1,
    search_space=SearchSpace(
        {"scale": (4.0, 8.0, 16.0, 32.0, 64.0), "margin_radians": (0.2, 0.35, 0.5, 0.8, 1.1)},
        {"scale": (8.0, 16.0, 32.0, 64.0), "margin_radians": (0.1, 0.2, 0.35, 0.5)},
    ),
    defaults_many={"scale": 32.0},
)
class ArcFace(MarginHead):
    """Cross-entropy on scaled cosines, with a margin added to the true class's angle.

        L = -log( e^{s cos(θ_y + m)} / (e^{s cos(θ_y + m)} + Σ_{j≠y} e^{s cos θ_j}) )

    Letters: θ_j angle between embedding and class weight j, s scale, m margin in radians, y the true class.

    Args:
        scale: s. Paper: 64, for thousands of classes.
        margin_radians: m. Paper: 0.5 (28.6 degrees).
        arc_guard: what happens where θ_y + m passes π and the cosine would rise again: `linear` (cos θ - m sin m),
            `clamp` (held at -1, no gradient), `easy` (margin only where cos θ > 0), `none`.

    Two classes: with opposite weights cos(θ + m) + cos θ = 2 cos(m/2) cos(θ + m/2): the boundary moves by m/2 only,
    and the scale shrinks by cos(m/2). Wrong clips sit near θ = π, where an unguarded margin pushes the wrong way.
    Differs from the paper: the guard, which the paper's equation leaves out; its code detaches the margin's
    gradient (`gradient="detached"`).
    """

    def __init__(
        self,
        *,
        scale: float = 16.0,
        margin_radians: float = 0.5,
        arc_guard: ArcGuard = "linear",
        **options: Unpack[MarginOptions],
    ) -> None:
        super().__init__(scale=scale, **options)
        self.margin_radians = check_margin_radians(self, margin_radians)
        check_choice(self, "arc_guard", arc_guard, ARC_GUARDS)
        self.arc_guard = arc_guard

    def target_logit(self, cosine: Tensor, batch: HeadBatch) -> Tensor:
        """cos(θ_y + m), guarded."""
        return add_angle(cosine, self.margin_radians * batch.strength, self.arc_guard)


def check_margin_radians(loss: object, value: float) -> float:
    """An angular margin in [0, π/2], or LossInputError that reminds of the unit."""
    return check_range(
        loss, "margin_radians", value, 0.0, math.pi / 2, hint="It is in radians: 28.6 degrees are 0.5 radians."
    )
