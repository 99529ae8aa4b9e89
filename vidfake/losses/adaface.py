"""AdaFace: the embedding's norm, as a sign of quality, decides which margin a clip gets."""

from __future__ import annotations

import math
from typing import Unpack

import torch
from torch import Tensor

from vidfake.losses.base import LOSSES, LossContext, LossNeeds, SearchSpace
from vidfake.losses.distributed import all_reduce_sum
from vidfake.losses.heads import HeadBatch, MarginHead, MarginOptions
from vidfake.losses.norms import norms_vary
from vidfake.losses.options import check_range

_EDGE = 1e-3
"""Distance kept from cosine ±1 and from angle 0 and π, as published."""


@LOSSES.register(
    "adaface",
    source="Kim et al. 2022, https://arxiv.org/abs/2204.00964",
    family="adaptive",
    tier=2,
    search_space=SearchSpace({"margin": (0.2, 0.4, 0.6), "concentration": (0.2, 0.333, 0.5)}),
    defaults_many={"scale": 32.0},
)
class AdaFace(MarginHead):
    """A margin between ArcFace's and CosFace's, chosen by the embedding's norm against the running norms.

        L = -log( e^{s ψ} / (e^{s ψ} + Σ_{j≠y} e^{s cos θ_j}) ),   ψ = cos(θ_y - m ẑ) - (m + m ẑ)
        ẑ = clip( h (||z|| - μ)/(σ + 0.001), -1, 1 ), without gradient

    Letters: θ_j angle between embedding and class weight j, s scale, m margin, h concentration, μ and σ
    running mean and standard deviation of the norms. A low norm (ẑ = -1) gives ArcFace's margin, a middle one
    CosFace's.

    Args:
        scale: s. Paper: 64.
        margin: m, both in radians and in cosine units.
        concentration: h; 0 is CosFace.
        momentum: of μ and σ; 0 takes the batch's own.

    Two classes: wrong clips sit near θ = π, where θ - m ẑ is held below π and gets no gradient.
    An embedding whose norm hardly varies is refused.
    Differs from the paper: μ and σ start from the first training batch instead of 20 and 100, and are shared by all
    processes; a batch of one clip has σ = 0 instead of an undefined one.
    """

    needs = LossNeeds(norm_must_vary=True)
    normalised = False
    norm_mean: Tensor
    norm_deviation: Tensor
    checked_norms: Tensor

    def __init__(
        self,
        *,
        scale: float = 16.0,
        margin: float = 0.4,
        concentration: float = 0.333,
        momentum: float = 0.99,
        **options: Unpack[MarginOptions],
    ) -> None:
        super().__init__(scale=scale, **options)
        self.margin = check_range(self, "margin", margin, 0.0, math.pi / 2)
        self.concentration = check_range(self, "concentration", concentration, 0.0, 10.0)
        self.momentum = check_range(self, "momentum", momentum, 0.0, 1.0)
        self.register_buffer("norm_mean", torch.tensor(torch.nan))
        self.register_buffer("norm_deviation", torch.tensor(torch.nan))
        self.register_buffer("checked_norms", torch.tensor(False))

    def training_logits(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        """Scaled cosines (B, C), after the running norms are brought up to date."""
        if self.state_moves(context):
            self._update(torch.linalg.vector_norm(z.detach(), dim=1))
        return super().training_logits(z, y, context)

    def target_logit(self, cosine: Tensor, batch: HeadBatch) -> Tensor:
        """cos(θ_y - m ẑ) - (m + m ẑ)."""
        quality = self._quality(torch.linalg.vector_norm(batch.z.detach(), dim=1))
        margin = self.margin * batch.strength
        angle = torch.acos(cosine.clamp(-1.0 + _EDGE, 1.0 - _EDGE)) - margin * quality
        return angle.clamp(_EDGE, math.pi - _EDGE).cos() - margin * (1.0 + quality)

    @torch.no_grad()
    def _quality(self, norms: Tensor) -> Tensor:
        """ẑ (B,), by the running norms, or by the batch's own before there are any."""
        mean, deviation = self.norm_mean, self.norm_deviation
        if bool(mean.isnan()):
            mean, deviation = _mean_and_deviation(norms)
        scaled = self.concentration * (norms - mean) / (deviation + 1e-3)
        return scaled.clamp(-1.0, 1.0)

    @torch.no_grad()
    def _update(self, norms: Tensor) -> None:
        if not bool(self.checked_norms):
            self.checked_norms.fill_(norms_vary(norms, loss="AdaFace"))
        mean, deviation = _mean_and_deviation(norms.clamp(0.001, 100.0))
        if bool(self.norm_mean.isnan()):
            self.norm_mean.copy_(mean)
            self.norm_deviation.copy_(deviation)
        else:
            self.norm_mean.lerp_(mean.to(self.norm_mean), 1.0 - self.momentum)
            self.norm_deviation.lerp_(deviation.to(self.norm_deviation), 1.0 - self.momentum)


def _mean_and_deviation(norms: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the norms of all processes; the deviation of one norm is 0."""
    count, total = all_reduce_sum(torch.stack([norms.new_tensor(float(len(norms))), norms.sum()]))
    mean = total / count
    squares = all_reduce_sum((norms - mean).square().sum())
    return mean, (squares / (count - 1.0).clamp_min(1.0)).sqrt()
