"""ElasticFace: a margin drawn anew for every clip, in the arc and the cosine form."""

from __future__ import annotations

from typing import Unpack

from torch import Tensor

from vidfake.losses.angular import ArcGuard, add_angle
from vidfake.losses.arcface import ArcFace
from vidfake.losses.base import LOSSES, SearchSpace
from vidfake.losses.cosface import CosFace
from vidfake.losses.draws import Draws
from vidfake.losses.heads import HeadBatch, MarginOptions
from vidfake.losses.options import check_range

_SOURCE = "Boutros et al. 2022, https://arxiv.org/abs/2109.09416"


def drawn_margins(cosine: Tensor, noise: Tensor, *, mean: float, sigma: float, harder_more: bool) -> Tensor:
    """Margins (B,) = mean + sigma·noise; with `harder_more` sorted so that the smallest cosine gets the largest."""
    margins = mean + sigma * noise.to(cosine)
    if not harder_more:
        return margins
    rank = cosine.detach().argsort().argsort()
    return margins.sort(descending=True).values[rank]


@LOSSES.register(
    "elastic_arcface",
    source=_SOURCE,
    family="adaptive",
    tier=2,
    search_space=SearchSpace({"sigma": (0.05, 0.1), "margin_radians": (0.2, 0.35, 0.5, 0.8, 1.1)}),
    defaults_many={"scale": 32.0},
)
class ElasticArcFace(ArcFace):
    """ArcFace with a margin drawn from a normal distribution for every clip in every training step.

        L = -log( e^{s cos(θ_y + m_i)} / (e^{s cos(θ_y + m_i)} + Σ_{j≠y} e^{s cos θ_j}) ),   m_i ~ N(m, σ²)

    Letters: θ_j angle between embedding and class weight j, s scale, m mean margin in radians, y the true class.

    Args:
        scale: s of ArcFace.
        margin_radians: m.
        arc_guard: as in ArcFace.
        sigma: σ. Paper: 0.0125 and 0.05; at 0.0125 nothing differs from ArcFace here.
        harder_more: the paper's "+" variant: the drawn margins are dealt out so that a harder clip gets a
            larger one.
        seed: of the draws, which also depend on step and process; the position is stored in checkpoints.

    Two classes: as ArcFace.
    Differs from the paper: in evaluation mode every clip has the mean margin; "+" is written from memory.
    """

    def __init__(
        self,
        *,
        scale: float = 16.0,
        margin_radians: float = 0.5,
        arc_guard: ArcGuard = "linear",
        sigma: float = 0.05,
        harder_more: bool = False,
        seed: int = 0,
        **options: Unpack[MarginOptions],
    ) -> None:
        super().__init__(scale=scale, margin_radians=margin_radians, arc_guard=arc_guard, **options)
        self.sigma = check_range(self, "sigma", sigma, 0.0, 1.0)
        self.harder_more = harder_more
        self.draws = Draws("elastic_arcface", seed)

    def target_logit(self, cosine: Tensor, batch: HeadBatch) -> Tensor:
        """cos(θ_y + m_i), guarded."""
        if not self.training:
            return super().target_logit(cosine, batch)
        margins = drawn_margins(
            cosine,
            self.draws.normal(len(cosine), again=batch.context.repeated),
            mean=self.margin_radians,
            sigma=self.sigma,
            harder_more=self.harder_more,
        )
        return add_angle(cosine, margins * batch.strength, self.arc_guard)


@LOSSES.register(
    "elastic_cosface",
    source=_SOURCE,
    family="adaptive",
    tier=2,
    search_space=SearchSpace({"sigma": (0.05, 0.1), "margin": (0.0, 0.2, 0.35, 0.5, 0.9, 1.2)}),
    defaults_many={"scale": 32.0, "margin": 0.35},
)
class ElasticCosFace(CosFace):
    """CosFace with a margin drawn from a normal distribution for every clip in every training step.

        L = -log( e^{s(c_y - m_i)} / (e^{s(c_y - m_i)} + Σ_{j≠y} e^{s c_j}) ),   m_i ~ N(m, σ²)

    Letters: c_j cosine to class weight j, s scale, m mean margin, y the true class.

    Args:
        scale: s of CosFace.
        margin: m.
        sigma: σ. Paper: 0.0125 and 0.05; at 0.0125 nothing differs from CosFace here.
        harder_more: the paper's "+" variant: the drawn margins are dealt out so that a harder clip gets a
            larger one.
        seed: of the draws, which also depend on step and process; the position is stored in checkpoints.

    Two classes: as CosFace.
    Differs from the paper: in evaluation mode every clip has the mean margin; "+" is written from memory.
    """

    def __init__(
        self,
        *,
        scale: float = 16.0,
        margin: float = 0.5,
        sigma: float = 0.05,
        harder_more: bool = False,
        seed: int = 0,
        **options: Unpack[MarginOptions],
    ) -> None:
        super().__init__(scale=scale, margin=margin, **options)
        self.sigma = check_range(self, "sigma", sigma, 0.0, 1.0)
        self.harder_more = harder_more
        self.draws = Draws("elastic_cosface", seed)

    def target_logit(self, cosine: Tensor, batch: HeadBatch) -> Tensor:
        """c_y - m_i."""
        if not self.training:
            return super().target_logit(cosine, batch)
        margins = drawn_margins(
            cosine,
            self.draws.normal(len(cosine), again=batch.context.repeated),
            mean=self.margin,
            sigma=self.sigma,
            harder_more=self.harder_more,
        )
        return cosine - margins * batch.strength
